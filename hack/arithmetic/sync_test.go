package arithmetic

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/loadline/loadline/policy/arithmetic"
	"github.com/loadline/loadline/policy/floor"
	"github.com/loadline/loadline/policy/hpa"
)

// TestSyncs holds decisions against the whole controller, over syncs of one HPA while its
// metrics, its pods, its bounds and its target change:
//
//   - With what the controller remembers, which the test keeps account of, size, conditions
//     and currentMetrics are the same.
//   - Without it, as everybody else looks at an HPA, the size is within the range that is
//     said to be certain.
func TestSyncs(t *testing.T) {
	var told tally
	each(t, 2_000, func(t *testing.T, r *rand.Rand) {
		d := dice{r, time.Now()}
		w := newWorld(d, 3)
		w.begin(d)
		s := start(t, w)
		l := ledger{keeps: true}
		for n := range 12 {
			if n > 0 && d.in(15) { // another one takes over, which remembers nothing
				s, l = start(t, w), ledger{keeps: true}
			}
			d.now = time.Now()
			if n > 0 {
				w.change(d, &l)
			}
			compare(t, s, &l, &told, n)
			if t.Failed() {
				return
			}
			time.Sleep(pick(d, 15*time.Second, 15*time.Second, 14600*time.Millisecond, 59700*time.Millisecond, 45*time.Second, time.Minute, 5*time.Minute, time.Hour+time.Second/2))
		}
	})
	t.Logf("%+v", told)
	if *seeds == 0 && *seed == 0 {
		told.enough(t)
	}
}

// tally is what was compared, and how much of it can be known without the controller's memory.
type tally struct {
	// Syncs in all, those that scaled, and those that had a number from the metrics.
	Syncs, Moved, Computed int
	// Known are those of Computed whose result is one number without the memory, Narrow those
	// that are four at most.
	Known, Narrow int
	// Rules are the steps with their reasons.
	Rules map[string]int
}

func (t *tally) enough(test *testing.T) {
	test.Helper()
	for _, of := range []string{
		"AtZero ScalingDisabled", "IntoBounds ", "Metrics ValidMetricFound", "Metrics FailedGetObjectMetric", "Metrics InvalidSelector", "Metrics AmbiguousSelector",
		"Stabilize ReadyForNewScale", "Stabilize ScaleUpStabilized", "Stabilize ScaleDownStabilized", "Limit DesiredWithinRange",
		"Limit TooManyReplicas", "Limit TooFewReplicas", "Limit ScaleUpLimit", "Limit ScaleDownLimit", "FromZero ",
	} {
		if t.Rules[of] < 10 {
			test.Errorf("%d examples of %s, and 10 are wanted at least", t.Rules[of], of)
		}
	}
	if t.Known*2 < t.Computed {
		test.Errorf("of %d syncs %d are known without the controller's memory, and half is wanted at least", t.Computed, t.Known)
	}
}

// ledger is what the controller remembers, as far as the test can know.
type ledger struct {
	arithmetic.Memory
	// keeps is false once a window has changed: which of the recommendations outside of it the
	// controller has overwritten is not accounted for.
	keeps bool
}

// note takes down what a sync added to the memory.
func (l *ledger) note(d *arithmetic.Decision, h *autoscalingv2.HorizontalPodAutoscaler, now time.Time) {
	if len(l.Recommendations) == 0 {
		l.Recommendations = append(l.Recommendations, arithmetic.Recommendation{At: now, Replicas: d.Current})
	}
	for _, s := range d.Steps {
		if s.Rule == arithmetic.Metrics && d.Failure == nil {
			l.Recommendations = append(l.Recommendations, arithmetic.Recommendation{At: now, Replicas: s.Out.Least})
		}
	}
	if h.Spec.Behavior == nil {
		return
	}
	switch by := d.Replicas.Least - d.Current; {
	case by > 0:
		l.Ups = put(l.Ups, arithmetic.Change{At: now, By: by}, h.Spec.Behavior.ScaleUp)
	case by < 0:
		l.Downs = put(l.Downs, arithmetic.Change{At: now, By: -by}, h.Spec.Behavior.ScaleDown)
	}
}

