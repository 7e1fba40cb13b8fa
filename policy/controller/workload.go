package controller

import (
	"context"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/builder"
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
	for _, kind := range []client.Object{&appsv1.Deployment{}, &appsv1.StatefulSet{}} {
		b = b.Watches(kind, handler.EnqueueRequestsFromMapFunc(r.policiesOfWorkload), builder.WithPredicates(changed))
	}
	return b
}

// concerns says whether a change of a workload can change a decision. Scaling makes many
// that do not.
func concerns(was, is rollout.View) bool {
	was.Size, was.Available, was.Updated = is.Size, is.Available, is.Updated
	return was != is || !is.Complete()
}

func (r *reconciler) policiesOfWorkload(ctx context.Context, o client.Object) []reconcile.Request {
	_, kind := view(o)
	return r.policiesOn(ctx, target{o.GetNamespace(), appsv1.GroupName, kind, o.GetName()})
}

// view is how far the rollout of a Deployment or StatefulSet is, and its kind, which
// objects of a cache do not say.
func view(o client.Object) (rollout.View, string) {
	switch w := o.(type) {
	case *appsv1.Deployment:
		return rollout.OfDeployment(w), "Deployment"
	case *appsv1.StatefulSet:
		return rollout.OfStatefulSet(w), "StatefulSet"
	}
	return rollout.View{}, ""
}

// workload is how far the rollout of a target is; nil where it is not there, or is of a
// kind that is not watched.
func (r *reconciler) workload(ctx context.Context, t target) (*rollout.View, error) {
	var o client.Object
	switch {
	case !r.opts.HoldRollouts || t.group != appsv1.GroupName:
		return nil, nil
	case t.kind == "Deployment":
		o = &appsv1.Deployment{}
	case t.kind == "StatefulSet":
		o = &appsv1.StatefulSet{}
	default:
		return nil, nil
	}
	err := r.cached.Get(ctx, client.ObjectKey{Namespace: t.namespace, Name: t.name}, o, noWait)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the %s %s: %w", t.kind, t.name, err)
	}
	v, _ := view(o)
	return &v, nil
}
