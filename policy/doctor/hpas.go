package doctor

import (
	"fmt"
	"slices"
	"strings"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/loadline/loadline/policy/floor"
	"github.com/loadline/loadline/policy/guard"
	"github.com/loadline/loadline/policy/hpa"
)

// settling is how long an HPA may be without conditions: four syncs of the controller.
const settling = time.Minute

// kedaLabel is on each HPA that KEDA makes.
const kedaLabel = "scaledobject.keda.sh/name"

// managed says whether somebody other than loadline-policy makes the HPA, as KEDA does of a
// ScaledObject: which metrics it has, and when it stands still, is that one's matter.
func managed(h *autoscalingv2.HorizontalPodAutoscaler) bool {
	if h.Labels[kedaLabel] != "" {
		return true
	}
	o := metav1.GetControllerOf(h)
	return o != nil && !hpa.IsPolicy(*o)
}

// own are the HPAs that are no other's, and how many are.
func (s *Snapshot) own() (own []*autoscalingv2.HorizontalPodAutoscaler, others int) {
	for i := range s.HPAs.Value {
		h := &s.HPAs.Value[i]
		if managed(h) {
			others++
			continue
		}
		own = append(own, h)
	}
	return own, others
}

// left says how many HPAs were not looked at, because others make them.
func left(others int) string {
	if others == 0 {
		return ""
	}
	return fmt.Sprintf(" (%s not looked at)", count(others, "of KEDA or another controller is", "of KEDA and other controllers are"))
}

// valued says whether the last sync had a value of an HPA's metric. The controller writes them
// in the order of the spec, and empty what it could not read.
func valued(h *autoscalingv2.HorizontalPodAutoscaler, i int) bool {
	if i >= len(h.Status.CurrentMetrics) {
		return false
	}
	m := h.Status.CurrentMetrics[i]
	has := func(v autoscalingv2.MetricValueStatus) bool { return v.Value != nil || v.AverageValue != nil }
	switch {
	case m.Pods != nil:
		return has(m.Pods.Current)
	case m.Object != nil:
		return has(m.Object.Current)
	case m.External != nil:
		return has(m.External.Current)
	}
	return false
}

// checkServed finds HPAs that ask for what no metrics API lists, and have no value of it.
func checkServed(s *Snapshot, o *outcome) {
	if s.HPAs.Unread != nil {
		o.unread("HPAs could not be read", s.HPAs.Unread)
		return
	}
	own, others := s.own()
	missing := s.unserved()
	var unread []string
	asked := 0
	for _, h := range own {
		for _, m := range h.Spec.Metrics {
			group := groupOf(m)
			if group == "" {
				continue
			}
			asked++
			if group == ResourceMetrics {
				continue
			}
			if _, u := s.listed(group); u != nil && !slices.Contains(unread, group) {
				unread = append(unread, group)
				if !u.Absent { // else it is missing
					o.unread("what "+group+" lists could not be read", u)
				}
			}
		}
	}
	if len(missing) > 0 {
		o.about(Fail, "see whether a rule of the adapter makes a metric of this name for this kind of objects (kubectl loadline migrate config), whether its series are there, and whether the HPA spells it so",
			fmt.Sprintf("HPAs ask for %s that nobody serves", count(len(missing), "metric", "metrics")), missing)
		return
	}
	if o.state == "" {
		o.ok("%s of %s%s", count(asked, "metric", "metrics"), count(len(own), "HPA", "HPAs"), left(others))
	}
}

// unserved are the metrics that HPAs ask for and nobody serves, each as an object.
func (s *Snapshot) unserved() (missing []Object) {
	own, _ := s.own()
	for _, h := range own {
		// A target that somebody has put to 0 may be all that has the series.
		if slices.ContainsFunc(h.Status.Conditions, disabled) {
			continue
		}
		for i, m := range h.Spec.Metrics {
			group := groupOf(m)
			if group == "" || group == ResourceMetrics || valued(h, i) || query(m) {
				continue
			}
			names, u := s.listed(group)
			if u != nil && !u.Absent || u == nil && slices.ContainsFunc(names, func(n string) bool { return serves(n, m) }) {
				continue
			}
			missing = append(missing, Object{"HorizontalPodAutoscaler", h.Namespace, h.Name, floor.Name(m)})
		}
	}
	return missing
}

// disabled says whether a condition is that of an HPA whose target stands at 0, of which the
// controller asks for nothing.
func disabled(c autoscalingv2.HorizontalPodAutoscalerCondition) bool {
	return c.Type == autoscalingv2.ScalingActive && c.Reason == "ScalingDisabled"
}

// query says whether a metric is one of a policy's own, which no API lists.
func query(m autoscalingv2.MetricSpec) bool {
	return m.External != nil && strings.HasPrefix(m.External.Metric.Name, hpa.QueryPrefix)
}

// listed are the names that a group's servers list, RESOURCE/METRIC or METRIC. Absent is a
// group that nobody serves.
func (s *Snapshot) listed(group string) ([]string, *Unread) {
	return s.listedIn(group, Versions(group))
}

