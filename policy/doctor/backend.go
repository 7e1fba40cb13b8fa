package doctor

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
)

// checkBackends looks at the pods behind the APIServices.
func checkBackends(s *Snapshot, o *outcome) {
	if s.APIServices.Unread != nil {
		o.unread("who serves the metrics is not known, for APIServices could not be read", s.APIServices.Unread)
		return
	}
	for _, name := range s.backends() {
		s.Backends[name].ready(name, o)
	}
	if o.state == "" {
		o.ok("nobody is registered who has pods")
	}
}

// backends are the names of what is behind Services, sorted.
func (s *Snapshot) backends() (names []types.NamespacedName) {
	for name := range s.Backends {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b types.NamespacedName) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	return names
}

func (b *Backend) ready(of types.NamespacedName, o *outcome) {
	name := of.String()
	switch u := b.Service.Unread; {
	case u != nil && u.Absent:
		o.objects = append(o.objects, Object{"Service", of.Namespace, of.Name, "it is not there"})
		o.fail("install what brings the Service "+name+", or delete the APIServices that name it", "there is no Service %s", name)
		return
	case u != nil:
		o.unread("the Service "+name+" could not be read", u)
		return
	case b.Pods.Unread != nil:
		o.unread("the pods of "+name+" could not be read", b.Pods.Unread)
		return
	}
	ready := 0
	var others []Object
	for i := range b.Pods.Value {
		p := &b.Pods.Value[i]
		switch {
		case p.DeletionTimestamp != nil, p.Status.Phase == corev1.PodSucceeded, p.Status.Phase == corev1.PodFailed:
		case isReady(p):
			ready++
		default:
			others = append(others, Object{"Pod", p.Namespace, p.Name, whyUnready(p)})
		}
	}
	const remedy = "kubectl describe the pod, and see what it logs"
	switch {
	case ready == 0 && len(others) == 0:
		o.fail("scale up or make what has the pods of the Service "+name, "%s: no pod is behind it", name)
	case ready == 0:
		o.about(Fail, remedy, name+": no pod is ready", others)
	case len(others) > 0:
		o.about(Warn, remedy, fmt.Sprintf("%s: %d of %d pods are ready", name, ready, ready+len(others)), others)
	default:
		o.ok("%s: %s ready", name, count(ready, "pod is", "pods are"))
	}
}

func isReady(p *corev1.Pod) bool {
	return slices.ContainsFunc(p.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
	})
}

// whyUnready is what is nearest to the cause.
func whyUnready(p *corev1.Pod) string {
	for _, c := range p.Status.ContainerStatuses {
		if w := c.State.Waiting; w != nil && w.Reason != "" {
			return strings.TrimSuffix(w.Reason+": "+w.Message, ": ")
		}
	}
	for _, c := range p.Status.Conditions {
		if (c.Type == corev1.PodReady || c.Type == corev1.PodScheduled) && c.Status == corev1.ConditionFalse && c.Reason != "" {
			return strings.TrimSuffix(c.Reason+": "+c.Message, ": ")
		}
	}
	return "it is " + cmp.Or(string(p.Status.Phase), "not there yet")
}

// checkController looks at loadline-policy, which matters as far as there are policies.
func checkController(s *Snapshot, o *outcome) {
	policies := len(s.Policies.Value)
	if u := s.Policies.Unread; u != nil && !u.Absent {
		o.unread("AutoscalingPolicies could not be read", u)
		return
	}
	if s.Controllers.Unread != nil {
		o.unread("the Deployments of loadline-policy could not be read", s.Controllers.Unread)
		return
	}
	const install = "kubectl apply -k deploy/policy"
	unknown := s.Policies.Unread != nil
	running := 0
	for i := range s.Controllers.Value {
		running += int(s.Controllers.Value[i].Status.ReadyReplicas)
	}
	switch n := len(s.Controllers.Value); {
	case n == 0 && unknown:
		o.ok("there are no AutoscalingPolicies in this cluster")
	case unknown:
		o.fail("kubectl apply -k deploy/crd", "loadline-policy is installed, and the cluster does not know AutoscalingPolicies")
	case n == 0 && policies > 0:
		o.fail(install, "%s, and no Deployment of loadline-policy", count(policies, "policy", "policies"))
	case n == 0:
		o.warn(install, "the cluster knows AutoscalingPolicies, and has no Deployment of loadline-policy")
	case running == 0:
		o.about(Fail, "kubectl describe it, and see what its pods log", "loadline-policy has no ready pod", deployments(s.Controllers.Value))
	case n > 1:
		o.about(Warn, "keep one: they take turns by one Lease only within one namespace", "there are several Deployments of loadline-policy", deployments(s.Controllers.Value))
	default:
		d := &s.Controllers.Value[0]
		want := int(ptr.Deref(d.Spec.Replicas, 1))
		text := fmt.Sprintf("%s/%s: %d of %d pods are ready; %s", d.Namespace, d.Name, running, want, count(policies, "policy", "policies"))
		if running < want {
			o.warn("kubectl describe it, and see what its pods log", "%s", text)
			return
		}
		o.ok("%s", text)
	}
}

func deployments(all []appsv1.Deployment) (out []Object) {
	for i := range all {
		d := &all[i]
		out = append(out, Object{"Deployment", d.Namespace, d.Name, fmt.Sprintf("%d of %d pods are ready", d.Status.ReadyReplicas, ptr.Deref(d.Spec.Replicas, 1))})
	}
	return out
}
