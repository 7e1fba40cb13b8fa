package decide

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/loadline/loadline/policy/api/v1alpha1"
	"github.com/loadline/loadline/policy/hpa"
)

// held is a world with an HPA whose minimum of 2 a schedule holds at 8.
func held(t *testing.T, edit ...func(*v1alpha1.AutoscalingPolicy)) *world {
	t.Helper()
	w := newWorld(t, append([]func(*v1alpha1.AutoscalingPolicy){scheduled("0 5 * * *", time.Hour, 8)}, edit...)...)
	w.rest()
	if w.min() != 8 {
		t.Fatalf("min %d", w.min())
	}
	return w
}

// minima are those that an HPA has had.
func (w *world) minima() (seen *[]int32) {
	seen = &[]int32{}
	w.wrote = func(_, after *autoscalingv2.HorizontalPodAutoscaler) {
		if n := minOf(after); len(*seen) == 0 || (*seen)[len(*seen)-1] != n {
			*seen = append(*seen, n)
		}
	}
	return seen
}

// An HPA that is let go comes down in steps and keeps the rest of its spec, and in the
// end nothing of ours is on it; one that is not is left alone.
func TestRelease(t *testing.T) {
	for name, tc := range map[string]struct {
		// left: the policy is gone; otherwise it is paused.
		left, adopted bool
		annotation    string
		policy        v1alpha1.DeletionPolicy
		metrics       state
		minima        []int32 // nil if it is not let go
	}{
		"Orphan":                  {left: true, policy: v1alpha1.Orphan, metrics: good, minima: []int32{8, 6, 4, 3, 2}},
		"Orphan, metrics are bad": {left: true, policy: v1alpha1.Orphan, metrics: allBad, minima: []int32{8}},
		"Delete":                  {left: true, policy: v1alpha1.Delete, metrics: good},
		"Delete, asked for":       {left: true, policy: v1alpha1.Delete, annotation: ReleaseKeep, metrics: good, minima: []int32{8, 6, 4, 3, 2}},
		"paused":                  {policy: v1alpha1.Delete, metrics: good},
		"paused, asked for":       {policy: v1alpha1.Delete, annotation: ReleaseKeep, metrics: good, minima: []int32{8, 6, 4, 3, 2}},
		"paused, asked for in words that we do not know": {policy: v1alpha1.Delete, annotation: "Restore", adopted: true, metrics: good},
		"Delete, asked for in words that we do not know": {left: true, policy: v1alpha1.Delete, annotation: "no", metrics: good},
		"paused, restored":                {policy: v1alpha1.Delete, annotation: ReleaseRestore, adopted: true, metrics: good, minima: []int32{8, 6, 4, 3}},
		"paused, restored, never saved":   {policy: v1alpha1.Delete, annotation: ReleaseRestore, metrics: good, minima: []int32{8, 6, 4, 3, 2}},
		"Orphan, restored":                {left: true, policy: v1alpha1.Orphan, annotation: ReleaseRestore, adopted: true, metrics: good, minima: []int32{8, 6, 4, 3}},
		"Orphan, adopted":                 {left: true, policy: v1alpha1.Orphan, adopted: true, metrics: good, minima: []int32{8, 6, 4, 3, 2}},
		"Orphan without a target":         {left: true, policy: v1alpha1.Orphan, metrics: noTarget, minima: []int32{8, 6, 4, 3, 2}},
		"Orphan of a target that is at 0": {left: true, policy: v1alpha1.Orphan, metrics: atZero, minima: []int32{8, 6, 4, 3, 2}},
	} {
		t.Run(name, func(t *testing.T) {
			w := held(t, func(p *v1alpha1.AutoscalingPolicy) { p.Spec.DeletionPolicy = tc.policy })
			own := w.live.Spec.DeepCopy()
			own.MinReplicas = ptr.To(int32(2))
			var labels map[string]string
			if tc.adopted {
				theirs := foreign().Spec
				theirs.MinReplicas = ptr.To(int32(3))
				saved, err := hpa.Save(theirs)
				if err != nil {
					t.Fatal(err)
				}
				w.edit(func(h *autoscalingv2.HorizontalPodAutoscaler) {
					h.Annotations[SavedAnnotation], h.Annotations[SavedManagerAnnotation] = saved, "shop-team"
				})
				labels = map[string]string{hpa.ManagedByLabel: "shop-team"}
				if tc.annotation == ReleaseRestore {
					own = &theirs
				}
			}
			w.spec(func(s *v1alpha1.AutoscalingPolicySpec) { s.Mode = v1alpha1.Paused })
			w.rest()
			if !hpa.Frozen(w.live) {
				t.Fatal("it is not frozen")
			}
			w.metrics = tc.metrics
			w.sync()
			if tc.annotation != "" {
				w.edit(func(h *autoscalingv2.HorizontalPodAutoscaler) { h.Annotations[ReleaseAnnotation] = tc.annotation })
			}
			if tc.left {
				w.policy = nil
			}
			minima := w.minima()
			began := w.now
			w.pass(10 * time.Minute)
			if w.happened(EventReleased) != (len(tc.minima) > 1) {
				t.Errorf("%s after the beginning: minima %v, Events %v", w.now.Sub(began), *minima, w.events)
			}
			w.pass(24 * time.Hour)
			switch {
			case len(tc.minima) == 0:
				if len(*minima) > 0 || minOf(w.live) != 8 || len(w.live.Labels) == 0 || w.happened(EventReleasing) {
					t.Errorf("minima %v, labels %v", *minima, w.live.Labels)
				}
				return
			case !w.happened(EventReleasing):
				t.Errorf("Events %v", w.events)
			case tc.metrics == allBad:
				if minOf(w.live) != 8 || hpa.Frozen(w.live) || len(w.live.OwnerReferences) > 0 || w.happened(EventReleased) {
					t.Fatalf("min %d while no metric can be read, Events %v", minOf(w.live), w.events)
				}
				w.metrics = good
				w.pass(time.Hour)
				tc.minima = []int32{8, 6, 4, 3, 2}
			}
			if diff := cmp.Diff(tc.minima, *minima); diff != "" {
				t.Error(diff)
			}
			if !slices.Contains(w.events, EventReleased) {
				t.Errorf("Events %v", w.events)
			}
			mine, others := hpa.Differences(&autoscalingv2.HorizontalPodAutoscaler{Spec: *own}, &autoscalingv2.HorizontalPodAutoscaler{Spec: w.live.Spec})
			if len(mine)+len(others) > 0 {
				t.Errorf("its spec differs in %v, %v: %+v", mine, others, w.live.Spec)
			}
			if diff := cmp.Diff(labels, w.live.Labels); diff != "" && len(labels)+len(w.live.Labels) > 0 {
				t.Error(diff)
			}
			if len(w.live.Annotations)+len(w.live.OwnerReferences) > 0 {
				t.Errorf("left of ours: %+v", w.live.ObjectMeta)
			}
		})
	}
}

