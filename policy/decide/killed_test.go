package decide

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/loadline/loadline/policy/api/v1alpha1"
)

// script is a day in a policy's life.
func script(w *world) {
	w.pass(2 * time.Minute)
	w.metrics = allBad
	w.pass(20 * time.Minute)
	w.metrics = good
	w.pass(3 * time.Minute)
	w.spec(func(s *v1alpha1.AutoscalingPolicySpec) { s.Replicas.Max, s.TargetRef.Name = 12, "api" })
	w.pass(time.Minute)
	w.edit(func(h *autoscalingv2.HorizontalPodAutoscaler) {
		h.Spec.MinReplicas, h.Spec.MaxReplicas = ptr.To(int32(9)), 40
	})
	w.pass(time.Minute)
	w.spec(func(s *v1alpha1.AutoscalingPolicySpec) { s.Mode = v1alpha1.Paused })
	w.pass(time.Minute)
	w.spec(func(s *v1alpha1.AutoscalingPolicySpec) { s.Mode = v1alpha1.Enforce })
	w.pass(2 * time.Hour)
}

// Wherever a run is broken off, before a write, or after it and before what depends on
// it, and for however many attempts, it comes to the same end as a run that is not.
func TestKilledAnywhere(t *testing.T) {
	begin := func(t *testing.T) *world {
		return newWorld(t, scheduled("0 5 * * *", time.Hour, 5), fallback(time.Minute, 8))
	}
	whole := begin(t)
	script(whole)
	if len(whole.writes) < 20 || whole.min() != 2 {
		t.Fatalf("the script writes little: min %d, %v", whole.min(), whole.writes)
	}
	for at := range whole.writes {
		for _, many := range []int{1, 2, 5} {
			for _, answer := range []bool{false, true} {
				t.Run(fmt.Sprintf("write %d (%s), %d times, only the answer %v", at, whole.writes[at], many, answer), func(t *testing.T) {
					w := begin(t)
					w.fail = func(n int) (bool, bool) {
						hit := n >= at && n < at+many
						return hit && !answer, hit && answer
					}
					script(w)
					same := cmp.Comparer(func(a, b autoscalingv2.HorizontalPodAutoscalerSpec) bool { return equality.Semantic.DeepEqual(a, b) })
					if diff := cmp.Diff(whole.live.Spec, w.live.Spec, same); diff != "" {
						t.Errorf("HPA (-whole +broken):\n%s", diff)
					}
					if diff := cmp.Diff(timeless(whole.policy.Status), timeless(w.policy.Status)); diff != "" {
						t.Errorf("status (-whole +broken):\n%s", diff)
					}
				})
			}
		}
	}
}

// timeless is a status without when and who.
func timeless(s v1alpha1.AutoscalingPolicyStatus) *v1alpha1.AutoscalingPolicyStatus {
	out := s.DeepCopy()
	out.ValuesAt = nil
	for i := range out.Conditions {
		out.Conditions[i].LastTransitionTime = metav1.Time{}
	}
	if out.HPA != nil {
		out.HPA.UID, out.HPA.Rewrites, out.HPA.Rewritten = "", nil, nil
	}
	return out
}
