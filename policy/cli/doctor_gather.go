package cli

import (
	"context"
	"slices"
	"sync"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"
	apiregistrationv1 "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"

	"github.com/loadline/loadline/policy/api/v1alpha1"
	"github.com/loadline/loadline/policy/doctor"
	"github.com/loadline/loadline/policy/guard"
	diagnostics "github.com/loadline/loadline/provider/api/v1alpha1"
)

// examiner reads what doctor looks at.
type examiner struct {
	client rest.Interface
	// namespace is that of HPAs and workloads; all if it is empty.
	namespace string
	now       func() time.Time
	into      *doctor.Snapshot
}

// examine reads all that doctor's checks go by, side by side. There is an error only where
// the API server cannot be reached; what else cannot be read is in the snapshot.
func (c *cluster) examine(ctx context.Context, namespace string, now func() time.Time) (*doctor.Snapshot, error) {
	x := &examiner{namespace: namespace, now: now, into: &doctor.Snapshot{
		Discovery: map[string]doctor.Read[metav1.APIResourceList]{}, Backends: map[types.NamespacedName]*doctor.Backend{},
	}}
	config := rest.CopyConfig(c.config)
	dates := &dated{now: now}
	config.Wrap(dates.around)
	// Its client is one for any path.
	client, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return nil, err
	}
	x.client = client.RESTClient()
	// First and alone: without an API server all else would say the same.
	if x.into.Server, err = x.server(ctx, dates); err != nil {
		return nil, err
	}
	var reading sync.WaitGroup
	x.cluster(ctx, &reading)
	x.workloads(ctx, &reading)
	x.into.APIServices = x.apiServices(ctx)
	x.served(ctx, &reading)
	reading.Wait()
	x.into.Workloads = x.forGuard()
	x.into.Now = now()
	return x.into, nil
}

// cluster reads what is not of a namespace.
func (x *examiner) cluster(ctx context.Context, reading *sync.WaitGroup) {
	s := x.into
	reading.Go(func() {
		s.Autoscaling = one[metav1.APIGroup](ctx, x.get(schema.GroupVersion{Group: autoscalingv2.GroupName}), "get the URL /apis/autoscaling")
	})
	reading.Go(func() {
		const name = "extension-apiserver-authentication"
		m := one[corev1.ConfigMap](ctx, x.get(corev1.SchemeGroupVersion).Namespace(metav1.NamespaceSystem).Resource("configmaps").Name(name), "get configmaps in the core group, in kube-system")
		s.FrontProxy = doctor.Read[map[string]string]{Value: m.Value.Data, Unread: m.Unread}
	})
	reading.Go(func() { s.Access = x.access(ctx) })
	reading.Go(func() { s.Gates = x.gates(ctx) })
	reading.Go(func() {
		s.Leases = all[coordinationv1.Lease](ctx, x, leasesResource(), corev1.NamespaceNodeLease, "")
	})
	reading.Go(func() {
		s.ManagerLease = one[coordinationv1.Lease](ctx, x.get(coordinationv1.SchemeGroupVersion).Namespace(metav1.NamespaceSystem).Resource("leases").Name(doctor.ManagerLease),
			"get leases in the group coordination.k8s.io, in kube-system")
	})
	reading.Go(func() {
		of := appsv1.SchemeGroupVersion.WithResource("deployments")
		s.Controllers = all[appsv1.Deployment](ctx, x, of, "", component)
	})
}

// access asks what the HPA controller may and, where it may not be asked, reads its role.
func (x *examiner) access(ctx context.Context) []doctor.Access {
	asked := doctor.Asked()
	var asking sync.WaitGroup
	for i := range asked {
		asking.Go(func() { asked[i].Allowed = x.review(ctx, asked[i]) })
	}
	asking.Wait()
	if !slices.ContainsFunc(asked, func(a doctor.Access) bool { return a.Allowed.Unread != nil }) {
		return asked
	}
	r := x.get(rbacv1.SchemeGroupVersion).Resource("clusterroles").Name(doctor.ControllerRole)
	x.into.Role = one[rbacv1.ClusterRole](ctx, r, "get clusterroles in the group rbac.authorization.k8s.io")
	r = x.get(rbacv1.SchemeGroupVersion).Resource("clusterrolebindings").Name(doctor.ControllerRole)
	x.into.RoleBinding = one[rbacv1.ClusterRoleBinding](ctx, r, "get clusterrolebindings in the group rbac.authorization.k8s.io")
	return asked
}

