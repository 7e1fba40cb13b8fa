package controller

import (
	"context"
	"fmt"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/klog/v2"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	ctrlcontroller "sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/loadline/loadline/policy/decide"
	"github.com/loadline/loadline/policy/owner"
)

// woken is a workload whose replicas went from 0 to size.
type woken struct {
	target
	size int32
}

// watchZeros has it said when an HPA writes over somebody's 0. An HPA whose minimum is 1
// or more leaves a target at 0 alone, but what it decided before the 0 it still writes
// after it: on a conflict it reads the scale anew and writes the old decision
// (updateScale's retry in horizontal.go). Nothing of that is left on any object, so it is
// seen in the moment or not at all, and nobody is told twice.
func (r *reconciler) watchZeros(mgr manager.Manager) error {
	if !r.opts.HoldRollouts { // workloads are not watched
		return nil
	}
	changed := handler.TypedFuncs[client.Object, woken]{
		UpdateFunc: func(_ context.Context, e event.TypedUpdateEvent[client.Object], q workqueue.TypedRateLimitingInterface[woken]) {
			was, _ := view(e.ObjectOld)
			is, t := view(e.ObjectNew)
			if was.UID == is.UID && was.Size == 0 && is.Size > 0 {
				q.Add(woken{t, is.Size})
			}
		},
	}
	b := builder.TypedControllerManagedBy[woken](mgr).Named("overwritten-zeros").
		WithOptions(ctrlcontroller.TypedOptions[woken]{SkipNameValidation: ptr.To(true), ReconciliationTimeout: turnLimit})
	for kind := range workloads() {
		b = b.Watches(kind, changed)
	}
	return b.Complete(reconcile.TypedFunc[woken](func(ctx context.Context, w woken) (reconcile.Result, error) {
		return reconcile.Result{}, r.overwritten(ctx, w)
	}))
}

// overwritten says so if it was the HPA of a policy that wrote over a 0.
func (r *reconciler) overwritten(ctx context.Context, w woken) error {
	policies, err := r.policiesAt(ctx, w.target)
	if err != nil {
		return fmt.Errorf("list the policies of the target: %w", err)
	}
	for _, p := range policies {
		h := &autoscalingv2.HorizontalPodAutoscaler{}
		err := r.cached.Get(ctx, client.ObjectKeyFromObject(&p), h, noWait)
		if apierrors.IsNotFound(err) {
			continue
		}
		if err != nil {
			return fmt.Errorf("read the HPA: %w", err)
		}
		if hpaTarget(h) != w.target || ptr.Deref(h.Spec.MinReplicas, 1) == 0 {
			continue // one that scales to zero wakes its target itself
		}
		o, err := r.object(ctx, w.target, true)
		if apierrors.IsForbidden(err) {
			klog.FromContext(ctx).V(1).Info("Whose write that was cannot be told", "why", err.Error())
			return nil
		}
		if err != nil || o == nil {
			return err
		}
		if v, _ := view(o); v.Size != w.size || owner.Scaled(o.GetManagedFields()) != decide.HPAController {
			return nil
		}
		r.send(decide.Snapshot{Policy: &p}, []decide.Event{{Warning: true, Reason: decide.EventOverwritten, Message: fmt.Sprintf(
			"the %s %s was set to 0, and the HPA, which had decided before, has written %d over it: set it to 0 once more to keep it there", w.kind, w.name, w.size)}})
	}
	return nil
}
