package decide

import (
	"strings"
	"testing"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	"k8s.io/utils/ptr"

	"github.com/loadline/loadline/policy/api/v1alpha1"
)

// fought has somebody write max until we leave it alone.
func fought(w *world) {
	w.t.Helper()
	for range maxRewrites + 1 {
		w.edit(func(h *autoscalingv2.HorizontalPodAutoscaler) { h.Spec.MaxReplicas = 50 })
		w.rest()
	}
	if w.live.Spec.MaxReplicas != 50 || w.condition(v1alpha1.Conflict) != "True Fight" || w.condition(v1alpha1.Ready) != "False Fight" {
		w.t.Fatalf("max %d, %s, %s: no fight", w.live.Spec.MaxReplicas, w.condition(v1alpha1.Conflict), w.condition(v1alpha1.Ready))
	}
}

// A fight about one field keeps nothing else from being written: not what the policy's
// owner changes, and no floor.
func TestFightLeavesOnlyItsFieldsAlone(t *testing.T) {
	t.Run("the owner", func(t *testing.T) {
		w := newWorld(t)
		w.rest()
		fought(w)
		w.spec(func(s *v1alpha1.AutoscalingPolicySpec) { s.Replicas.Max = 20 })
		w.rest()
		if w.live.Spec.MaxReplicas != 20 || w.condition(v1alpha1.Ready) != "True Applied" {
			t.Errorf("max %d, %s", w.live.Spec.MaxReplicas, w.condition(v1alpha1.Ready))
		}
	})
	t.Run("Orphan", func(t *testing.T) {
		w := newWorld(t)
		w.rest()
		fought(w)
		w.spec(func(s *v1alpha1.AutoscalingPolicySpec) { s.DeletionPolicy = v1alpha1.Orphan })
		w.rest()
		if n := len(w.live.OwnerReferences); n != 0 {
			t.Errorf("%d owner references", n)
		}
	})
	t.Run("a floor", func(t *testing.T) {
		w := newWorld(t, scheduled("7 5 * * *", time.Hour, 6)) // at is 05:06:07
		w.rest()
		fought(w)
		w.pass(2 * time.Minute)
		if w.min() != 6 || w.live.Spec.MaxReplicas != 50 || w.condition(v1alpha1.Held) != "True Schedule" || w.condition(v1alpha1.Ready) != "False Fight" {
			t.Errorf("min %d, max %d, %s, %s", w.min(), w.live.Spec.MaxReplicas, w.condition(v1alpha1.Held), w.condition(v1alpha1.Ready))
		}
	})
	t.Run("a floor above their max", func(t *testing.T) {
		w := newWorld(t, scheduled("7 5 * * *", time.Hour, 6))
		w.rest()
		for range maxRewrites + 1 {
			w.edit(func(h *autoscalingv2.HorizontalPodAutoscaler) { h.Spec.MaxReplicas = 4 })
			w.rest()
		}
		w.pass(2 * time.Minute)
		if says := w.message(v1alpha1.Held); w.min() != 4 || w.condition(v1alpha1.Held) != "False NotInForce" || !strings.Contains(says, "the HPA has min 4") {
			t.Errorf("min %d, %s: %s", w.min(), w.condition(v1alpha1.Held), says)
		}
	})
	t.Run("a floor that is fought about", func(t *testing.T) {
		w := newWorld(t, scheduled("0 5 * * *", time.Hour, 6))
		w.rest()
		for range maxRewrites + 1 {
			w.edit(func(h *autoscalingv2.HorizontalPodAutoscaler) { h.Spec.MinReplicas = ptr.To(int32(1)) })
			w.rest()
		}
		if says := w.message(v1alpha1.Held); w.min() != 1 || *w.policy.Status.EffectiveMin != 1 || w.condition(v1alpha1.Held) != "False NotInForce" {
			t.Errorf("min %d, %s: %s", w.min(), w.condition(v1alpha1.Held), says)
		}
		if w.pass(11 * time.Minute); w.min() != 6 || w.condition(v1alpha1.Held) != "True Schedule" {
			t.Errorf("min %d, %s after the pause", w.min(), w.condition(v1alpha1.Held))
		}
	})
	t.Run("another field", func(t *testing.T) {
		w := newWorld(t)
		w.rest()
		fought(w)
		n := len(w.writes)
		for i := range 10 {
			w.edit(func(h *autoscalingv2.HorizontalPodAutoscaler) { h.Spec.ScaleTargetRef.Name = "other" })
			w.rest()
			if is := w.live.Spec.ScaleTargetRef.Name; is != map[bool]string{true: "web", false: "other"}[i == 0] {
				t.Fatalf("the HPA scales %s after %d edits", is, i+1)
			}
		}
		got := w.count(string(Apply), n)
		w.pass(2 * time.Minute) // words are written with the values
		if says := w.message(v1alpha1.Conflict); got != 1 || w.live.Spec.MaxReplicas != 50 || !strings.Contains(says, "scaleTargetRef") {
			t.Errorf("%d writes, max %d, %s", got, w.live.Spec.MaxReplicas, says)
		}
	})
}

// A fight of hours is one conflict, until it was quiet for long.
func TestFightIsOneConflict(t *testing.T) {
	w := newWorld(t)
	w.rest()
	w.pass(30 * time.Minute)
	events, writes := len(w.events), len(w.writes)
	for range 4 * 60 * 2 { // two hours, a rewrite each 15 s
		w.edit(func(h *autoscalingv2.HorizontalPodAutoscaler) { h.Spec.MaxReplicas = 50 })
		w.rest()
		w.now = w.now.Add(15 * time.Second)
	}
	if got := w.events[events:]; len(got) != 1 || got[0] != EventConflict {
		t.Errorf("Events %v", got)
	}
	if n := w.count(string(Apply), writes); n > maxRewrites+12 {
		t.Errorf("%d writes in two hours", n)
	}
	w.pass(31 * time.Minute)
	if w.live.Spec.MaxReplicas != 10 || w.condition(v1alpha1.Conflict) != "False NoConflict" || w.events[len(w.events)-1] != EventResolved {
		t.Errorf("max %d, %s, %v long after", w.live.Spec.MaxReplicas, w.condition(v1alpha1.Conflict), w.events[events:])
	}
}

// Whoever thaws a paused HPA again and again is not fought at once for ever either.
func TestFightWhilePaused(t *testing.T) {
	w := newWorld(t)
	w.rest()
	w.spec(func(s *v1alpha1.AutoscalingPolicySpec) { s.Mode = v1alpha1.Paused })
	w.rest()
	n := len(w.writes)
	for range 100 {
		w.edit(func(h *autoscalingv2.HorizontalPodAutoscaler) {
			h.Spec.Behavior.ScaleUp.SelectPolicy = ptr.To(autoscalingv2.MaxChangePolicySelect)
		})
		w.rest()
	}
	if got := w.count(string(Apply), n); got != maxRewrites || w.condition(v1alpha1.Conflict) != "True Fight" {
		t.Errorf("%d writes, %s", got, w.condition(v1alpha1.Conflict))
	}
	w.spec(func(s *v1alpha1.AutoscalingPolicySpec) { s.Mode = v1alpha1.Enforce })
	w.rest()
	if w.condition(v1alpha1.Ready) != "True Applied" || *w.live.Spec.Behavior.ScaleDown.SelectPolicy != autoscalingv2.MaxChangePolicySelect {
		t.Errorf("%s, %+v", w.condition(v1alpha1.Ready), w.live.Spec.Behavior.ScaleDown)
	}
}