// listedIn are those of the first of some versions that answers.
func (s *Snapshot) listedIn(group string, versions []string) ([]string, *Unread) {
	last := &Unread{Reason: "nobody serves it", Absent: true}
	for _, v := range versions {
		d, asked := s.Discovery[group+"/"+v]
		switch {
		case !asked:
		case d.Unread != nil:
			last = d.Unread
		default:
			var names []string
			for _, r := range d.Value.APIResources {
				names = append(names, r.Name)
			}
			return names, nil
		}
	}
	return nil, last
}

// serves says whether a name of a list is the metric, for objects of its kind. What is called
// in a path in lower case, as the HPA controller does with external metrics, is compared so.
func serves(name string, m autoscalingv2.MetricSpec) bool {
	if m.External != nil {
		return strings.EqualFold(name, m.External.Metric.Name)
	}
	resource, metric, ok := strings.Cut(name, "/")
	switch {
	case !ok:
		return false
	case m.Pods != nil:
		return resource == "pods" && metric == m.Pods.Metric.Name
	case m.Object != nil:
		d := m.Object.DescribedObject
		return metric == m.Object.Metric.Name && plural(resource, schema.FromAPIVersionAndKind(d.APIVersion, d.Kind).GroupKind())
	}
	return false
}

// plural says whether a resource such as ingresses.networking.k8s.io is that of a kind: the
// cluster was not asked, and a plural begins as its singular does, but for the last letter.
func plural(resource string, of schema.GroupKind) bool {
	r := schema.ParseGroupResource(resource)
	kind := strings.ToLower(of.Kind)
	return kind != "" && r.Group == of.Group && strings.HasPrefix(r.Resource, kind[:len(kind)-1])
}

// checkActive finds HPAs with which the controller cannot do what they say.
func checkActive(s *Snapshot, o *outcome) {
	remark := s.managerRuns(o)
	if s.HPAs.Unread != nil {
		o.unread("HPAs could not be read", s.HPAs.Unread)
		return
	}
	said := map[string]bool{}
	for _, m := range s.unserved() {
		said[m.Namespace+"/"+m.Name] = true
	}
	own, others := s.own()
	var waiting, stopped []Object
	for _, h := range own {
		switch why := s.stands(h); {
		case len(h.Status.Conditions) == 0 && s.Now.Sub(h.CreationTimestamp.Time) > settling:
			waiting = append(waiting, Object{"HorizontalPodAutoscaler", h.Namespace, h.Name, "made at " + h.CreationTimestamp.UTC().Format(time.RFC3339)})
		case why != "" && !said[h.Namespace+"/"+h.Name]:
			stopped = append(stopped, Object{"HorizontalPodAutoscaler", h.Namespace, h.Name, why})
		}
	}
	if len(waiting) > 0 {
		o.about(Fail, "see whether kube-controller-manager runs with the controller horizontalpodautoscaling, and what it logs", "the HPA controller has not looked at "+count(len(waiting), "HPA", "HPAs"), waiting)
	}
	if len(stopped) > 0 {
		o.about(Fail, "kubectl loadline explain hpa/NAME -n NAMESPACE says where it is broken, and what to do", count(len(stopped), "HPA stands still", "HPAs stand still"), stopped)
	}
	if o.state == "" {
		o.ok("%s%s", count(len(own), "HPA", "HPAs"), left(others))
	}
	if remark != "" {
		o.ok("%s", remark)
	}
}

// stands is why an HPA does nothing, in the controller's words; empty for one that works, or
// whose target is at 0 because somebody wants that.
func (s *Snapshot) stands(h *autoscalingv2.HorizontalPodAutoscaler) string {
	for _, of := range []autoscalingv2.HorizontalPodAutoscalerConditionType{autoscalingv2.AbleToScale, autoscalingv2.ScalingActive} {
		if c := floor.Condition(h, of); c != nil && c.Status == corev1.ConditionFalse && c.Reason != "ScalingDisabled" {
			return c.Reason + ": " + hpa.Readable(c.Message)
		}
	}
	return ""
}

// requestMissing is guard's check of requests.
const requestMissing guard.ID = 19

// checkRequests has guard look whether pods request what HPAs compute a share of.
func checkRequests(s *Snapshot, o *outcome) {
	if s.HPAs.Unread != nil {
		o.unread("HPAs could not be read", s.HPAs.Unread)
		return
	}
	report, err := guard.Evaluate(s.Workloads, guard.Options{Only: []guard.ID{requestMissing}})
	if err != nil {
		o.unread("the workloads contradict each other", &Unread{Reason: err.Error()})
		return
	}
	for _, skip := range report.Skipped {
		if skip.Object == nil && !skip.Partly {
			o.unread("not looked at", &Unread{Reason: skip.Reason})
			return
		}
	}
	var objects []Object
	for _, f := range report.Findings {
		objects = append(objects, Object{f.Object.Kind, f.Object.Namespace, f.Object.Name, f.Message})
	}
	if len(objects) > 0 {
		o.about(Fail, report.Findings[0].Remedy, count(len(objects), "workload requests nothing of what its HPA follows", "workloads request nothing of what their HPAs follow"), objects)
	}
	if why := s.Workloads.Missing[guard.StatefulSet]; why != "" {
		o.unread("StatefulSets could not be read", &Unread{Reason: why})
	}
	if o.state == "" {
		o.ok("each Deployment and StatefulSet requests what its HPA computes a share of")
	}
}
