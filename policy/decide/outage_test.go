package decide

import (
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/utils/ptr"

	"github.com/loadline/loadline/policy/api/v1alpha1"
)

// misspelt adds an objective that nobody serves.
func misspelt(s *v1alpha1.AutoscalingPolicySpec) {
	s.Objectives = append(s.Objectives, v1alpha1.Objective{External: &v1alpha1.External{Metric: "quee_depth", PerPod: ptr.To(resource.MustParse("5"))}})
}

// A size that nobody knows the need of is held, but not for ever: for a day, for the metrics
// may come back; for an hour where they were never there since the policy asks for them.
func TestOutageEnds(t *testing.T) {
	for name, tc := range map[string]struct {
		begin  func(*world) // from a policy whose metrics are good
		edit   func(*v1alpha1.AutoscalingPolicy)
		reason string
		hold   time.Duration
	}{
		"an outage": {begin: func(w *world) { w.metrics = someBad }, reason: "False SomeMissing", hold: 24 * time.Hour},
		"an outage, and bounds are changed": {
			begin: func(w *world) {
				w.metrics = someBad
				w.rest()
				w.spec(func(s *v1alpha1.AutoscalingPolicySpec) { s.Replicas.Max = 30 })
			},
			reason: "False SomeMissing", hold: 24 * time.Hour,
		},
		"a metric that is misspelt from the start": {
			edit:   func(p *v1alpha1.AutoscalingPolicy) { misspelt(&p.Spec) },
			reason: "False NeverAvailable", hold: time.Hour,
		},
		"a misspelt one that is added": {
			begin:  func(w *world) { w.metrics = someBad; w.spec(misspelt) },
			reason: "False NeverAvailable", hold: time.Hour,
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, withCPU, func(p *v1alpha1.AutoscalingPolicy) {
				p.Spec.Replicas.Max = 20
				if tc.edit != nil {
					tc.edit(p)
				}
			})
			w.size = 12
			if tc.begin != nil {
				w.pass(10 * time.Minute)
				tc.begin(w)
			} else {
				w.metrics = someBad
			}
			w.rest()
			w.pass(10 * time.Minute)
			if got := w.condition(v1alpha1.MetricsAvailable); got != tc.reason || w.min() != 12 || w.condition(v1alpha1.Held) != "True Outage" {
				t.Fatalf("%s, min %d, %s", got, w.min(), w.condition(v1alpha1.Held))
			}
			if says := w.message(v1alpha1.Held); !strings.Contains(says, "at the latest") || !strings.Contains(says, "To end that earlier, mend that objective or take it out, or lower replicas.max") {
				t.Errorf("says %q", says)
			}
			w.pass(tc.hold - 11*time.Minute)
			if w.min() != 12 {
				t.Fatalf("min %d within %s", w.min(), tc.hold)
			}
			w.pass(2 * time.Minute)
			if w.condition(v1alpha1.Held) != "True Releasing" || !strings.Contains(w.message(v1alpha1.Held), "a step each 1h0m0s, as the metrics cannot be read for so long") {
				t.Errorf("%s: %s", w.condition(v1alpha1.Held), w.message(v1alpha1.Held))
			}
			w.pass(2 * time.Hour)
			if w.min() >= 12 || w.min() <= 2 {
				t.Errorf("min %d is no step", w.min())
			}
			w.pass(24 * time.Hour)
			if w.min() != 2 || w.condition(v1alpha1.Held) != "False NotHeld" {
				t.Errorf("min %d, %s in the end", w.min(), w.condition(v1alpha1.Held))
			}
			w.metrics = good
			if w.pass(time.Hour); w.condition(v1alpha1.MetricsAvailable) != "True AllAvailable" {
				t.Error(w.condition(v1alpha1.MetricsAvailable))
			}
			w.metrics = someBad // now they were there
			if w.pass(2 * time.Hour); w.min() != 12 || w.condition(v1alpha1.MetricsAvailable) != "False SomeMissing" {
				t.Errorf("min %d, %s", w.min(), w.condition(v1alpha1.MetricsAvailable))
			}
		})
	}
}

// One metric that is gone while another one comes and goes costs no write each time.
func TestFlappingBesideAMissingMetric(t *testing.T) {
	w := newWorld(t, fallback(time.Minute, 8), withCPU)
	w.pass(10 * time.Minute)
	w.metrics = someBad
	w.pass(10 * time.Minute)
	if writes := w.flap(someBad, allBad); len(writes) > 25 {
		t.Errorf("%d writes in 20 minutes: %v", len(writes), writes)
	}
}
