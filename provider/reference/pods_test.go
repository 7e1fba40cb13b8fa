package reference_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/fake"

	"github.com/loadline/loadline/provider/demand"
	"github.com/loadline/loadline/provider/metric"
	"github.com/loadline/loadline/provider/reference"
)

// Who scrapes has to know the pods of every HPA on our metrics, also where no metric is
// about pods, and of no other.
func TestPodsOfScaleTargets(t *testing.T) {
	cpu := autoscalingv2.MetricSpec{Type: autoscalingv2.ResourceMetricSourceType, Resource: &autoscalingv2.ResourceMetricSource{Name: "cpu"}}
	named := func(name string, metrics ...autoscalingv2.MetricSpec) *autoscalingv2.HorizontalPodAutoscaler {
		h := hpa(metrics...)
		h.Name, h.Spec.ScaleTargetRef.Name = name, name
		return h
	}
	client := fake.NewClientset(
		named("pods", podsMetric(autoscalingv2.MetricIdentifier{Name: "m"})), named("external", externalMetric(autoscalingv2.MetricIdentifier{Name: "m"})),
		named("object", objectMetric("v1", "Service", "web")), named("cpu", cpu), named("gone", externalMetric(autoscalingv2.MetricIdentifier{Name: "m"})),
	)
	var mu sync.Mutex
	told := map[string]string{}
	w := reference.New(reference.Options{
		Client: client, Kinds: newCluster(), Registry: demand.New(demand.Limits{Total: 100, PerNamespace: 100, Idle: time.Minute}), Added: func(...metric.Identifier) {},
		Selector: func(_ context.Context, _ string, _ schema.GroupKind, name string) (string, error) {
			if name == "gone" {
				return "", errors.New("away")
			}
			return "app=" + name, nil
		},
		Pods: func(hpa, namespace, selector string) {
			mu.Lock()
			defer mu.Unlock()
			told[hpa] = namespace + " " + selector
		},
	})
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { w.Run(ctx) })
	defer wg.Wait()
	defer cancel()
	is := func(want ...string) {
		t.Helper()
		for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
			mu.Lock()
			var got []string
			for hpa, pods := range told {
				got = append(got, fmt.Sprintf("%s: %s", hpa, pods))
			}
			mu.Unlock()
			slices.Sort(got)
			diff := cmp.Diff(want, got)
			if diff == "" {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("(-want +got):\n%s", diff)
			}
		}
	}
	is("a/cpu: a ", "a/external: a app=external", "a/gone: a ", "a/object: a app=object", "a/pods: a app=pods")
	if err := client.AutoscalingV2().HorizontalPodAutoscalers("a").Delete(ctx, "object", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	is("a/cpu: a ", "a/external: a app=external", "a/gone: a ", "a/object: a ", "a/pods: a app=pods")
}