// put adds a change in the place of one that no policy of its direction looks back to, if there
// is one. The other direction's policies may, and then the controller has forgotten it
// (storeScaleEvent and markScaleEventsOutdated in horizontal.go).
func put(list []arithmetic.Change, c arithmetic.Change, rules *autoscalingv2.HPAScalingRules) []arithmetic.Change {
	var longest int32
	for _, p := range rules.Policies {
		longest = max(longest, p.PeriodSeconds)
	}
	for i := len(list) - 1; i >= 0; i-- {
		if list[i].At.Before(c.At.Add(-time.Duration(longest) * time.Second)) {
			list[i] = c
			return list
		}
	}
	return append(list, c)
}

// begin puts the world where controllers have been before.
func (w *world) begin(d dice) {
	if d.in(3) {
		w.hpa.Status.Conditions = []autoscalingv2.HorizontalPodAutoscalerCondition{{
			Type: autoscalingv2.ScaledToZero, Status: pick(d, corev1.ConditionTrue, corev1.ConditionTrue, corev1.ConditionFalse), Reason: "ScaledToZero",
		}}
		w.scale.Spec.Replicas = pick(d, 0, 0, w.scale.Spec.Replicas)
	}
	w.rival = d.in(30)
	if d.in(20) {
		w.scale.Status.Selector = pick(d, "", "app in (", "=,")
	}
}

// change is what happens between two syncs.
func (w *world) change(d dice, l *ledger) {
	if d.in(2) {
		w.measure(d)
	}
	switch d.IntN(3) {
	case 0: // the target's controller makes pods as it should
		w.scale.Status.Replicas = w.scale.Spec.Replicas
		w.pods = nil
		for i := range min(w.scale.Spec.Replicas, 30) {
			w.pods = append(w.pods, d.pod(fmt.Sprint("web-", i), 1000, 1000, 1000))
		}
		w.measure(d)
	case 1:
		w.makePods(d)
	}
	changed := w.hpa.DeepCopy()
	if d.in(10) || w.scale.Spec.Replicas == 0 && d.in(2) { // somebody else scales the target
		w.scale.Spec.Replicas = d.Int32N(12)
	}
	if d.in(8) {
		*changed.Spec.MinReplicas = d.Int32N(6)
		changed.Spec.MaxReplicas = max(1, *changed.Spec.MinReplicas) + d.Int32N(12)
		changed.Generation++
	}
	if d.in(20) {
		changed.Spec.Behavior = d.behavior()
		changed.Generation++
		l.keeps = false
	}
	w.hpa = changed
}

func compare(t *testing.T, s *server, l *ledger, told *tally, n int) {
	t.Helper()
	now := time.Now()
	before := s.state(now)
	blind := arithmetic.Decide(before)
	before.Memory = &l.Memory
	want := arithmetic.Decide(before)
	s.sync(t)
	size := s.scale.Spec.Replicas
	text := func() string { return fmt.Sprintf("sync %d\n%+v\n%s", n, before.HPA.Status, steps(&blind)) }
	if !blind.Replicas.Has(size) {
		t.Errorf("the controller scales to %d, and %s is said to be certain\n%s", size, blind.Replicas, text())
	}
	if !want.Replicas.Exact() {
		t.Errorf("with the controller's memory the size is %s and not one number", want.Replicas)
	}
	told.count(&blind, &want)
	if l.keeps {
		if diff := cmp.Diff(expect(before, &want), actual(s)); diff != "" {
			t.Errorf("ours (-) and the controller's (+):\n%s\n%s\n%s", diff, steps(&want), text())
		}
	}
	l.note(&want, s.hpa, now)
}

func (t *tally) count(blind, known *arithmetic.Decision) {
	if t.Rules == nil {
		t.Rules = map[string]int{}
	}
	t.Syncs++
	if known.Replicas.Least != known.Current {
		t.Moved++
	}
	if known.Chosen >= 0 {
		t.Computed++
		switch r := blind.Replicas; {
		case r.Exact():
			t.Known++
		case r.Most-r.Least < 4:
			t.Narrow++
		}
	}
	for _, s := range known.Steps {
		t.Rules[fmt.Sprint(s.Rule, " ", s.Reason)]++
	}
}

// seen is what an HPA's status and its target say after a sync.
type seen struct {
	Size                  int32
	Able, Active, Limited string
	Metrics               []string
}