// An HPA at its owner's minimum is let go in one write.
func TestReleaseWithoutFloors(t *testing.T) {
	w := newWorld(t, func(p *v1alpha1.AutoscalingPolicy) { p.Spec.DeletionPolicy = v1alpha1.Orphan })
	w.rest()
	n := len(w.writes)
	w.policy = nil
	w.rest()
	if diff := cmp.Diff([]string{string(Disown)}, w.writes[n:]); diff != "" {
		t.Error(diff)
	}
}

// Metrics that go missing on the way stop it, and it goes on once they were good again for
// a window: what they say then may be of the gap.
func TestReleaseWaitsForTheMetrics(t *testing.T) {
	w := held(t, withCPU, func(p *v1alpha1.AutoscalingPolicy) { p.Spec.DeletionPolicy = v1alpha1.Orphan })
	w.policy = nil
	w.rest()
	w.pass(5*time.Minute - time.Second) // with two metrics, nobody knows since when both are read
	if w.min() != 8 {
		t.Fatalf("min %d within the window", w.min())
	}
	w.pass(time.Second)
	if w.min() != 6 {
		t.Fatalf("min %d after the window", w.min())
	}
	w.metrics = someBad
	w.pass(10 * time.Minute)
	if w.min() != 6 || w.count(string(Apply), 0) > 6 {
		t.Fatalf("min %d while a metric cannot be read, writes %v", w.min(), w.writes)
	}
	w.metrics = good
	w.pass(5*time.Minute - time.Second)
	if w.min() != 6 {
		t.Fatalf("min %d within the window of the recovery", w.min())
	}
	w.pass(time.Second)
	if w.min() != 4 {
		t.Fatalf("min %d after it", w.min())
	}
	w.pass(time.Minute)
	if w.min() != 2 || !w.happened(EventReleased) {
		t.Errorf("min %d, Events %v", w.min(), w.events)
	}
}

