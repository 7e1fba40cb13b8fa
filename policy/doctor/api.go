package doctor

import (
	"fmt"
	"slices"
	"strings"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	"k8s.io/apimachinery/pkg/types"
	apiregistrationv1 "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"

	diagnostics "github.com/loadline/loadline/provider/api/v1alpha1"
)

// Groups are those of the metrics APIs and our own, which are looked at.
func Groups() []string {
	return []string{ResourceMetrics, CustomMetrics, ExternalMetrics, diagnostics.GroupVersion.Group}
}

// Versions are those of a metrics API that the HPA controller asks for, the one that it
// prefers first; of our own API the one that the plugin asks for.
func Versions(group string) []string {
	switch group {
	case CustomMetrics:
		return []string{"v1beta2", "v1beta1"}
	case diagnostics.GroupVersion.Group:
		return []string{diagnostics.GroupVersion.Version}
	}
	return []string{"v1beta1"}
}

// metricsAPI looks at who serves a group, whether kube-apiserver reaches it, and whether it
// answers.
func (s *Snapshot) metricsAPI(group string, o *outcome) {
	if s.APIServices.Unread != nil {
		s.unregistered(group, o)
		return
	}
	services := s.services(group)
	if len(services) == 0 {
		s.nobody(group, o)
		return
	}
	for _, a := range services {
		if s.available(a, o) {
			s.answers(a, o)
		}
	}
	if !slices.ContainsFunc(services, func(a *apiregistrationv1.APIService) bool { return slices.Contains(Versions(group), a.Spec.Version) }) {
		o.fail("register "+Versions(group)[0]+"."+group, "the HPA controller knows none of these versions")
	}
	if of := distinct(services); len(of) > 1 {
		o.warn("have one Service behind all versions of "+group+": the HPA controller reads the version that kube-apiserver prefers",
			"its versions are served by different Services: %s", strings.Join(of, ", "))
	}
}

// checkDiagnostics looks at our own API. HPAs do without it, so that its absence is no fault; one
// that is registered and does not answer is a fault, for it breaks discovery for all.
func checkDiagnostics(s *Snapshot, o *outcome) {
	group := diagnostics.GroupVersion.Group
	if s.APIServices.Unread != nil {
		s.unregistered(group, o)
		return
	}
	services := s.services(group)
	if len(services) == 0 {
		o.ok("nobody is registered for %s, which HPAs do not need: kubectl loadline metrics says nothing, and explain and doctor less; to have it, %s", group, Serving(group))
		return
	}
	for _, a := range services {
		if s.available(a, o) {
			s.answers(a, o)
		}
	}
}

// services are the APIServices of a group.
func (s *Snapshot) services(group string) (found []*apiregistrationv1.APIService) {
	for i := range s.APIServices.Value {
		if a := &s.APIServices.Value[i]; a.Spec.Group == group {
			found = append(found, a)
		}
	}
	return found
}

