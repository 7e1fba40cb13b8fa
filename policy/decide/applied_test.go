package decide

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	autoscalingv2 "k8s.io/api/autoscaling/v2"

	"github.com/loadline/loadline/policy/api/v1alpha1"
	"github.com/loadline/loadline/policy/rollout"
)

// An HPA that does not scale its target is not what anybody wants, whatever its spec: the
// policy says so, with what to do, once, and goes on saying so through writes to the HPA.
func TestIdleHPA(t *testing.T) {
	for name, tc := range map[string]struct {
		metrics state
		want    map[string]string // conditions
		state   string
		says    []string
		event   string
	}{
		"pods of two HPAs": {
			metrics: shared, state: StateConflict, event: EventConflict,
			want: map[string]string{v1alpha1.Ready: "False HPAStopped", v1alpha1.Conflict: "True SharedPods", v1alpha1.MetricsAvailable: "Unknown HPAStopped", v1alpha1.ScalingLimited: "Unknown NotScaling"},
			says: []string{"app=web are controlled by multiple HPAs: [shop/web shop/old]", "Narrow the selector", "delete the other HPA"},
		},
		"a scale without a selector": {
			metrics: noPods, state: StatePending, event: HPAStopped,
			want: map[string]string{v1alpha1.Ready: "False HPAStopped", v1alpha1.Conflict: "False NoConflict", v1alpha1.MetricsAvailable: "Unknown HPAStopped", v1alpha1.ScalingLimited: "Unknown NotScaling"},
			says: []string{"missing a selector", "labelSelectorPath"},
		},
		"the size cannot be written": {
			metrics: refused, state: StatePending, event: ScaleRefused,
			want: map[string]string{v1alpha1.Ready: "False ScaleRefused", v1alpha1.Conflict: "False NoConflict", v1alpha1.MetricsAvailable: "True AllAvailable", v1alpha1.ScalingLimited: "Unknown NotScaling"},
			says: []string{"unable to update the target scale: forbidden", "the Deployment's scale"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, scheduled("6 6 * * *", time.Hour, 5))
			w.pass(10 * time.Minute)
			n := len(w.events)
			w.metrics = tc.metrics
			w.pass(10 * time.Minute)
			check := func() {
				t.Helper()
				got := map[string]string{}
				for of := range tc.want {
					got[of] = w.condition(of)
				}
				if diff := cmp.Diff(tc.want, got); diff != "" || w.policy.Status.State != tc.state {
					t.Errorf("state %s\n%s", w.policy.Status.State, diff)
				}
				for _, part := range tc.says {
					if says := w.message(v1alpha1.Ready); !strings.Contains(says, part) {
						t.Errorf("%q does not say %q", says, part)
					}
				}
			}
			check()
			if diff := cmp.Diff([]string{tc.event}, w.events[n:]); diff != "" {
				t.Error(diff)
			}
			// Between a write of ours and the next sync nothing else is known.
			w.pass(39 * time.Minute)
			w.now = w.now.Add(10 * time.Minute)
			w.turn() // the schedule has begun
			if w.turn(); w.min() != 5 || w.live.Generation == *w.live.Status.ObservedGeneration {
				t.Fatalf("min %d, generation %d", w.min(), w.live.Generation)
			}
			check()
			w.rest()
			check()
			if diff := cmp.Diff([]string{tc.event, EventFloorRaised}, w.events[n:]); diff != "" {
				t.Error(diff)
			}
			w.metrics = good
			w.pass(2 * time.Minute)
			if w.condition(v1alpha1.Ready) != "True Applied" || w.condition(v1alpha1.Conflict) != "False NoConflict" || w.condition(v1alpha1.ScalingLimited) != "False NotLimited" {
				t.Errorf("%s, %s, %s afterwards", w.condition(v1alpha1.Ready), w.condition(v1alpha1.Conflict), w.condition(v1alpha1.ScalingLimited))
			}
		})
	}
}

// Nobody is told that the HPA brings a size back which it cannot write.
func TestBelowAFloorThatTheHPACannotReach(t *testing.T) {
	w := newWorld(t, scheduled("0 5 * * *", time.Hour, 8))
	w.rollout = &rollout.View{UID: "t", Size: 3, Observed: true, Updated: 3, Available: 3}
	w.metrics = refused
	w.pass(time.Minute)
	if says := w.message(v1alpha1.Held); w.condition(v1alpha1.Held) != "True Schedule" || !strings.HasSuffix(says, "But the target has 3, and the HPA cannot change that. Ready says why") {
		t.Errorf("%s: %s", w.condition(v1alpha1.Held), says)
	}
}

// Who asks for an HPA that is not to be let go in this mode is told what to do.
func TestReleaseThatDoesNothing(t *testing.T) {
	for mode, ready := range map[v1alpha1.Mode]string{v1alpha1.Enforce: "True Applied", v1alpha1.DryRun: "False DryRun"} {
		t.Run(string(mode), func(t *testing.T) {
			w := newWorld(t)
			w.rest()
			w.spec(func(s *v1alpha1.AutoscalingPolicySpec) { s.Mode = mode })
			w.edit(func(h *autoscalingv2.HorizontalPodAutoscaler) { h.Annotations[ReleaseAnnotation] = ReleaseKeep })
			w.rest()
			want := "loadline.dev/release=keep does nothing in mode " + string(mode) + ": to let the HPA go, set mode to Paused"
			if says := w.message(v1alpha1.Ready); !strings.HasSuffix(says, want) || w.condition(v1alpha1.Ready) != ready {
				t.Errorf("%s: %s", w.condition(v1alpha1.Ready), says)
			}
		})
	}
}
