package chain

import (
	"cmp"
	"fmt"
	"math"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/loadline/loadline/policy/arithmetic"
	"github.com/loadline/loadline/policy/floor"
)

// Report is how an HPA comes to its decision. Its JSON is for programs: fields are only ever
// added, and lists are never null. Amounts are texts in the metric's own unit, such as 42.5 or
// 128Mi.
type Report struct {
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	// Time is when the cluster was read.
	Time metav1.Time `json:"time"`
	// Target is the kind and the name of what is scaled.
	Target string `json:"target"`
	// Size of the target; absent where its scale could not be read.
	Size   *Size  `json:"size,omitempty"`
	Bounds Bounds `json:"bounds"`
	// LastSync is what the HPA's status says; absent before the first sync.
	LastSync *LastSync `json:"lastSync,omitempty"`
	// Policy is the AutoscalingPolicy that the HPA was made from; absent without one.
	Policy  *Policy  `json:"policy,omitempty"`
	Metrics []Metric `json:"metrics"`
	// Undiagnosed is why no metric has what is behind it; absent if one has, or if there is
	// nothing to know. The chain is none the less whole.
	Undiagnosed *Break      `json:"undiagnosed,omitempty"`
	Steps       []Step      `json:"steps"`
	Conditions  []Condition `json:"conditions"`
	// NotObservable is what nobody but the controller knows.
	NotObservable []string `json:"notObservable"`
	// Broken is where the chain is broken; empty for one that is whole.
	Broken   []Break  `json:"broken"`
	Decision Decision `json:"decision"`
}

// Size is that of a target.
type Size struct {
	// Wanted is spec.replicas of its scale, There status.replicas.
	Wanted int32 `json:"wanted"`
	There  int32 `json:"there"`
	// Selector finds Pods pods, terminating and ended ones included; absent where they could
	// not be read.
	Selector string `json:"selector"`
	Pods     *int   `json:"pods,omitempty"`
}

// Bounds are those of an HPA.
type Bounds struct {
	Min int32 `json:"min"`
	Max int32 `json:"max"`
}

// LastSync is what an HPA's status says of the controller's last sync.
type LastSync struct {
	Current int32 `json:"current"`
	Desired int32 `json:"desired"`
	// Scaled is when the controller scaled the target last; absent if it never did.
	Scaled *metav1.Time `json:"scaled,omitempty"`
	// Stale: the HPA was changed since.
	Stale bool `json:"stale"`
}

// Step is one of the controller's, with what went in and what came out.
type Step struct {
	Rule string `json:"rule"`
	In   Range  `json:"in"`
	Out  Range  `json:"out"`
	// Reason is the controller's own, empty where it gives none.
	Reason string `json:"reason,omitempty"`
	Why    string `json:"why"`
	// NotObservable is what only the controller knows of it; empty where nothing is hidden.
	NotObservable string `json:"notObservable,omitempty"`
	lines         []string
}

// Range is what a number of replicas is in, ends included. An end that is open is absent.
type Range struct {
	Least *int32 `json:"least,omitempty"`
	Most  *int32 `json:"most,omitempty"`
}

// Decision is what the controller decides with what was read.
type Decision struct {
	// Replicas is what the size becomes; absent where that cannot be said.
	Replicas *Range `json:"replicas,omitempty"`
	// Text is one sentence for people.
	Text string `json:"text"`
}

// Whole says whether the chain is nowhere broken.
func (r *Report) Whole() bool { return len(r.Broken) == 0 }

// New computes the report.
func New(in *Input) *Report {
	h := in.HPA
	r := &Report{
		Namespace: h.Namespace, Name: h.Name, Time: metav1.NewTime(in.Now.UTC().Truncate(time.Second)),
		Target: h.Spec.ScaleTargetRef.Kind + "/" + h.Spec.ScaleTargetRef.Name,
		Size:   in.size(), Bounds: Bounds{ptr.Deref(h.Spec.MinReplicas, 1), h.Spec.MaxReplicas},
		LastSync: lastSync(h), Policy: newPolicy(in),
		Metrics: []Metric{}, Steps: []Step{}, Conditions: conditions(h), NotObservable: []string{}, Broken: []Break{},
	}
	r.Undiagnosed = in.Undiagnosed
	r.Broken = append(r.Broken, in.Broken...)
	var d *arithmetic.Decision
	if s := in.state(); s != nil {
		d = ptr.To(arithmetic.Decide(s))
		r.steps(d, in.Settings)
		if b := standstill(d.Failure, r.Target); b != nil {
			r.Broken = append(r.Broken, *b)
		}
	}
	for i := range h.Spec.Metrics {
		var p *arithmetic.Proposal
		if d != nil && i < len(d.Proposals) {
			p = &d.Proposals[i]
		}
		m := in.metric(i, p)
		r.Metrics = append(r.Metrics, m)
		if m.Broken != nil {
			r.Broken = append(r.Broken, *m.Broken)
		}
	}
	// What the controller complains about has its cause among what is broken, if it lasts.
	if b := complaint(h, r.Target, in.Now); b != nil && r.Whole() {
		r.Broken = append(r.Broken, *b)
	}
	r.Decision = decided(d)
	return r
}

