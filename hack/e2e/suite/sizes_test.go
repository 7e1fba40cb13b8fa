package suite

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/utils/ptr"
)

func hpa(name string, least, has, wants int32) *autoscalingv2.HorizontalPodAutoscaler {
	return &autoscalingv2.HorizontalPodAutoscaler{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec:       autoscalingv2.HorizontalPodAutoscalerSpec{MinReplicas: ptr.To(least)},
		Status:     autoscalingv2.HorizontalPodAutoscalerStatus{CurrentReplicas: has, DesiredReplicas: wants},
	}
}

func TestChanges(t *testing.T) {
	seen := func(name string, wants int32) watch.Event {
		return watch.Event{Type: watch.Modified, Object: hpa(name, 2, 4, wants)}
	}
	failing := hpa("web", 2, 4, 2)
	failing.Status.Conditions = []autoscalingv2.HorizontalPodAutoscalerCondition{{Type: autoscalingv2.ScalingActive, Status: "False", Reason: "FailedGetPodsMetric"}}
	for name, tc := range map[string]struct {
		events []watch.Event
		closed bool
		seen   int
		wrong  []string
	}{
		"none":      {[]watch.Event{seen("web", 4), seen("api", 5), seen("web", 4)}, false, 3, nil},
		"a fall":    {[]watch.Event{seen("web", 4), seen("web", 3)}, false, 2, []string{"after 1.5s web wants 3 pods, and no longer 4: "}},
		"a rise":    {[]watch.Event{seen("api", 6)}, false, 1, []string{"after 1.5s api wants 6 pods, and no longer 5: "}},
		"and back":  {[]watch.Event{seen("web", 3), seen("web", 4)}, false, 2, []string{"after 1.5s web wants 3 pods, and no longer 4: ", "after 1.5s web wants 4 pods, and no longer 3: "}},
		"why":       {[]watch.Event{{Type: watch.Modified, Object: failing}}, false, 1, []string{"after 1.5s web wants 2 pods, and no longer 4: ScalingActive=False FailedGetPodsMetric"}},
		"another":   {[]watch.Event{seen("worker", 2)}, false, 1, []string{"after 1.5s worker is new"}},
		"deleted":   {[]watch.Event{{Type: watch.Deleted, Object: hpa("web", 2, 4, 4)}}, false, 1, []string{"after 1.5s web is deleted"}},
		"an error":  {[]watch.Event{{Type: watch.Error, Object: &metav1.Status{Message: "too old"}}}, false, 0, []string{"after 1.5s the watch says ERROR: too old"}},
		"cut short": {[]watch.Event{seen("web", 4)}, true, 1, []string{"after 1.5s the watch ended, and what came then was not seen"}},
		"no events": {nil, false, 0, nil},
	} {
		t.Run(name, func(t *testing.T) {
			type result struct {
				Seen  int
				Wrong []string
			}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			events, done := make(chan watch.Event), make(chan result, 1)
			go func() {
				n, wrong := changes(ctx, events, Sizes{"web": 4, "api": 5}, func() time.Duration { return 1500 * time.Millisecond })
				done <- result{n, wrong}
			}()
			for _, e := range tc.events {
				events <- e
			}
			if tc.closed {
				close(events)
			} else {
				cancel()
			}
			if diff := cmp.Diff(result{tc.seen, tc.wrong}, <-done); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// A size that is the minimum cannot fall, and one that is not reached yet may still change.
func TestAtRest(t *testing.T) {
	got := atRest([]autoscalingv2.HorizontalPodAutoscaler{
		*hpa("above", 2, 4, 4), *hpa("minimum", 2, 2, 2), *hpa("rising", 2, 3, 4), *hpa("held", 4, 4, 4),
	})
	if diff := cmp.Diff([]string{"minimum", "rising", "held"}, got); diff != "" {
		t.Error(diff)
	}
}
