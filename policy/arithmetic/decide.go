package arithmetic

import (
	"fmt"
	"math"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"

	"github.com/loadline/loadline/policy/floor"
	"github.com/loadline/loadline/policy/hpa"
)

// Rule is what a step applies.
type Rule string

// The rules, in the order in which a sync comes to them.
const (
	// AtZero: the target is at 0, and nobody but the HPA itself may have put it there.
	AtZero Rule = "AtZero"
	// IntoBounds: a size outside the bounds goes to the next one at once, whatever the
	// metrics say; they are not read.
	IntoBounds Rule = "IntoBounds"
	// Metrics: the highest proposal is taken.
	Metrics Rule = "Metrics"
	// Stabilize: earlier recommendations hold it.
	Stabilize Rule = "Stabilize"
	// Limit: bounds and rates limit it.
	Limit Rule = "Limit"
	// FromZero: what the HPA itself put to 0 comes back with its minimum at least.
	FromZero Rule = "FromZero"
)

// Step is a rule with what it was given and what it made of it.
type Step struct {
	Rule    Rule
	In, Out Range
	// Reason is the one that the controller gives in its condition for it; empty where it
	// gives none, or where what is not known decides between two.
	Reason string
	// Why is for people.
	Why string
	// NotObservable is what only the controller knows, for which Out is a range; empty where
	// nothing is hidden.
	NotObservable string
}

// Decision is what a sync decides.
type Decision struct {
	// Current is the size of the target before.
	Current int32
	// Replicas is its size after the sync. A size that stays is not written.
	Replicas Range
	// Failure is why the metrics do not move it; nil if they do.
	Failure *Failure
	// Proposals are those of all metrics, in their order; none where the sync does not look
	// at metrics.
	Proposals []Proposal
	// Chosen is the place of the proposal that was taken; -1 for none.
	Chosen int
	Steps  []Step
}

// Decide computes what the controller decides in a sync (reconcileAutoscaler in
// horizontal.go).
func Decide(s *State) Decision {
	d := decider{State: s, spec: hpa.Defaulted(&s.HPA.Spec)}
	d.size = s.Scale.Spec.Replicas
	d.min, d.max = *d.spec.MinReplicas, d.spec.MaxReplicas
	d.Current, d.Replicas, d.Chosen = d.size, exactly(d.size), -1
	d.decide()
	return d.Decision
}

type decider struct {
	*State
	Decision
	spec           *autoscalingv2.HorizontalPodAutoscalerSpec
	size, min, max int32
}

func (d *decider) decide() {
	size := exactly(d.size)
	switch {
	case d.size == 0 && !d.wakes():
		d.Failure = &Failure{ScalingDisabled, "somebody else scaled the target to 0, which switches its HPA off"}
		d.step(Step{Rule: AtZero, In: size, Out: size, Reason: ScalingDisabled, Why: d.Failure.Message})
		return
	case d.size > d.max:
		d.step(Step{Rule: IntoBounds, In: size, Out: exactly(d.max), Why: fmt.Sprintf("%d is above the maximum: it goes there at once, and no metric is read", d.size)})
		return
	case d.size != 0 && d.size < d.min:
		d.step(Step{Rule: IntoBounds, In: size, Out: exactly(d.min), Why: fmt.Sprintf("%d is below the minimum: it goes there at once, and no metric is read", d.size)})
		return
	}
	want, ok := d.combine()
	if !ok {
		return
	}
	d.Replicas = exactly(want)
	if d.spec.Behavior == nil {
		d.stabilizeDown(want)
		d.limit()
	} else {
		d.stabilize(want)
		d.rate()
	}
	if d.size == 0 && d.Replicas.Least < d.min {
		d.step(Step{
			Rule: FromZero, In: d.Replicas, Out: d.Replicas.each(func(n int32) int32 { return max(n, d.min) }),
			Why: fmt.Sprintf("the HPA itself scaled the target to 0, and its minimum is %d now", d.min),
		})
	}
}

// step adds a step; what comes out of it is the size until the next one.
func (d *decider) step(s Step) {
	d.Steps = append(d.Steps, s)
	d.Replicas = s.Out
}