func (in *Input) size() *Size {
	if in.Scale == nil {
		return nil
	}
	s := &Size{Wanted: in.Scale.Spec.Replicas, There: in.Scale.Status.Replicas, Selector: in.Scale.Status.Selector}
	if !in.PodsUnread {
		s.Pods = ptr.To(len(in.Pods))
	}
	return s
}

func lastSync(h *autoscalingv2.HorizontalPodAutoscaler) *LastSync {
	if len(h.Status.Conditions) == 0 {
		return nil
	}
	return &LastSync{
		Current: h.Status.CurrentReplicas, Desired: h.Status.DesiredReplicas, Scaled: h.Status.LastScaleTime.DeepCopy(),
		Stale: ptr.Deref(h.Status.ObservedGeneration, h.Generation) < h.Generation,
	}
}

// steps takes over those of a decision, and what of them cannot be known.
func (r *Report) steps(d *arithmetic.Decision, s arithmetic.Settings) {
	for i := range d.Steps {
		of := &d.Steps[i]
		r.Steps = append(r.Steps, Step{
			Rule: string(of.Rule), In: newRange(of.In), Out: newRange(of.Out), Reason: of.Reason, Why: of.Why,
			NotObservable: of.NotObservable, lines: of.Text(),
		})
		if of.NotObservable != "" {
			r.NotObservable = append(r.NotObservable, of.NotObservable)
		}
	}
	r.NotObservable = append(r.NotObservable, fmt.Sprintf(
		"the flags of kube-controller-manager: computed with a tolerance of %g, a downscale stabilisation of %s, a CPU initialization period of %s and an initial readiness delay of %s",
		s.Tolerance, s.DownscaleStabilization, s.CPUInitializationPeriod, s.InitialReadinessDelay))
}

func newRange(of arithmetic.Range) Range {
	var r Range
	if of.Least != math.MinInt32 {
		r.Least = &of.Least
	}
	if of.Most != math.MaxInt32 {
		r.Most = &of.Most
	}
	return r
}

// decided is a decision in one sentence; d is nil where nothing could be computed.
func decided(d *arithmetic.Decision) Decision {
	if d == nil {
		return Decision{Text: "it is not known what the HPA decides: its target's size or pods could not be read."}
	}
	out := Decision{Replicas: ptr.To(newRange(d.Replicas))}
	why := because(d)
	switch {
	case d.Replicas.Exact() && d.Replicas.Least == d.Current:
		out.Text = fmt.Sprintf("the size stays at %d, for %s.", d.Current, why)
	case d.Replicas.Exact():
		out.Text = fmt.Sprintf("the size goes from %d to %d, for %s.", d.Current, d.Replicas.Least, why)
	default:
		out.Text = fmt.Sprintf("the size of %d becomes %s, as far as can be observed, for %s.", d.Current, d.Replicas, why)
	}
	return out
}

// because is why a decision is as it is: what the metrics ask for, if that is what may become
// of it, or what changed the number last.
func because(d *arithmetic.Decision) string {
	if d.Failure != nil {
		return d.Failure.Message
	}
	why := ""
	for _, s := range d.Steps {
		if s.Rule == arithmetic.Metrics && d.Replicas.Has(s.Out.Least) {
			return s.Why
		}
		if s.In != s.Out {
			why = s.Why
		}
	}
	return cmp.Or(why, "nothing asks for anything else")
}

// of names the place of a metric.
func of(m autoscalingv2.MetricSpec) string { return "metric " + floor.Name(m) }