func condition(h *autoscalingv2.HorizontalPodAutoscaler, of autoscalingv2.HorizontalPodAutoscalerConditionType) string {
	c := floor.Condition(h, of)
	if c == nil {
		return ""
	}
	return fmt.Sprint(c.Status, " ", c.Reason)
}

func actual(s *server) seen {
	out := seen{
		Size: s.scale.Spec.Replicas, Able: condition(s.hpa, autoscalingv2.AbleToScale),
		Active: condition(s.hpa, autoscalingv2.ScalingActive), Limited: condition(s.hpa, autoscalingv2.ScalingLimited),
	}
	for _, m := range s.hpa.Status.CurrentMetrics {
		out.Metrics = append(out.Metrics, current(s.world, m))
	}
	return out
}

// current writes a metric's status as expect does.
func current(w *world, m autoscalingv2.MetricStatus) string {
	var v autoscalingv2.MetricValueStatus
	switch {
	case m.Resource != nil:
		v = m.Resource.Current
	case m.ContainerResource != nil:
		v = m.ContainerResource.Current
	case m.Pods != nil:
		v = m.Pods.Current
	case m.Object != nil:
		v = m.Object.Current
	case m.External != nil:
		v = m.External.Current
	default:
		return "failed"
	}
	text := string(m.Type)
	if v.AverageUtilization != nil {
		text += fmt.Sprint(" ", *v.AverageUtilization, "%")
	}
	for _, q := range []*resource.Quantity{v.Value, v.AverageValue} {
		if q != nil {
			text += fmt.Sprint(" ", q.MilliValue(), "m")
		}
	}
	if (m.Object != nil || m.External != nil) && v.AverageValue != nil && w.scale.Status.Replicas == 0 {
		return string(m.Type) + " of no pods"
	}
	return text
}

// expect is what a decision means for the HPA's status.
func expect(before *arithmetic.State, d *arithmetic.Decision) seen {
	out := seen{
		Size: d.Replicas.Least, Able: "True SucceededGetScale",
		Active: condition(before.HPA, autoscalingv2.ScalingActive), Limited: condition(before.HPA, autoscalingv2.ScalingLimited),
	}
	for _, s := range d.Steps {
		switch s.Rule {
		case arithmetic.AtZero:
			out.Active = "False " + s.Reason
		case arithmetic.Metrics:
			out.Active = "True " + s.Reason
			if d.Failure != nil {
				out.Active = "False " + d.Failure.Reason
			}
		case arithmetic.Stabilize:
			out.Able = "True " + s.Reason
		case arithmetic.Limit:
			out.Limited = "False " + s.Reason
			if s.Out != s.In {
				out.Limited = "True " + s.Reason
			}
		}
	}
	if out.Size != d.Current {
		out.Able = "True SucceededRescale"
	}
	for _, p := range d.Proposals {
		text := string(p.Type)
		switch {
		case p.Failure != nil:
			text = "failed"
		case p.Usage == nil:
			text += " of no pods"
		case p.Utilization != nil:
			text += fmt.Sprint(" ", *p.Utilization, "% ", *p.Usage, "m")
		default:
			text += fmt.Sprint(" ", *p.Usage, "m")
		}
		out.Metrics = append(out.Metrics, text)
	}
	return out
}

func steps(d *arithmetic.Decision) string {
	text := fmt.Sprintf("from %d\n", d.Current)
	for _, p := range d.Proposals {
		text += fmt.Sprintf("  %s %d %+v\n", p.Name, p.Replicas, p.Failure)
	}
	for _, s := range d.Steps {
		text += fmt.Sprintf("  %s: %s → %s %s: %s (%s)\n", s.Rule, s.In, s.Out, s.Reason, s.Why, s.NotObservable)
	}
	return text
}

// TestDefaulted: the generated HPAs are complete, as an API server has them.
func TestDefaulted(t *testing.T) {
	for i := range uint64(100) {
		w := newWorld(dice{rand.New(rand.NewPCG(i, 0)), time.Now()}, 3)
		if diff := cmp.Diff(&w.hpa.Spec, hpa.Defaulted(&w.hpa.Spec)); diff != "" {
			t.Fatalf("seed %d:\n%s", i, diff)
		}
	}
}
