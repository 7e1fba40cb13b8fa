package decide

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	"github.com/loadline/loadline/policy/api/v1alpha1"
	"github.com/loadline/loadline/policy/floor"
	"github.com/loadline/loadline/policy/hpa"
	"github.com/loadline/loadline/policy/rollout"
)

// history is a world to which things happen at random, and what must hold in it.
type history struct {
	*world
	random *rand.Rand
	log    []string
	// lowered is when a floor was lowered last; zero after a jump of the clock.
	lowered time.Time
	// objectives are those without a mistake.
	objectives []v1alpha1.Objective
}

// Whatever happens, in whatever order: no write of ours sets a minimum below that of
// the owner, the schedules in force and a rollout on its way, or above max, or above them without a
// reason in the status; none takes a floor down by more than a step, or two steps within
// a period; and when nothing happens any more, all
// comes to rest at the owner's minimum.
func TestHistories(t *testing.T) {
	n := uint64(120)
	if testing.Short() {
		n = 40
	}
	for seed := range n {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			h := &history{world: newWorld(t, fallback(2*time.Minute, 6), withCPU), random: rand.New(rand.NewPCG(seed, 3))}
			h.wrote, h.objectives = h.check, h.policy.Spec.Objectives
			t.Cleanup(func() {
				if t.Failed() {
					for _, l := range h.log {
						t.Log(l)
					}
				}
			})
			for range 60 {
				h.happen()
				h.rest()
			}
			h.end()
		})
	}
}

func (h *history) note(format string, args ...any) {
	h.log = append(h.log, h.now.Format("01-02 15:04:05 ")+fmt.Sprintf(format, args...))
}

// happen has one thing happen.
func (h *history) happen() {
	r := h.random
	h.fail = nil
	switch r.IntN(15) {
	case 0, 1, 2, 3:
		d := time.Duration(1+r.IntN(90)) * time.Second
		h.note("%s pass", d)
		h.pass(d)
	case 4:
		d := time.Duration(1+r.IntN(90)) * time.Minute
		h.note("%s pass", d)
		h.pass(d)
	case 5:
		d := time.Duration(r.IntN(48*3600)-24*3600) * time.Second
		h.note("the clock jumps by %s", d)
		h.now, h.lowered = h.now.Add(d), time.Time{}
	case 6, 7:
		h.metrics = []state{good, good, good, allBad, someBad, oneGood, clamped, clamped, unseen, atZero, noTarget}[r.IntN(11)]
		h.note("metrics are %s", h.metrics)
	case 8:
		h.owner()
	case 9:
		if h.live == nil {
			return
		}
		h.edit(func(x *autoscalingv2.HorizontalPodAutoscaler) {
			if r.IntN(4) == 0 {
				x.Spec.MaxReplicas = int32(10 + r.IntN(10))
			} else {
				x.Spec.MinReplicas = ptr.To(int32(1 + r.IntN(int(x.Spec.MaxReplicas))))
			}
			h.note("somebody sets min %d max %d", *x.Spec.MinReplicas, x.Spec.MaxReplicas)
		})
	case 10:
		h.note("the status is lost")
		h.store(v1alpha1.AutoscalingPolicyStatus{})
	case 11:
		at, answer := len(h.writes)+r.IntN(4), r.IntN(2) == 0
		h.note("write %d is lost, only the answer: %v", at, answer)
		h.fail = func(n int) (bool, bool) { return n == at && !answer, n == at && answer }
	default:
		h.roll()
	}
}

// roll has the target roll out something, or go on with it.
func (h *history) roll() {
	r := h.random
	v := rollout.View{UID: "u", Revision: "a", Size: h.size, Observed: true, Updated: h.size, Available: h.size}
	if h.rollout != nil {
		v = *h.rollout
	}
	switch r.IntN(7) {
	case 0, 1:
		v.Revision, v.Observed = string(rune('a'+r.IntN(4))), false
	case 2:
		v.Observed, v.Old = true, int32(r.IntN(4))
	case 3:
		v.Observed, v.Old, v.Terminating, v.Updated, v.Available, v.Waits = true, 0, 0, v.Size, v.Size, ""
	case 4:
		v.Size = int32(r.IntN(20))
	case 5:
		v.UID = types.UID([]string{"u", "u", "u", "another"}[r.IntN(4)])
	case 6:
		v.Waits = []string{"", "it is paused"}[r.IntN(2)]
	}
	h.rollout = &v
	if r.IntN(10) == 0 {
		h.rollout = nil
	}
	h.note("the target: %+v", h.rollout)
}

// owner has the policy's owner change something.
func (h *history) owner() {
	r := h.random
	h.spec(func(s *v1alpha1.AutoscalingPolicySpec) {
		switch r.IntN(9) {
		case 0:
			s.Replicas.Min = int32(1 + r.IntN(int(s.Replicas.Max)))
		case 1:
			s.Replicas.Max = s.Replicas.Min + int32(r.IntN(15))
		case 2:
			s.Schedules = append(s.Schedules, v1alpha1.Schedule{
				Name: fmt.Sprint("s", len(s.Schedules)), Min: int32(1 + r.IntN(20)),
				Start:    fmt.Sprintf("%d */%d * * *", r.IntN(60), 1+r.IntN(5)),
				Duration: metav1.Duration{Duration: time.Duration(1+r.IntN(180)) * time.Minute},
			})
			if len(s.Schedules) > 3 {
				s.Schedules = nil
			}
		case 3:
			s.Profile = []v1alpha1.Profile{v1alpha1.Balanced, v1alpha1.Steady, v1alpha1.Responsive}[r.IntN(3)]
		case 4:
			s.Fallback = nil
			if r.IntN(2) == 0 {
				after := time.Duration(30+r.IntN(600)) * time.Second
				s.Fallback = &v1alpha1.Fallback{After: metav1.Duration{Duration: after}, Min: int32(1 + r.IntN(20))}
			}
		case 5:
			s.Mode = []v1alpha1.Mode{v1alpha1.Enforce, v1alpha1.Enforce, v1alpha1.Paused, v1alpha1.DryRun}[r.IntN(4)]
		case 6:
			s.TargetRef.Name = []string{"web", "api", "web"}[r.IntN(3)]
		case 7:
			for i := range s.Schedules {
				s.Schedules[i].Start = "61 * * * *"
			}
		case 8:
			s.Objectives = h.objectives
			if r.IntN(2) == 0 {
				s.Objectives = append(slices.Clone(s.Objectives), v1alpha1.Objective{Query: &v1alpha1.Query{Name: "q", Expr: "bad", PerPod: ptr.To(resource.MustParse("1"))}})
			}
		}
		h.note("the owner: min %d max %d, %d schedules, fallback %v, %s %s", s.Replicas.Min, s.Replicas.Max, len(s.Schedules), s.Fallback, s.Profile, s.Mode)
	})
}