// Who does not want to wait sets the minimum; who raises it has it taken down from there.
func TestReleaseByHand(t *testing.T) {
	w := held(t, func(p *v1alpha1.AutoscalingPolicy) { p.Spec.DeletionPolicy = v1alpha1.Orphan })
	w.policy = nil
	w.rest()
	w.pass(5*time.Minute + time.Second)
	if w.min() != 6 {
		t.Fatalf("min %d", w.min())
	}
	w.edit(func(h *autoscalingv2.HorizontalPodAutoscaler) { h.Spec.MinReplicas = ptr.To(int32(9)) })
	w.rest()
	w.pass(29 * time.Second)
	if w.min() != 9 {
		t.Fatalf("min %d within the period of the edit", w.min())
	}
	w.pass(time.Second)
	if w.min() != 6 {
		t.Fatalf("min %d a period after the edit", w.min())
	}
	w.edit(func(h *autoscalingv2.HorizontalPodAutoscaler) { h.Spec.MinReplicas = ptr.To(int32(1)) })
	w.rest()
	if w.min() != 1 || len(w.live.Labels) > 0 {
		t.Errorf("min %d, labels %v: set by hand, it is done with", w.min(), w.live.Labels)
	}
}

// A policy that is made anew under the name of an HPA that is still being let go goes on
// with it: the minimum is held as one of unknown origin, for an hour, and then goes down
// in steps; the note of the release is gone.
func TestAPolicyMadeAnewWhileItsHPAIsLetGo(t *testing.T) {
	w := held(t, func(p *v1alpha1.AutoscalingPolicy) { p.Spec.DeletionPolicy = v1alpha1.Orphan })
	uid := w.live.UID
	w.policy = nil
	w.pass(5*time.Minute + time.Second)
	if w.min() != 6 || w.live.Annotations[StepAnnotation] == "" {
		t.Fatalf("min %d, %v", w.min(), w.live.Annotations)
	}
	w.policy = policy(func(p *v1alpha1.AutoscalingPolicy) {
		p.UID, p.CreationTimestamp, p.Spec.Replicas.Min = "u-new", metav1.NewTime(w.now), 3
	})
	w.rest()
	if w.min() != 6 || w.live.UID != uid || w.condition(v1alpha1.Held) != "True UnknownOrigin" || w.live.Annotations[StepAnnotation] != "" ||
		w.live.Annotations[hpa.PolicyUIDAnnotation] != "u-new" {
		t.Fatalf("min %d, %s, %v", w.min(), w.condition(v1alpha1.Held), w.live.Annotations)
	}
	w.pass(time.Hour - time.Second)
	if w.min() != 6 {
		t.Fatalf("min %d within the hour", w.min())
	}
	minima := w.minima()
	w.pass(time.Hour)
	if diff := cmp.Diff([]int32{4, 3}, *minima); diff != "" {
		t.Error(diff)
	}
}

