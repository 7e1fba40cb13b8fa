package decide

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	"github.com/loadline/loadline/policy/api/v1alpha1"
	"github.com/loadline/loadline/policy/floor"
	"github.com/loadline/loadline/policy/handoff"
	"github.com/loadline/loadline/policy/hpa"
	"github.com/loadline/loadline/policy/rollout"
)

// world stands for an API server with one policy, its HPA and an HPA controller that
// says about metrics what the test wants it to.
type world struct {
	t      *testing.T
	now    time.Time
	policy *v1alpha1.AutoscalingPolicy
	live   *autoscalingv2.HorizontalPodAutoscaler
	// partial: the HPA is as the cache has it.
	partial bool
	rivals  []Rival
	target  Target
	// rollout is what the target says of its own; nil where it cannot be seen.
	rollout *rollout.View
	// handoff and predecessor are those of the snapshot.
	handoff     *handoff.World
	predecessor *handoff.Predecessor
	caps        hpa.Capabilities
	// metrics is what the HPA controller finds at each sync, size the target's.
	metrics state
	size    int32
	// old: Kubernetes before 1.37, which counts no generations of HPAs.
	old bool

	version int
	writes  []string
	events  []string
	// fail, if set, says of the n-th write whether it is lost, and whether only its
	// answer is.
	fail func(n int) (lost, answer bool)
	// wrote, if set, sees each minimum that a write of ours changes.
	wrote func(before, after *autoscalingv2.HorizontalPodAutoscaler)
}

// state is what the HPA controller finds.
type state string

const (
	good     state = "good"
	allBad   state = "all bad"
	someBad  state = "some bad"
	oneGood  state = "one good that asks for less"
	clamped  state = "clamped"
	atZero   state = "a person's zero"
	noTarget state = "no target"
	shared   state = "pods of two HPAs"
	noPods   state = "a scale without a selector"
	refused  state = "the size cannot be written"
	unseen   state = "unseen"
)

func newWorld(t *testing.T, edit ...func(*v1alpha1.AutoscalingPolicy)) *world {
	t.Helper()
	caps, err := hpa.Assume("1.37")
	if err != nil {
		t.Fatal(err)
	}
	return &world{t: t, now: at, policy: policy(edit...), caps: caps, metrics: good, size: 3}
}

var errLost = errors.New("lost")

// write counts a write and says whether it happens and whether its answer arrives.
func (w *world) write(what string, do func()) error {
	n := len(w.writes)
	w.writes = append(w.writes, what)
	if w.fail != nil {
		if lost, answer := w.fail(n); lost || answer {
			if !lost {
				do()
			}
			return errLost
		}
	}
	do()
	return nil
}

func (w *world) snapshot() Snapshot {
	s := Snapshot{Now: w.now, Settings: Defaults(), Policy: w.policy, Live: w.live, Whole: !w.partial, Rivals: w.rivals, Target: w.target, Rollout: w.rollout, Handoff: w.handoff, Predecessor: w.predecessor, Capabilities: w.caps}
	s.Settings.CheckQuery = func(_, expr string) []string {
		if expr == "bad" {
			return []string{"parse error: unexpected end"}
		}
		return nil
	}
	return s
}

// turn decides once and carries it out, as the controller does.
func (w *world) turn() Plan {
	w.t.Helper()
	s := w.snapshot()
	before := copyOf(w.t, s)
	p := Decide(s)
	if !equality.Semantic.DeepEqual(before.Policy, s.Policy) || !equality.Semantic.DeepEqual(before.Live, s.Live) {
		w.t.Fatal("Decide changed what it was given")
	}
	if p.Intent != nil {
		if w.write("intent", func() { w.store(*p.Intent) }) != nil {
			return p
		}
	}
	if p.Action != nil {
		if w.write(string(p.Action.Kind), func() { w.act(p.Action) }) != nil {
			return p
		}
		if p.Status.HPA != nil && p.Status.HPA.UID == "" && w.live != nil {
			p.Status.HPA.UID = w.live.UID
		}
	}
	if p.Changed {
		if w.write("status", func() { w.store(p.Status) }) != nil {
			return p
		}
	}
	for _, e := range p.Events {
		w.events = append(w.events, e.Reason)
	}
	return p
}

// rest takes turns until nothing is written any more, with a sync of the HPA after
// each, and returns the last plan.
func (w *world) rest() Plan {
	w.t.Helper()
	for range 12 {
		w.sync()
		n := len(w.writes)
		if p := w.turn(); len(w.writes) == n {
			return p
		}
	}
	w.t.Fatalf("it never rests: %v", w.writes[max(0, len(w.writes)-12):])
	return Plan{}
}

// flap has the metrics be the one and the other at each sync for 20 minutes, and returns
// what is written meanwhile.
func (w *world) flap(one, other state) []string {
	w.t.Helper()
	n := len(w.writes)
	for i := range 80 {
		w.metrics = []state{one, other}[i%2]
		w.rest()
		w.now = w.now.Add(15 * time.Second)
	}
	return w.writes[n:]
}