// wakes says whether the HPA looks at the metrics of a target at 0: if it put it there, and
// either has a metric that exists without pods or a minimum by now
// (shouldComputeMetricsForZeroReplicas).
func (d *decider) wakes() bool {
	c := floor.Condition(d.HPA, autoscalingv2.ScaledToZero)
	if c == nil || c.Status != corev1.ConditionTrue {
		return false
	}
	if d.min != 0 {
		return true
	}
	for _, m := range d.HPA.Spec.Metrics {
		if m.Type == autoscalingv2.ObjectMetricSourceType || m.Type == autoscalingv2.ExternalMetricSourceType {
			return true
		}
	}
	return false
}

// combine takes the highest proposal. With a metric that failed among others they may add
// replicas and take none away; with no other nothing happens (computeReplicasForMetrics).
func (d *decider) combine() (int32, bool) {
	if d.Failure = d.selector(); d.Failure != nil {
		d.stay("the target's pods are not known: " + d.Failure.Message)
		return 0, false
	}
	var want int32
	failed := 0
	var first *Failure
	for i := range d.HPA.Spec.Metrics {
		p := Propose(d.State, i)
		d.Proposals = append(d.Proposals, p)
		switch {
		case p.Failure != nil:
			if failed++; first == nil {
				first = p.Failure
			}
		case want == 0 || p.Replicas > want: // a later one is taken in the place of 0, even one below
			want, d.Chosen = p.Replicas, i
		}
	}
	all := len(d.HPA.Spec.Metrics)
	switch {
	case all == 0:
		first = &Failure{InvalidMetricSourceType, "the HPA has no metric"}
		fallthrough
	case failed == all:
		d.Failure, d.Chosen = first, -1
		d.stay("no metric can be had: the size stays as it is")
		return 0, false
	case failed > 0 && want < d.size:
		d.Failure, d.Chosen = first, -1
		d.stay(fmt.Sprintf("%d of %d metrics cannot be had, and the others ask for %d: nothing is taken away on the word of some", failed, all, want))
		return 0, false
	}
	why := "it is what " + d.Proposals[d.Chosen].Name + " asks for"
	if all-failed > 1 {
		why = "the highest proposal is that of " + d.Proposals[d.Chosen].Name
	}
	if failed > 0 {
		why += fmt.Sprintf("; %d of %d metrics cannot be had, and so replicas may only be added", failed, all)
	}
	if want < 0 {
		why += fmt.Sprintf("; %d is below 0 and counts as 0", want)
	}
	want = max(want, 0)
	d.step(Step{Rule: Metrics, In: exactly(d.size), Out: exactly(want), Reason: "ValidMetricFound", Why: why})
	return want, true
}

// stay ends a sync whose metrics do not say anything.
func (d *decider) stay(why string) {
	size := exactly(d.size)
	d.step(Step{Rule: Metrics, In: size, Out: size, Reason: d.Failure.Reason, Why: why})
}

// limit applies the bounds of an HPA without a behavior, and that its size is doubled at most,
// or brought to 4 (convertDesiredReplicasWithRules).
func (d *decider) limit() {
	in := d.Replicas
	most := int32(math.Max(2*float64(d.size), 4))
	reason, above := "TooManyReplicas", fmt.Sprintf("the maximum is %d", d.max)
	if d.max > most {
		reason, above = "ScaleUpLimit", fmt.Sprintf("without a behavior no sync brings the size above twice itself or 4, here %d", most)
	}
	most = min(most, d.max)
	out := in.each(func(n int32) int32 {
		if n < d.min {
			return d.min
		}
		return min(n, most) // from 0 this may be below the minimum
	})
	s := Step{Rule: Limit, In: in, Out: Range{min(out.Least, out.Most), max(out.Least, out.Most)}}
	switch {
	case in.Most < d.min:
		s.Reason, s.Why = "TooFewReplicas", fmt.Sprintf("the minimum is %d", d.min)
	case in.Least > most && in.Least >= d.min:
		s.Reason, s.Why = reason, above
	case d.min <= in.Least && in.Most <= most:
		s.Reason, s.Why = "DesiredWithinRange", "it is within the bounds"
	default:
		s.Why = fmt.Sprintf("the minimum is %d; %s", d.min, above)
	}
	d.step(s)
}
