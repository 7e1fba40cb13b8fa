package controller

import (
	"context"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/loadline/loadline/policy/rollout"
)

// watchWorkloads has rollouts of targets seen.
func (r *reconciler) watchWorkloads(b *builder.Builder) *builder.Builder {
	if !r.opts.HoldRollouts {
		return b
	}
	changed := predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
		was, _ := view(e.ObjectOld)
		is, _ := view(e.ObjectNew)
		return concerns(was, is)
	}}
	for kind := range workloads() {
		b = b.Watches(kind, handler.EnqueueRequestsFromMapFunc(r.policiesOfWorkload), builder.WithPredicates(changed))
	}
	return b
}

// concerns says whether a change of a workload can change a decision. Scaling makes many
// that do not.
func concerns(was, is rollout.View) bool {
	if was.Complete() != is.Complete() {
		return true
	}
	was.Size, was.Available, was.Updated = is.Size, is.Available, is.Updated
	return was != is || !is.Complete()
}

func (r *reconciler) policiesOfWorkload(ctx context.Context, o client.Object) []reconcile.Request {
	_, t := view(o)
	return r.policiesOn(ctx, t)
}

// workloads are the kinds whose objects are in the cache, and how they get there.
// ReplicaSets are not among them: a cluster has ten for each Deployment, and hardly one
// that a policy names.
func workloads() map[client.Object]cache.ByObject {
	return map[client.Object]cache.ByObject{
		&appsv1.Deployment{}:            {Transform: rollout.Strip},
		&appsv1.StatefulSet{}:           {Transform: rollout.Strip},
		&corev1.ReplicationController{}: {Transform: rollout.Strip},
	}
}

// view is how far the rollout of a workload is, and what it is as a target, which
// objects of a cache do not say.
func view(o client.Object) (rollout.View, target) {
	t := target{namespace: o.GetNamespace(), group: appsv1.GroupName, name: o.GetName()}
	switch w := o.(type) {
	case *appsv1.Deployment:
		t.kind = "Deployment"
		return rollout.OfDeployment(w), t
	case *appsv1.StatefulSet:
		t.kind = "StatefulSet"
		return rollout.OfStatefulSet(w), t
	case *appsv1.ReplicaSet:
		t.kind = "ReplicaSet"
		return rollout.OfReplicaSet(w), t
	case *corev1.ReplicationController:
		t.group, t.kind = corev1.GroupName, "ReplicationController"
		return rollout.OfReplicationController(w), t
	}
	return rollout.View{}, t
}

// workload is a target whose rollouts are held; nil where it is not there, or is of a kind
// that is not watched.
func (r *reconciler) workload(ctx context.Context, t target) (client.Object, error) {
	if !r.opts.HoldRollouts {
		return nil, nil
	}
	return r.object(ctx, t, false)
}

// object is a workload, by the cache or, where it is to be fresh, whole and by the API
// server; nil where it is not there, or is of a kind whose pods are not known.
func (r *reconciler) object(ctx context.Context, t target, fresh bool) (client.Object, error) {
	var o client.Object
	switch (target{group: t.group, kind: t.kind}) {
	case target{group: appsv1.GroupName, kind: "Deployment"}:
		o = &appsv1.Deployment{}
	case target{group: appsv1.GroupName, kind: "StatefulSet"}:
		o = &appsv1.StatefulSet{}
	case target{group: corev1.GroupName, kind: "ReplicationController"}:
		o = &corev1.ReplicationController{}
	case target{group: appsv1.GroupName, kind: "ReplicaSet"}:
		o, fresh = &appsv1.ReplicaSet{}, true
	default:
		return nil, nil
	}
	key := client.ObjectKey{Namespace: t.namespace, Name: t.name}
	read := func(ctx context.Context) error { return r.cached.Get(ctx, key, o, noWait) }
	if fresh {
		read = func(ctx context.Context) error { return r.direct.Get(ctx, key, o) }
	}
	err := r.call(ctx, read)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the %s %s: %w", t.kind, t.name, err)
	}
	return o, nil
}