// pass lets time pass until at, looking whenever the plans say so.
func (w *world) pass(d time.Duration) {
	w.t.Helper()
	until := w.now.Add(d)
	for {
		p := w.rest()
		if p.Next == 0 || w.now.Add(p.Next).After(until) {
			w.now = until
			w.rest()
			return
		}
		w.now = w.now.Add(p.Next)
	}
}

// store keeps a status as an API server does: as JSON, in whole seconds.
func (w *world) store(s v1alpha1.AutoscalingPolicyStatus) {
	w.policy = w.policy.DeepCopy()
	w.policy.Status = jsonCopy(w.t, s)
}

func (w *world) act(a *Action) {
	before := w.live
	if w.live == nil && a.ResourceVersion != "" || w.live != nil && a.ResourceVersion != w.live.ResourceVersion {
		w.t.Fatalf("%s of resourceVersion %q", a.Kind, a.ResourceVersion)
	}
	switch a.Kind {
	case Apply:
		w.apply(jsonCopy(w.t, *a.HPA))
	case Disown:
		live := jsonCopy(w.t, *a.HPA)
		w.live = &live
	case DeleteLoser:
		w.live = nil
		return
	case RemoveFields:
		w.live = w.live.DeepCopy()
		for _, p := range a.Paths {
			switch p {
			case "/spec/behavior/scaleDown/tolerance":
				w.live.Spec.Behavior.ScaleDown.Tolerance = nil
			default:
				w.t.Fatalf("a path %q that no test adds", p)
			}
		}
	case DryRun:
		return
	}
	w.stamp(before)
	if w.wrote != nil && before != nil {
		w.wrote(before, w.live)
	}
}

// apply does a server-side apply: what we had set and leave out goes.
func (w *world) apply(want autoscalingv2.HorizontalPodAutoscaler) {
	next := want.DeepCopy()
	if w.live != nil {
		next.UID, next.Generation, next.Status = w.live.UID, w.live.Generation, *w.live.Status.DeepCopy()
		next.ManagedFields = w.live.ManagedFields
		for key, value := range w.live.Annotations {
			if _, mine := next.Annotations[key]; !mine && !strings.HasPrefix(key, annotationPrefix) || key == AdoptAnnotation || key == ReleaseAnnotation {
				next.Annotations[key] = value
			}
		}
		if b := w.live.Spec.Behavior; b != nil && b.ScaleDown != nil && next.Spec.Behavior != nil && next.Spec.Behavior.ScaleDown.Tolerance == nil {
			next.Spec.Behavior.ScaleDown.Tolerance = b.ScaleDown.Tolerance // another manager's
		}
	} else {
		next.UID = types.UID("u-hpa-" + strconv.Itoa(w.version))
	}
	w.live = next
}

// stamp gives the HPA the versions of a write.
func (w *world) stamp(before *autoscalingv2.HorizontalPodAutoscaler) {
	w.version++
	w.live.ResourceVersion = strconv.Itoa(w.version)
	switch {
	case before != nil && equality.Semantic.DeepEqual(before.Spec, w.live.Spec):
	case w.old:
		w.live.ManagedFields = written(w.live.ManagedFields, "", w.now)
	default:
		w.live.Generation++
	}
}

// written has a cache's managedFields say when a part of an object was written.
func written(fields []metav1.ManagedFieldsEntry, subresource string, now time.Time) []metav1.ManagedFieldsEntry {
	fields = slices.DeleteFunc(slices.Clone(fields), func(e metav1.ManagedFieldsEntry) bool { return e.Subresource == subresource })
	return append(fields, metav1.ManagedFieldsEntry{Subresource: subresource, Time: ptr.To(metav1.NewTime(now.Truncate(time.Second)))})
}

// edit changes the HPA as another writer does.
func (w *world) edit(change func(*autoscalingv2.HorizontalPodAutoscaler)) {
	before := w.live
	w.live = w.live.DeepCopy()
	change(w.live)
	w.stamp(before)
}

// spec changes the policy as its owner does.
func (w *world) spec(change func(*v1alpha1.AutoscalingPolicySpec)) {
	w.policy = w.policy.DeepCopy()
	change(&w.policy.Spec)
	w.policy.Generation++
}