// check sees each write of ours to an HPA that was there.
func (h *history) check(before, after *autoscalingv2.HorizontalPodAutoscaler) {
	h.t.Helper()
	was, is, most := *before.Spec.MinReplicas, *after.Spec.MinReplicas, after.Spec.MaxReplicas
	h.note("min %d → %d, max %d", was, is, most)
	if is > most || h.policy.Spec.Mode == v1alpha1.DryRun {
		h.t.Errorf("%s: min %d, max %d, mode %s", h.now, is, most, h.policy.Spec.Mode)
	}
	if h.policy.Spec.Mode != v1alpha1.Enforce {
		if is != was {
			h.t.Errorf("%s: min %d → %d while %s", h.now, was, is, h.policy.Spec.Mode)
		}
		return
	}
	if was := h.policy.Status.HPA; was != nil && len(was.Rewrites) == maxRewrites && slices.Contains(was.Rewritten, minPath) && is == min(*before.Spec.MinReplicas, most) {
		return // somebody keeps writing it: it is left alone, whatever else is written
	}
	// Of a policy with a mistake the last good minimum counts.
	least := hpa.WrittenMin(after, 0)
	if ready := h.condition(v1alpha1.Ready); ready == "True Applied" && h.policy.Status.ObservedGeneration == h.policy.Generation && least != h.policy.Spec.Replicas.Min {
		h.t.Errorf("%s: the owner's minimum is %d, not %d", h.now, h.policy.Spec.Replicas.Min, least)
	}
	all, _ := floor.Compile(h.policy.Spec.Schedules)
	for _, s := range all {
		if s.Active(h.now) {
			least = max(least, s.Min)
		}
	}
	for _, f := range h.policy.Status.Floors {
		if held := f.Owner == floor.RolloutOwner && h.policy.Status.Rollout.Phase != v1alpha1.Settling && f.Expires.After(h.now); held && h.rollout != nil && !h.rollout.Complete() && h.rollout.UID == h.policy.Status.Rollout.TargetUID {
			least = max(least, f.Value)
		}
	}
	if is < min(least, most) {
		h.t.Errorf("%s: min %d is below %d, of the owner, the schedules and the rollout", h.now, is, least)
	}
	if is > was && is > least && is > explained(&h.policy.Status) {
		h.t.Errorf("%s: min %d → %d, and the status says nothing about it: %+v", h.now, was, is, h.policy.Status)
	}
	if is >= was || was <= hpa.WrittenMin(before, 0) || most < was && is == most {
		return // not a floor that is lowered
	}
	next, every := hpa.Step(min(was, most), behaviorOf(after))
	if is < next {
		h.t.Errorf("%s: min %d → %d, more than the step to %d", h.now, was, is, next)
	}
	if !h.lowered.IsZero() && h.now.Sub(h.lowered) < every {
		h.t.Errorf("%s: min %d → %d, %s after the last step, every %s", h.now, was, is, h.now.Sub(h.lowered), every)
	}
	h.lowered = h.now
}

// explained is the highest minimum that a status has a reason for.
func explained(s *v1alpha1.AutoscalingPolicyStatus) int32 {
	n := int32(0)
	for _, f := range s.Floors {
		n = max(n, f.Value)
	}
	if s.Release != nil {
		n = max(n, s.Release.Value)
	}
	return n
}

// end has nothing happen any more, and sees all come to rest.
func (h *history) end() {
	h.t.Helper()
	h.fail, h.metrics = nil, good
	if v := h.rollout; v != nil {
		h.rollout = &rollout.View{UID: v.UID, Revision: v.Revision, Size: v.Size, Observed: true, Updated: v.Size, Available: v.Size}
	}
	h.note("the end")
	h.spec(func(s *v1alpha1.AutoscalingPolicySpec) {
		s.Mode, s.Schedules, s.Objectives = v1alpha1.Enforce, nil, h.objectives
	})
	for range 400 {
		p := h.rest()
		if p.Next == 0 {
			if h.min() != h.policy.Spec.Replicas.Min || len(h.policy.Status.Floors) > 0 || h.policy.Status.Release != nil || h.condition(v1alpha1.Ready) != "True Applied" {
				h.t.Errorf("at rest with min %d of %d, %s, %+v", h.min(), h.policy.Spec.Replicas.Min, h.condition(v1alpha1.Ready), h.policy.Status)
			}
			return
		}
		h.now = h.now.Add(p.Next)
	}
	h.t.Errorf("it never comes to rest: min %d of %d, %+v", h.min(), h.policy.Spec.Replicas.Min, h.policy.Status)
}
