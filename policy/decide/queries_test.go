package decide

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/utils/ptr"

	"github.com/loadline/loadline/policy/api/v1alpha1"
)

// asking has the policy read its own query, behind what else it reads.
func asking(only bool) func(*v1alpha1.AutoscalingPolicy) {
	return func(p *v1alpha1.AutoscalingPolicy) {
		if only {
			p.Spec.Objectives = nil
		}
		p.Spec.Objectives = append(p.Spec.Objectives, v1alpha1.Objective{Query: &v1alpha1.Query{Name: "load", Expr: "sum(x)", PerPod: ptr.To(resource.MustParse("5"))}})
	}
}

// A query goes with its policy. An orphan that waited for it would be Loadline's for ever;
// one whose other metrics are away for a while waits for those.
func TestReleaseWithoutItsQuery(t *testing.T) {
	for name, tc := range map[string]struct {
		only    bool
		metrics state
		minima  []int32
		says    string
	}{
		"its only metric":  {true, allBad, []int32{8, 6, 4, 3, 2}, "or each hour, as loadline-query.web.load went with the policy, and nobody reads it again"},
		"beside others":    {false, someBad, []int32{8, 6, 4, 3, 2}, "or each hour, as loadline-query.web.load went with the policy, and nobody reads it again"},
		"others away, too": {false, allBad, []int32{8}, "when it can read its metrics again"},
	} {
		t.Run(name, func(t *testing.T) {
			w := held(t, asking(tc.only), func(p *v1alpha1.AutoscalingPolicy) { p.Spec.DeletionPolicy = v1alpha1.Orphan })
			w.metrics = tc.metrics
			w.sync()
			w.policy = nil
			why := LetGo(w.live, Letting{Now: w.now, Settings: Defaults(), Gone: true}).Why
			if !strings.Contains(why, tc.says) {
				t.Error(why)
			}
			minima := w.minima()
			var at []time.Duration
			began, inner := w.now, w.wrote
			w.wrote = func(before, after *autoscalingv2.HorizontalPodAutoscaler) {
				if minOf(after) < minOf(before) {
					at = append(at, w.now.Sub(began))
				}
				inner(before, after)
			}
			w.pass(24 * time.Hour)
			if diff := cmp.Diff(tc.minima, *minima); diff != "" {
				t.Error(diff)
			}
			for i, step := range at {
				if want := time.Duration(i+1) * Defaults().UnknownHold; step != want {
					t.Errorf("step %d after %s", i, step)
				}
			}
			if released := len(w.live.Labels) == 0; released != (len(tc.minima) > 1) {
				t.Errorf("labels %v, Events %v", w.live.Labels, w.events)
			}
		})
	}
}

// Who lets an HPA go is told what becomes of it without the policy's query.
func TestDying(t *testing.T) {
	for name, tc := range map[string]struct {
		edit []func(*v1alpha1.AutoscalingPolicy)
		want string
	}{
		"none":            {nil, ""},
		"its only metric": {[]func(*v1alpha1.AutoscalingPolicy){asking(true)}, "loadline-query.web.load is served only while the policy is in the cluster: without it the HPA keeps its size, so give it another metric"},
		"beside others":   {[]func(*v1alpha1.AutoscalingPolicy){asking(false)}, "loadline-query.web.load is served only while the policy is in the cluster: without it the HPA only scales out, so take that out or put another in its place"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, tc.edit...)
			w.rest()
			if diff := cmp.Diff(tc.want, Dying(w.live.Spec)); diff != "" {
				t.Error(diff)
			}
			_, why := Free(w.live)
			if !strings.HasSuffix(why, tc.want) {
				t.Error(why)
			}
		})
	}
}