// While the HPA of a paused policy is let go, the policy says so, and how far it is.
func TestPausedReleaseInTheStatus(t *testing.T) {
	w := newWorld(t, scheduled("0 5 * * *", time.Hour, 8))
	w.rest()
	w.pass(10 * time.Minute)
	w.spec(func(s *v1alpha1.AutoscalingPolicySpec) { s.Mode = v1alpha1.Paused })
	w.rest()
	w.edit(func(h *autoscalingv2.HorizontalPodAutoscaler) { h.Annotations[ReleaseAnnotation] = ReleaseKeep })
	var minima []int32
	for range 100 {
		p := w.turn()
		if w.happened(EventReleased) {
			break
		}
		if p.Observations.State != StatePaused {
			t.Fatalf("state %q in the metrics", p.Observations.State)
		}
		if is := *w.policy.Status.EffectiveMin; is != w.min() {
			t.Fatalf("effectiveMin %d, the HPA has %d", is, w.min())
		} else if !slices.Contains(minima, is) {
			minima = append(minima, is)
		}
		want := "True Releasing"
		if w.min() == 2 {
			want = "False NotHeld"
		}
		if w.condition(v1alpha1.Held) != want || w.condition(v1alpha1.Ready) != "False LettingGo" {
			t.Fatalf("min %d: %s, %s", w.min(), w.condition(v1alpha1.Held), w.condition(v1alpha1.Ready))
		}
		w.now = w.now.Add(max(p.Next, time.Second))
		w.sync()
	}
	if diff := cmp.Diff([]int32{8, 6, 4, 3, 2}, minima); diff != "" || !w.happened(EventReleased) {
		t.Errorf("Events %v\n%s", w.events, diff)
	}
	if w.rest(); w.condition(v1alpha1.Ready) != "False ForeignHPA" || w.policy.Status.EffectiveMin != nil {
		t.Errorf("%s, effectiveMin %v after it", w.condition(v1alpha1.Ready), w.policy.Status.EffectiveMin)
	}
}

// A paused policy gives its HPA back what the freeze has replaced, even a behavior that
// lets nothing scale either; one that was frozen by hand gets that of the policy.
func TestPausedGivesTheBehaviorBack(t *testing.T) {
	off := autoscalingv2.HPAScalingRules{SelectPolicy: ptr.To(autoscalingv2.DisabledPolicySelect)}
	for name, tc := range map[string]struct {
		behavior *autoscalingv2.HorizontalPodAutoscalerBehavior
		unnoted  bool
	}{
		"of a profile":    {},
		"no scaling in":   {behavior: &autoscalingv2.HorizontalPodAutoscalerBehavior{ScaleDown: &off}},
		"no scaling":      {behavior: &autoscalingv2.HorizontalPodAutoscalerBehavior{ScaleDown: &off, ScaleUp: &off}},
		"frozen by hand":  {unnoted: true},
		"the least of it": {behavior: &autoscalingv2.HorizontalPodAutoscalerBehavior{ScaleUp: &autoscalingv2.HPAScalingRules{SelectPolicy: ptr.To(autoscalingv2.MinChangePolicySelect)}}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, func(p *v1alpha1.AutoscalingPolicy) {
				p.Spec.Behavior, p.Spec.DeletionPolicy = tc.behavior, v1alpha1.Orphan
			})
			w.rest()
			own := w.live.Spec.DeepCopy()
			w.spec(func(s *v1alpha1.AutoscalingPolicySpec) { s.Mode = v1alpha1.Paused })
			w.rest()
			if tc.unnoted { // as an earlier version of us did
				w.edit(func(h *autoscalingv2.HorizontalPodAutoscaler) { delete(h.Annotations, hpa.FrozenAnnotation) })
				w.rest()
			}
			if !hpa.Frozen(w.live) {
				t.Fatal("it is not frozen")
			}
			w.policy = nil
			w.rest()
			if diff := cmp.Diff(own.Behavior, w.live.Spec.Behavior); diff != "" || len(w.live.Annotations) > 0 {
				t.Errorf("%s%v", diff, w.live.Annotations)
			}
		})
	}
}
