package cli

import (
	"cmp"
	"fmt"
	"io"
	"strings"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/cli-runtime/pkg/printers"
	"k8s.io/utils/ptr"

	"github.com/loadline/loadline/policy/api/v1alpha1"
	"github.com/loadline/loadline/policy/floor"
	"github.com/loadline/loadline/policy/rollout"
)

// rolloutReport is what rollout status says. Its JSON is what -o json prints.
type rolloutReport struct {
	Namespace string `json:"namespace"`
	Policy    string `json:"policy"`
	Target    string `json:"target"`
	// Size, Updated, Old, Terminating and Available are the target's numbers of pods;
	// absent where it is not there or has no rollouts.
	Size        *int32 `json:"size,omitempty"`
	Updated     *int32 `json:"updated,omitempty"`
	Old         *int32 `json:"old,omitempty"`
	Terminating *int32 `json:"terminating,omitempty"`
	Available   *int32 `json:"available,omitempty"`
	// Phase of the rollout, empty at rest, and since when.
	Phase v1alpha1.RolloutPhase `json:"phase,omitempty"`
	Since *metav1.Time          `json:"since,omitempty"`
	// Waits is why it does not go on by itself.
	Waits string `json:"waits,omitempty"`
	// Switch is how far the Service is on its way between two workloads; empty for a policy
	// without blueGreen.
	Switch string `json:"switch,omitempty"`
	// Min is the minimum in force, of the HPA; absent without one.
	Min   *int32 `json:"min,omitempty"`
	Max   int32  `json:"max"`
	Holds []hold `json:"holds"`
	// Metrics are what the HPA reads, Decision what it says about it.
	Metrics  []metric `json:"metrics"`
	Decision string   `json:"decision"`
}

// hold is a floor. Until is absent for what is lowered step by step.
type hold struct {
	Owner  string       `json:"owner"`
	Value  int32        `json:"value"`
	Reason string       `json:"reason"`
	Until  *metav1.Time `json:"until,omitempty"`
}

func newRolloutReport(p *v1alpha1.AutoscalingPolicy, live *autoscalingv2.HorizontalPodAutoscaler, v *rollout.View) *rolloutReport {
	row := newRow(p, live)
	r := &rolloutReport{
		Namespace: p.Namespace, Policy: p.Name, Target: row.Target,
		Min: row.EffectiveMin, Max: p.Spec.Replicas.Max, Holds: []hold{}, Metrics: row.Metrics,
		Decision: "there is no HPA of this policy",
	}
	if v != nil {
		r.Size, r.Updated, r.Old, r.Terminating, r.Available, r.Waits = &v.Size, &v.Updated, &v.Old, &v.Terminating, &v.Available, v.Waits
	}
	if s := p.Status.Rollout; s != nil {
		r.Phase, r.Since = s.Phase, s.Since
	}
	if c := meta.FindStatusCondition(p.Status.Conditions, v1alpha1.Switching); c != nil {
		r.Switch = c.Reason + ": " + c.Message
	}
	for _, f := range p.Status.Floors {
		r.Holds = append(r.Holds, hold{f.Owner, f.Value, f.Reason, f.Expires.DeepCopy()})
	}
	if s := p.Status.Release; s != nil {
		r.Holds = append(r.Holds, hold{floor.ReleaseOwner, s.Value, "comes down step by step: " + s.Reason, nil})
	}
	if row.EffectiveMin != nil { // it is the policy's
		r.Decision = decision(live)
	}
	return r
}

// decision is what an HPA says that it does, in its own words where it has some.
func decision(live *autoscalingv2.HorizontalPodAutoscaler) string {
	for _, of := range []autoscalingv2.HorizontalPodAutoscalerConditionType{autoscalingv2.AbleToScale, autoscalingv2.ScalingActive} {
		if c := floor.Condition(live, of); c == nil || c.Status == corev1.ConditionFalse {
			return cmp.Or(ptr.Deref(c, autoscalingv2.HorizontalPodAutoscalerCondition{}).Message, "the HPA controller has not looked at the HPA yet")
		}
	}
	text := fmt.Sprintf("%d pods, %d wanted", live.Status.CurrentReplicas, live.Status.DesiredReplicas)
	if c := floor.Condition(live, autoscalingv2.ScalingLimited); c != nil && c.Status == corev1.ConditionTrue {
		text += ": " + c.Message
	}
	return text
}

// stands says whether somebody has to do something.
func (r *rolloutReport) stands() bool {
	return r.Phase == v1alpha1.Stalled || r.Phase == v1alpha1.GivenUp
}

func (r *rolloutReport) print(to io.Writer) error {
	w := printers.GetNewTabWriter(to)
	line := func(key, format string, args ...any) {
		fmt.Fprintf(w, "%s:\t%s\n", key, printers.EscapeTerminal(oneLine(fmt.Sprintf(format, args...))))
	}
	line("Target", "%s", r.Target)
	switch phase := cmp.Or(string(r.Phase), "at rest"); {
	case r.Size == nil:
		line("Rollout", "not known: the target is not there, or of a kind without rollouts")
	case r.Since != nil:
		line("Rollout", "%s since %s; %s", phase, floor.Local(r.Since.UTC()), r.pods())
	default:
		line("Rollout", "%s; %s", phase, r.pods())
	}
	if r.Switch != "" {
		line("Switch", "%s", r.Switch)
	}
	if r.Min != nil {
		line("Bounds", "min %d, max %d", *r.Min, r.Max)
	}
	if len(r.Holds) == 0 {
		line("Holds", "none")
	}
	for _, h := range r.Holds {
		line("Holds", "%d pods, %s: %s", h.Value, h.Owner, h.Reason)
	}
	metrics := make([]string, 0, len(r.Metrics))
	for _, m := range r.Metrics {
		metrics = append(metrics, fmt.Sprintf("%s/%s %s", ptr.Deref(m.Current, "?"), m.Target, m.Objective))
	}
	line("Metrics", "%s", cmp.Or(strings.Join(metrics, ", "), unknown))
	line("HPA", "%s", r.Decision)
	return w.Flush()
}

func (r *rolloutReport) pods() string {
	text := fmt.Sprintf("%d pods wanted, %d updated, %d old, %d terminating, %d serving", *r.Size, *r.Updated, *r.Old, *r.Terminating, *r.Available)
	if r.Waits != "" {
		text += "; " + r.Waits
	}
	return text
}