// sync is one of the HPA controller.
func (w *world) sync() {
	if w.live == nil || w.metrics == unseen {
		return
	}
	before := w.live
	h := w.live.DeepCopy()
	set := func(of autoscalingv2.HorizontalPodAutoscalerConditionType, status corev1.ConditionStatus, reason, message string) {
		c := autoscalingv2.HorizontalPodAutoscalerCondition{Type: of, Status: status, Reason: reason, Message: message, LastTransitionTime: metav1.NewTime(w.now)}
		if old := floor.Condition(h, of); old != nil {
			if old.Status == status {
				c.LastTransitionTime = old.LastTransitionTime
			}
			*old = c
			return
		}
		h.Status.Conditions = append(h.Status.Conditions, c)
	}
	if !w.old {
		h.Status.ObservedGeneration = ptr.To(h.Generation)
	}
	h.Status.CurrentReplicas = w.size
	set(autoscalingv2.AbleToScale, corev1.ConditionTrue, "SucceededGetScale", "")
	switch w.metrics {
	case good:
		set(autoscalingv2.ScalingActive, corev1.ConditionTrue, "ValidMetricFound", "")
		h.Status.CurrentMetrics = statuses(h.Spec.Metrics, len(h.Spec.Metrics))
	case someBad:
		set(autoscalingv2.ScalingActive, corev1.ConditionTrue, "ValidMetricFound", "")
		h.Status.CurrentMetrics = statuses(h.Spec.Metrics, len(h.Spec.Metrics)-1)
	case allBad:
		set(autoscalingv2.ScalingActive, corev1.ConditionFalse, "FailedGetPodsMetric", "no metrics returned")
		h.Status.CurrentMetrics = statuses(h.Spec.Metrics, 0)
	case oneGood:
		set(autoscalingv2.ScalingActive, corev1.ConditionFalse, "FailedGetResourceMetric", "no metrics returned")
		h.Status.CurrentMetrics = statuses(h.Spec.Metrics, 1)
	case clamped:
		h.Status.CurrentMetrics = nil // and ScalingActive stays
	case atZero:
		set(autoscalingv2.ScalingActive, corev1.ConditionFalse, "ScalingDisabled", "scaling is disabled since the replica count of the target is zero")
		h.Status.CurrentReplicas = 0
	case shared:
		set(autoscalingv2.ScalingActive, corev1.ConditionFalse, "AmbiguousSelector", "pods by selector app=web are controlled by multiple HPAs: [shop/web shop/old]")
		h.Status.CurrentMetrics = nil
	case noPods:
		set(autoscalingv2.ScalingActive, corev1.ConditionFalse, "InvalidSelector", "the HPA target's scale is missing a selector")
		h.Status.CurrentMetrics = nil
	case refused:
		set(autoscalingv2.AbleToScale, corev1.ConditionFalse, "FailedUpdateScale", "the HPA controller was unable to update the target scale: forbidden")
		h.Status.CurrentMetrics = nil // as of a size outside its bounds
	case noTarget:
		set(autoscalingv2.AbleToScale, corev1.ConditionFalse, "FailedGetScale", `deployments.apps "web" not found`)
	}
	if !equality.Semantic.DeepEqual(h.Status, before.Status) {
		w.version++
		h.ResourceVersion = strconv.Itoa(w.version)
		if w.old {
			h.ManagedFields = written(h.ManagedFields, "status", w.now)
		}
		w.live = h
	}
}

// statuses are what a sync reads of the first n metrics; those of the others are there
// and say nothing.
func statuses(metrics []autoscalingv2.MetricSpec, n int) []autoscalingv2.MetricStatus {
	out := make([]autoscalingv2.MetricStatus, len(metrics))
	value := autoscalingv2.MetricValueStatus{AverageValue: ptr.To(resource.MustParse("42")), AverageUtilization: ptr.To(int32(42))}
	for i, m := range metrics[:max(0, n)] {
		out[i].Type = m.Type
		switch {
		case m.Pods != nil:
			out[i].Pods = &autoscalingv2.PodsMetricStatus{Metric: m.Pods.Metric, Current: value}
		case m.Resource != nil:
			out[i].Resource = &autoscalingv2.ResourceMetricStatus{Name: m.Resource.Name, Current: value}
		case m.External != nil:
			out[i].External = &autoscalingv2.ExternalMetricStatus{Metric: m.External.Metric, Current: value}
		}
	}
	return out
}

// min is the HPA's minimum.
func (w *world) min() int32 {
	w.t.Helper()
	if w.live == nil {
		w.t.Fatal("there is no HPA")
	}
	return *w.live.Spec.MinReplicas
}

// condition writes one of the policy as STATUS REASON.
func (w *world) condition(of string) string {
	for _, c := range w.policy.Status.Conditions {
		if c.Type == of {
			return string(c.Status) + " " + c.Reason
		}
	}
	return ""
}

func (w *world) message(of string) string { return messageOf(&w.policy.Status, of) }

// count is how many writes of a kind there were since n.
func (w *world) count(what string, since int) int {
	n := 0
	for _, x := range w.writes[since:] {
		if x == what {
			n++
		}
	}
	return n
}

func (w *world) happened(event string) bool { return slices.Contains(w.events, event) }

func jsonOf(t *testing.T, v any) []byte {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func jsonCopy[T any](t *testing.T, v T) T {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var out T
	if err := json.Unmarshal(data, &out); err != nil {
		t.Fatal(fmt.Errorf("%s: %w", data, err))
	}
	return out
}

func copyOf(_ *testing.T, s Snapshot) Snapshot {
	s.Policy, s.Live = s.Policy.DeepCopy(), s.Live.DeepCopy()
	return s
}