func distinct(services []*apiregistrationv1.APIService) (names []string) {
	for _, a := range services {
		if name := behind(a); !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// behind names who serves an API.
func behind(a *apiregistrationv1.APIService) string {
	if a.Spec.Service == nil {
		return "kube-apiserver itself"
	}
	return a.Spec.Service.Namespace + "/" + a.Spec.Service.Name
}

// unregistered goes by answers alone.
func (s *Snapshot) unregistered(group string, o *outcome) {
	for _, v := range Versions(group) {
		if d, asked := s.Discovery[group+"/"+v]; asked && d.Unread == nil {
			o.unread(fmt.Sprintf("%s/%s answers, and by whom is not known", group, v), s.APIServices.Unread)
			return
		}
	}
	o.unread("who is registered for it could not be read", s.APIServices.Unread)
}

// Serving is what brings an API of metrics into a cluster.
func Serving(group string) string {
	if group == ResourceMetrics {
		return "install metrics-server, or give loadline-adapter resourceRules and its component resource-metrics"
	}
	if group == diagnostics.GroupVersion.Group {
		return "install loadline-adapter or, where it is, register this API: deploy/base has its APIService, and so has the chart, unless adapter.apiServices.diagnostics is false"
	}
	return "install loadline-adapter (deploy/base has its APIServices), with a section of rules for this API if it has a configuration file"
}

// nobody is registered, which matters as far as somebody asks.
func (s *Snapshot) nobody(group string, o *outcome) {
	remedy := Serving(group)
	asking := 0
	for i := range s.HPAs.Value {
		if uses(&s.HPAs.Value[i], group) {
			asking++
		}
	}
	switch {
	case asking > 0:
		o.fail(remedy, "nobody is registered for %s, and %s", group, count(asking, "HPA asks for it", "HPAs ask for it"))
	case s.HPAs.Unread != nil:
		o.warn(remedy, "nobody is registered for %s; whether an HPA asks for it could not be read", group)
	default:
		o.warn(remedy, "nobody is registered for %s; no HPA asks for it", group)
	}
}

func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// uses says whether an HPA has a metric of a group.
func uses(h *autoscalingv2.HorizontalPodAutoscaler, group string) bool {
	return slices.ContainsFunc(h.Spec.Metrics, func(m autoscalingv2.MetricSpec) bool { return groupOf(m) == group })
}

// groupOf is the API that a metric is of.
func groupOf(m autoscalingv2.MetricSpec) string {
	switch m.Type {
	case autoscalingv2.ResourceMetricSourceType, autoscalingv2.ContainerResourceMetricSourceType:
		return ResourceMetrics
	case autoscalingv2.PodsMetricSourceType, autoscalingv2.ObjectMetricSourceType:
		return CustomMetrics
	case autoscalingv2.ExternalMetricSourceType:
		return ExternalMetrics
	}
	return ""
}

// available says whether kube-apiserver reaches who serves an API, and adds why not.
func (s *Snapshot) available(a *apiregistrationv1.APIService, o *outcome) bool {
	i := slices.IndexFunc(a.Status.Conditions, func(c apiregistrationv1.APIServiceCondition) bool { return c.Type == apiregistrationv1.Available })
	switch {
	case i < 0:
		o.warn("look again in some seconds", "%s: kube-apiserver has not looked at %s yet", a.Name, behind(a))
		return false
	case a.Status.Conditions[i].Status == apiregistrationv1.ConditionTrue:
		return true
	}
	c := a.Status.Conditions[i]
	o.objects = append(o.objects, Object{Kind: "APIService", Name: a.Name, Seen: c.Reason + ": " + c.Message})
	o.fail(unavailable(a, c), "%s of %s is not available: %s: %s", a.Name, behind(a), c.Reason, c.Message)
	return false
}

// unavailable is what to do about a reason of kube-apiserver's.
func unavailable(a *apiregistrationv1.APIService, c apiregistrationv1.APIServiceCondition) string {
	gone := fmt.Sprintf("; if it is to be gone, delete the APIService %s, for one that does not answer breaks discovery and the deletion of namespaces", a.Name)
	switch {
	case strings.Contains(c.Message, "x509:"):
		return fmt.Sprintf("see who writes the caBundle of the APIService %s, and whether %s serves a certificate of that CA for its name", a.Name, behind(a))
	case c.Reason == "ServiceNotFound":
		return fmt.Sprintf("install what brings the Service %s", behind(a)) + gone
	case c.Reason == "MissingEndpoints", c.Reason == "EndpointsNotFound":
		return fmt.Sprintf("see why no pod behind the Service %s is ready (the check adapter)", behind(a)) + gone
	case c.Reason == "ServicePortError":
		return fmt.Sprintf("have the Service %s and the APIService %s name the same port", behind(a), a.Name)
	case c.Reason == "FailedDiscoveryCheck":
		return fmt.Sprintf("see whether kube-apiserver reaches the pods of %s (NetworkPolicies, a firewall in front of the nodes, hostNetwork), and what these log", behind(a)) + gone
	}
	return fmt.Sprintf("kubectl describe apiservice %s", a.Name) + gone
}

// answers adds what an available API says of itself.
func (s *Snapshot) answers(a *apiregistrationv1.APIService, o *outcome) {
	d, asked := s.Discovery[groupVersion(a)]
	switch {
	case !asked || d.Unread == nil:
		text := fmt.Sprintf("%s by %s", a.Name, behind(a))
		if n := len(d.Value.APIResources); asked && (a.Spec.Group == CustomMetrics || a.Spec.Group == ExternalMetrics) {
			text += ", which lists " + count(n, "metric", "metrics")
		}
		o.ok("%s", text)
	case d.Unread.Right != "":
		o.unread(a.Name+" by "+behind(a)+", whose list could not be read", d.Unread)
	default:
		o.fail(fmt.Sprintf("see what %s logs", behind(a)), "%s by %s, whose list is no answer: %s", a.Name, behind(a), d.Unread.Reason)
	}
}

// backend is what is behind an APIService; nil if that is kube-apiserver, or was not read.
func (s *Snapshot) backend(a *apiregistrationv1.APIService) *Backend {
	if a.Spec.Service == nil {
		return nil
	}
	return s.Backends[types.NamespacedName{Namespace: a.Spec.Service.Namespace, Name: a.Spec.Service.Name}]
}