// workloads reads HPAs, what they scale, policies, and what the adapter says of metrics.
func (x *examiner) workloads(ctx context.Context, reading *sync.WaitGroup) {
	s := x.into
	reading.Go(func() { s.HPAs = all[autoscalingv2.HorizontalPodAutoscaler](ctx, x, hpasResource(), x.namespace, "") })
	reading.Go(func() { s.Policies = all[v1alpha1.AutoscalingPolicy](ctx, x, policiesResource(), x.namespace, "") })
	reading.Go(func() {
		if found := all[diagnostics.Metric](ctx, x, diagnostics.GroupVersion.WithResource(diagnostics.Plural), x.namespace, ""); found.Unread == nil {
			s.Sources = doctor.Sources(found.Value)
		}
	})
	s.Workloads = guard.Snapshot{Source: guard.Live, Now: x.now(), Gathered: map[guard.Kind]bool{}, Missing: map[guard.Kind]string{}}
	var deployments doctor.Read[[]appsv1.Deployment]
	var sets doctor.Read[[]appsv1.StatefulSet]
	var limits doctor.Read[[]corev1.LimitRange]
	var three sync.WaitGroup
	three.Go(func() {
		deployments = all[appsv1.Deployment](ctx, x, appsv1.SchemeGroupVersion.WithResource("deployments"), x.namespace, "")
	})
	three.Go(func() {
		sets = all[appsv1.StatefulSet](ctx, x, appsv1.SchemeGroupVersion.WithResource("statefulsets"), x.namespace, "")
	})
	three.Go(func() {
		limits = all[corev1.LimitRange](ctx, x, corev1.SchemeGroupVersion.WithResource("limitranges"), x.namespace, "")
	})
	reading.Go(func() {
		three.Wait()
		s.Workloads.Deployments = gathered(&s.Workloads, guard.Deployment, deployments)
		s.Workloads.StatefulSets = gathered(&s.Workloads, guard.StatefulSet, sets)
		s.Workloads.LimitRanges = gathered(&s.Workloads, guard.LimitRange, limits)
	})
}

// gathered notes whether a kind could be read, and returns what there is.
func gathered[T any](s *guard.Snapshot, k guard.Kind, found doctor.Read[[]T]) (objects []*T) {
	if found.Unread != nil && !found.Unread.Absent {
		s.Missing[k] = found.Unread.Reason
		return nil
	}
	s.Gathered[k] = true
	for i := range found.Value {
		objects = append(objects, &found.Value[i])
	}
	return objects
}

// forGuard adds the HPAs, which were read meanwhile.
func (x *examiner) forGuard() guard.Snapshot {
	s := x.into.Workloads
	s.HPAs = gathered(&s, guard.HorizontalPodAutoscaler, x.into.HPAs)
	return s
}

// apiServices are those that doctor looks at.
func (x *examiner) apiServices(ctx context.Context) doctor.Read[[]apiregistrationv1.APIService] {
	found := all[apiregistrationv1.APIService](ctx, x, apiregistrationv1.SchemeGroupVersion.WithResource("apiservices"), "", "")
	found.Value = slices.DeleteFunc(found.Value, func(a apiregistrationv1.APIService) bool { return !slices.Contains(doctor.Groups(), a.Spec.Group) })
	return found
}

// served reads what is behind APIServices, and what each lists.
func (x *examiner) served(ctx context.Context, reading *sync.WaitGroup) {
	lists := map[schema.GroupVersion]bool{}
	for _, group := range doctor.Groups() {
		for _, v := range doctor.Versions(group) {
			if x.into.APIServices.Unread != nil { // then the answers are all that there is
				lists[schema.GroupVersion{Group: group, Version: v}] = true
			}
		}
	}
	for i := range x.into.APIServices.Value {
		a := &x.into.APIServices.Value[i]
		lists[schema.GroupVersion{Group: a.Spec.Group, Version: a.Spec.Version}] = true
		if a.Spec.Service == nil {
			continue
		}
		name := types.NamespacedName{Namespace: a.Spec.Service.Namespace, Name: a.Spec.Service.Name}
		if x.into.Backends[name] != nil {
			continue
		}
		b := &doctor.Backend{}
		x.into.Backends[name] = b
		reading.Go(func() { x.backend(ctx, name, b) })
	}
	var writing sync.Mutex
	for gv := range lists {
		reading.Go(func() {
			list := one[metav1.APIResourceList](ctx, x.get(gv), "get the URL "+root(gv))
			writing.Lock()
			defer writing.Unlock()
			x.into.Discovery[gv.String()] = list
		})
	}
}

// backend reads what is behind a Service: its pods, the Deployments that make them, and the
// rules of these.
func (x *examiner) backend(ctx context.Context, name types.NamespacedName, b *doctor.Backend) {
	b.Service = one[corev1.Service](ctx, x.get(corev1.SchemeGroupVersion).Namespace(name.Namespace).Resource("services").Name(name.Name), "get services in the core group, in "+name.Namespace)
	selector := b.Service.Value.Spec.Selector
	if b.Service.Unread != nil || len(selector) == 0 {
		b.Pods.Unread, b.Deployments.Unread = b.Service.Unread, b.Service.Unread
		if b.Service.Unread == nil {
			none := &doctor.Unread{Reason: "the Service has no selector"}
			b.Pods.Unread, b.Deployments.Unread = none, none
		}
		return
	}
	b.Pods = all[corev1.Pod](ctx, x, podsResource(), name.Namespace, labels.SelectorFromSet(selector).String())
	b.Deployments = all[appsv1.Deployment](ctx, x, appsv1.SchemeGroupVersion.WithResource("deployments"), name.Namespace, "")
	b.Deployments.Value = slices.DeleteFunc(b.Deployments.Value, func(d appsv1.Deployment) bool {
		return !labels.SelectorFromSet(selector).Matches(labels.Set(d.Spec.Template.Labels))
	})
	for i := range b.Deployments.Value {
		p, why := doctor.PlaceOf(&b.Deployments.Value[i])
		if why != "" {
			continue
		}
		m := one[corev1.ConfigMap](ctx, x.get(corev1.SchemeGroupVersion).Namespace(p.Namespace).Resource("configmaps").Name(p.ConfigMap), "get configmaps in the core group, in "+p.Namespace)
		b.Config = doctor.Read[string]{Value: m.Value.Data[p.Key], Unread: m.Unread}
	}
}
