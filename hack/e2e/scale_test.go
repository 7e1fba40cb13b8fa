//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/loadline/loadline/hack/lab"
	"github.com/loadline/loadline/hack/load"
)

// Test1RequestRate: within 60 s of a step of the request rate the HPA has scaled
// 2 → 6 and the six pods are ready, without a step down on the way. When the rate
// falls, no scale-in comes before the stabilization window is over, which begins with
// the last sync under full load, and within two minutes there are 2 again. No request
// fails.
func Test1RequestRate(t *testing.T) {
	const name = "remindmeweb"
	web := driver(t, "remindmeweb-service", load.Get("/"))
	rate(t, web, 5) // so that there is a value, well below the target
	replicas(t, name, 2, 90*time.Second)
	changes := follow(t)

	rate(t, web, 150) // 6 pods at 20 a second are 120
	step := time.Now()
	replicas(t, name, 6, time.Minute)
	system.Until(t, "six ready pods", time.Minute-time.Since(step), func(ctx context.Context) (bool, string) {
		d, err := system.Client.AppsV1().Deployments(lab.RemindMeNamespace).Get(ctx, "remindmeweb-deployment", metav1.GetOptions{})
		if err != nil {
			return false, err.Error()
		}
		return d.Status.ReadyReplicas == 6, fmt.Sprintf("%d ready", d.Status.ReadyReplicas)
	})
	for _, c := range changes.since(t, step, name) {
		t.Logf("%s after the step: %d → %d", c.At.Sub(step).Round(100*time.Millisecond), c.From, c.To)
		if c.To < c.From {
			t.Errorf("a step down under full load: %s", c)
		}
	}

	rate(t, web, 5)
	fall := time.Now()
	replicas(t, name, 2, 2*time.Minute)
	for _, c := range changes.since(t, fall, name) {
		t.Logf("%s after the load fell: %d → %d", c.At.Sub(fall).Round(100*time.Millisecond), c.From, c.To)
		if took := c.At.Sub(fall); took < downscale-hpaSync {
			t.Errorf("scaled in %s after the load fell: that is within the stabilization window of %s, which began %s before at most", took, downscale, hpaSync)
		}
	}
	if s := web.Stats(); s.Failed > 0 {
		t.Errorf("%d of %d requests failed: %s", s.Failed, s.Sent, s.LastError)
	}
}
