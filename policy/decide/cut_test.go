package decide

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	"k8s.io/utils/ptr"

	"github.com/loadline/loadline/policy/api/v1alpha1"
	"github.com/loadline/loadline/policy/hpa"
)

// clamps has the HPA controller keep the target within the HPA's maximum, and notes each
// that a write of ours leaves it with.
func (w *world) clamps() (seen *[]int32) {
	seen = &[]int32{}
	w.wrote = func(before, after *autoscalingv2.HorizontalPodAutoscaler) {
		if is := after.Spec.MaxReplicas; is != before.Spec.MaxReplicas {
			*seen = append(*seen, is)
			w.size = min(w.size, is)
		}
	}
	return seen
}

// A maximum that is given back below the size is lowered in steps, one a period; one that
// the target does not reach at once.
func TestRestoredMaximum(t *testing.T) {
	for name, tc := range map[string]struct {
		size  int32
		edit  func(*v1alpha1.AutoscalingPolicy)
		want  []int32
		after time.Duration
	}{
		"above it":  {size: 25, want: []int32{18, 13, 10}, after: 60 * time.Second},
		"within it": {size: 10, want: []int32{10}},
		"not to scale in at all": {size: 25, want: []int32{10}, edit: func(p *v1alpha1.AutoscalingPolicy) {
			p.Spec.Behavior = &autoscalingv2.HorizontalPodAutoscalerBehavior{ScaleDown: &autoscalingv2.HPAScalingRules{SelectPolicy: ptr.To(autoscalingv2.DisabledPolicySelect)}}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			edits := []func(*v1alpha1.AutoscalingPolicy){func(p *v1alpha1.AutoscalingPolicy) { p.Spec.Replicas.Max = 30 }}
			if tc.edit != nil {
				edits = append(edits, tc.edit)
			}
			w := newWorld(t, edits...)
			w.size = tc.size
			w.rest()
			theirs := foreign().Spec
			theirs.MinReplicas, theirs.MaxReplicas = ptr.To(int32(3)), 10
			saved, err := hpa.Save(theirs)
			if err != nil {
				t.Fatal(err)
			}
			w.edit(func(h *autoscalingv2.HorizontalPodAutoscaler) { h.Annotations[SavedAnnotation] = saved })
			w.spec(func(s *v1alpha1.AutoscalingPolicySpec) { s.Mode = v1alpha1.Paused })
			w.rest()
			maxima := w.clamps()
			w.edit(func(h *autoscalingv2.HorizontalPodAutoscaler) { h.Annotations[ReleaseAnnotation] = ReleaseRestore })
			w.rest()
			if tc.after > 0 {
				w.pass(tc.after - time.Second)
				if w.happened(EventReleased) || w.live.Spec.MaxReplicas == 10 || !w.happened(EventReleasing) {
					t.Errorf("maxima %v, Events %v", *maxima, w.events)
				}
			}
			w.pass(2 * time.Second)
			if diff := cmp.Diff(tc.want, *maxima); diff != "" || !w.happened(EventReleased) || len(w.live.Annotations) > 0 {
				t.Errorf("Events %v, %v\n%s", w.events, w.live.Annotations, diff)
			}
			if mine, others := hpa.Differences(&autoscalingv2.HorizontalPodAutoscaler{Spec: theirs}, &autoscalingv2.HorizontalPodAutoscaler{Spec: w.live.Spec}); len(mine)+len(others) > 0 {
				t.Errorf("its spec differs in %v, %v", mine, others)
			}
		})
	}
}

// An HPA that has scaled out says what there was before until its next sync: its maximum
// comes down in steps all the same.
func TestRestoredMaximumWhileItScalesOut(t *testing.T) {
	live := &autoscalingv2.HorizontalPodAutoscaler{
		Spec: autoscalingv2.HorizontalPodAutoscalerSpec{MinReplicas: ptr.To[int32](2), MaxReplicas: 12, Behavior: &autoscalingv2.HorizontalPodAutoscalerBehavior{
			ScaleDown: &autoscalingv2.HPAScalingRules{Policies: []autoscalingv2.HPAScalingPolicy{{Type: autoscalingv2.PercentScalingPolicy, Value: 50, PeriodSeconds: 30}}},
		}},
		Status: autoscalingv2.HorizontalPodAutoscalerStatus{CurrentReplicas: 3, DesiredReplicas: 12},
	}
	free := live.DeepCopy()
	free.Spec.MaxReplicas = 3
	m := cutting(live, Move{HPA: free, Done: true, Goal: 2}, nil, time.Unix(1000, 0))
	if m == nil || m.HPA == nil || m.HPA.Spec.MaxReplicas <= 3 || m.Done {
		t.Errorf("%+v", m)
	}
}

// What its owner lowers takes pods at once, and he is told how many.
func TestLoweredMaximum(t *testing.T) {
	for name, tc := range map[string]struct {
		size, max int32
		says      bool
	}{
		"below the size": {9, 5, true},
		"not below it":   {5, 5, false},
		"at the size":    {9, 9, false},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.size = tc.size
			w.rest()
			w.spec(func(s *v1alpha1.AutoscalingPolicySpec) { s.Replicas.Max = tc.max })
			p := w.turn()
			var said []string
			for _, e := range p.Events {
				if e.Warning {
					said = append(said, e.Reason+": "+e.Message)
				}
			}
			var want []string
			if tc.says {
				want = []string{"MaxLowered: max goes from 10 to 5, which cuts 9 pods to 5 at once, whatever the metrics ask for"}
			}
			if diff := cmp.Diff(want, said); diff != "" || w.live.Spec.MaxReplicas != tc.max {
				t.Errorf("max %d\n%s", w.live.Spec.MaxReplicas, diff)
			}
		})
	}
}
