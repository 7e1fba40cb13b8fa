package cli

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/loadline/loadline/policy/api/v1alpha1"
	"github.com/loadline/loadline/policy/decide"
	"github.com/loadline/loadline/policy/floor"
	"github.com/loadline/loadline/policy/hpa"
)

// row is what status says about one policy. Its JSON is what -o json prints.
type row struct {
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	Target    string `json:"target"`
	// Min is that of the policy, EffectiveMin the one in force: absent without an HPA.
	Min          int32  `json:"min"`
	EffectiveMin *int32 `json:"effectiveMin,omitempty"`
	Max          int32  `json:"max"`
	// Replicas and DesiredReplicas are the HPA's, live; absent without one.
	Replicas        *int32       `json:"replicas,omitempty"`
	DesiredReplicas *int32       `json:"desiredReplicas,omitempty"`
	Metrics         []metric     `json:"metrics"`
	State           string       `json:"state"`
	Ready           bool         `json:"ready"`
	Remarks         []remark     `json:"remarks"`
	Created         *metav1.Time `json:"created,omitempty"`
}

// metric is an objective. Current is absent while it cannot be read.
type metric struct {
	Objective string  `json:"objective"`
	Current   *string `json:"current,omitempty"`
	Target    string  `json:"target"`
}

// remark is a condition that somebody should know about or, of type Plan, what would be
// done but for mode DryRun.
type remark struct {
	Type    string `json:"type"`
	Reason  string `json:"reason"`
	Message string `json:"message"`
}

// newRow joins a policy with the HPA of its name; nil if there is none.
func newRow(p *v1alpha1.AutoscalingPolicy, live *autoscalingv2.HorizontalPodAutoscaler) row {
	r := row{
		Namespace: p.Namespace, Name: p.Name,
		Target: p.Scaled().Kind + "/" + p.Scaled().Name,
		Min:    p.Spec.Replicas.Min, Max: p.Spec.Replicas.Max,
		Metrics: []metric{}, Remarks: []remark{},
		State: cmp.Or(p.Status.State, "Pending"),
	}
	if !p.CreationTimestamp.IsZero() {
		r.Created = p.CreationTimestamp.DeepCopy()
	}
	// Another's HPA of the same name says nothing about the policy.
	if live != nil && (live.Labels[hpa.PolicyLabel] == p.Name || live.Annotations[hpa.PolicyUIDAnnotation] == string(p.UID)) {
		r.EffectiveMin = ptr.To(ptr.Deref(live.Spec.MinReplicas, 1))
		if r.Replicas = floor.Size(live); r.Replicas != nil {
			r.DesiredReplicas = ptr.To(live.Status.DesiredReplicas)
		}
		for _, reading := range decide.Readings(p, live) {
			m := metric{Objective: reading.Objective, Target: reading.Target}
			if reading.Current != "" {
				m.Current = &reading.Current
			}
			r.Metrics = append(r.Metrics, m)
		}
	}
	ready := meta.FindStatusCondition(p.Status.Conditions, v1alpha1.Ready)
	switch {
	case ready == nil:
		r.Remarks = append(r.Remarks, remark{v1alpha1.Ready, "Unseen", "loadline-policy has not looked at the policy yet. If that lasts, see whether it runs"})
		return r
	case p.Status.ObservedGeneration < p.Generation:
		r.Remarks = append(r.Remarks, remark{v1alpha1.Ready, "Unseen", "loadline-policy has not looked at the last change yet. If that lasts, see whether it runs"})
	}
	r.Ready = ready.Status == metav1.ConditionTrue && p.Status.ObservedGeneration >= p.Generation
	r.Remarks = append(r.Remarks, remarks(p.Status.Conditions)...)
	for _, line := range p.Status.Plan {
		r.Remarks = append(r.Remarks, remark{"Plan", string(p.Spec.Mode), line})
	}
	return r
}

// remarks are the conditions that are not as one would wish, Ready first.
func remarks(conditions []metav1.Condition) []remark {
	var found []remark
	for _, of := range []string{v1alpha1.Ready, v1alpha1.Conflict, v1alpha1.MetricsAvailable, v1alpha1.ScalingLimited, v1alpha1.RollingOut, v1alpha1.Held} {
		c := meta.FindStatusCondition(conditions, of)
		switch {
		case c == nil, !remarkable(c):
			continue
		// One cause has one line.
		case slices.ContainsFunc(found, func(r remark) bool { return strings.Contains(r.Message, c.Message) }):
			continue
		}
		found = append(found, remark{c.Type, c.Reason, c.Message})
	}
	return found
}

// remarkable says whether somebody should know about a condition. What is not known yet
// will be soon; only Ready says why not.
func remarkable(c *metav1.Condition) bool {
	switch c.Type {
	case v1alpha1.Ready:
		return c.Status != metav1.ConditionTrue || c.Reason == decide.AtZero
	case v1alpha1.MetricsAvailable:
		return c.Status == metav1.ConditionFalse || c.Reason == decide.HPAStopped
	case v1alpha1.ScalingLimited:
		// The pace limits for a moment at nearly every change.
		return c.Status == metav1.ConditionTrue && c.Reason == decide.AtMax
	}
	return c.Status == metav1.ConditionTrue
}

// cells are the columns of a row, see header.
func (r row) cells() []string {
	min := fmt.Sprint(r.Min)
	if r.EffectiveMin != nil && *r.EffectiveMin != r.Min {
		min = fmt.Sprintf("%d (%d)", *r.EffectiveMin, r.Min)
	}
	replicas := unknown
	if r.Replicas != nil {
		replicas = fmt.Sprint(*r.Replicas)
		if r.DesiredReplicas != nil && *r.DesiredReplicas != *r.Replicas {
			replicas = fmt.Sprintf("%d->%d", *r.Replicas, *r.DesiredReplicas)
		}
	}
	metrics := make([]string, 0, len(r.Metrics))
	for _, m := range r.Metrics {
		metrics = append(metrics, fmt.Sprintf("%s/%s %s", ptr.Deref(m.Current, "?"), m.Target, m.Objective))
	}
	return []string{r.Name, r.Target, min, fmt.Sprint(r.Max), replicas, cmp.Or(strings.Join(metrics, ", "), unknown), r.State}
}

// unknown stands in a cell for what there is not.
const unknown = "<none>"

func header() []string {
	return []string{"NAME", "TARGET", "MIN", "MAX", "REPLICAS", "METRICS", "STATE"}
}

// newRows joins policies with HPAs, in the order of namespaces and names.
func newRows(policies []v1alpha1.AutoscalingPolicy, hpas []autoscalingv2.HorizontalPodAutoscaler) []row {
	byName := make(map[[2]string]*autoscalingv2.HorizontalPodAutoscaler, len(hpas))
	for i := range hpas {
		byName[[2]string{hpas[i].Namespace, hpas[i].Name}] = &hpas[i]
	}
	rows := make([]row, 0, len(policies))
	for i := range policies {
		rows = append(rows, newRow(&policies[i], byName[[2]string{policies[i].Namespace, policies[i].Name}]))
	}
	slices.SortFunc(rows, func(a, b row) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	return rows
}
