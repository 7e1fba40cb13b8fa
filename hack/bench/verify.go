package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"time"

	"k8s.io/metrics/pkg/apis/custom_metrics/v1beta2"

	"github.com/loadline/loadline/hack/lab"
)

// tolerance of a value: scrapes have jitter, and a window of 10 s holds five.
const tolerance = 0.1

// verify waits until every replica answers every app with the right values:
// figures about wrong answers are worth nothing.
func verify(ctx context.Context, a *access, apps []App, pods int) error {
	for _, base := range a.replicas {
		for _, app := range apps {
			err := lab.Until(ctx, base+app.path(), 90*time.Second, func(ctx context.Context) (bool, string) {
				if err := verifyOne(ctx, a.direct, base, app, pods); err != nil {
					return false, err.Error()
				}
				return true, ""
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

func verifyOne(ctx context.Context, client *http.Client, base string, app App, pods int) error {
	body, err := fetch(ctx, client, base+app.path(), "application/json", maxBody)
	if err != nil {
		return err
	}
	var list v1beta2.MetricValueList
	if err := json.Unmarshal(body, &list); err != nil {
		return err
	}
	return right(list, app, pods)
}

// right says what is wrong with an answer.
func right(list v1beta2.MetricValueList, app App, pods int) error {
	if len(list.Items) != pods {
		return fmt.Errorf("%d values, want %d", len(list.Items), pods)
	}
	seen := map[string]bool{}
	for _, item := range list.Items {
		pod := Pod{Namespace: app.Namespace, Name: item.DescribedObject.Name}
		if seen[pod.Name] {
			return fmt.Errorf("two values for pod %s", pod.Name)
		}
		seen[pod.Name] = true
		if got, want := item.Value.AsApproximateFloat64(), pod.Rate(); math.Abs(got-want) > tolerance*want {
			return fmt.Errorf("pod %s: %g, want %g", pod.Name, got, want)
		}
	}
	return nil
}
