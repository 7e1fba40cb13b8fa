package controller

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/events"
	"k8s.io/client-go/util/flowcontrol"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/klog/v2"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	ctrlcontroller "sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/loadline/loadline/policy/api/v1alpha1"
	"github.com/loadline/loadline/policy/decide"
	"github.com/loadline/loadline/policy/hpa"
)

// Pauses after an error of the API server, for one policy.
const (
	firstPause = time.Second
	lastPause  = 5 * time.Minute
)

// Pauses before a decision that another writer overtook is made anew. It is no error:
// the HPA controller writes the status of an HPA at each sync.
const (
	firstConflictPause = 50 * time.Millisecond
	lastConflictPause  = 10 * time.Second
)

// longestRest is how late a schedule begins at most after the clock was put forward.
const longestRest = 5 * time.Minute

// valuesPerSecond bounds the status writes that only bring values up to date.
const valuesPerSecond = 20

// turnLimit bounds the work on one policy; a write and two of the status may each
// take the time of a call.
const turnLimit = time.Minute

// reconciler works on one policy at a time for each worker.
type reconciler struct {
	cached client.Client // reads the cache, which has our own writes
	direct client.Client // reads the API server
	scales rest.Interface
	events events.EventRecorder
	judge  func(decide.Snapshot) decide.Plan // decide.Decide

	kinds     *kinds
	features  *features
	looks     lastLooks
	claims    *claims
	conflicts *flowcontrol.Backoff
	values    flowcontrol.RateLimiter // of status writes that only bring values up to date
	metrics   *metrics
	opts      *Options
}

// register has the manager run r.
func (r *reconciler) register(mgr manager.Manager) error {
	return r.watchServices(r.watchWorkloads(builder.ControllerManagedBy(mgr))).
		Named("autoscalingpolicy").
		// The status is our own.
		For(&v1alpha1.AutoscalingPolicy{}, builder.WithPredicates(predicate.Or[client.Object](
			predicate.GenerationChangedPredicate{}, predicate.AnnotationChangedPredicate{},
		))).
		Watches(&autoscalingv2.HorizontalPodAutoscaler{}, handler.EnqueueRequestsFromMapFunc(r.policiesOfHPA)).
		Watches(&v1alpha1.AutoscalingPolicy{}, handler.EnqueueRequestsFromMapFunc(r.rivalsOfPolicy), builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		WithOptions(ctrlcontroller.Options{
			MaxConcurrentReconciles: r.opts.Workers,
			RateLimiter:             workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](firstPause, lastPause),
			ReconciliationTimeout:   turnLimit,
			// A replica that takes over has read everything before.
			EnableWarmup: ptr.To(true),
			// Several controllers may run in one process one after the other.
			SkipNameValidation: ptr.To(true),
		}).
		Complete(r)
}

// policiesOfHPA are the policies that an HPA concerns: the one of its name, and those
// that scale the same target.
func (r *reconciler) policiesOfHPA(ctx context.Context, o client.Object) []reconcile.Request {
	h := o.(*autoscalingv2.HorizontalPodAutoscaler)
	requests := r.policiesOn(ctx, hpaTarget(h))
	own := types.NamespacedName{Namespace: h.Namespace, Name: h.Name}
	// One of ours without a policy has to be let go.
	if h.Labels[hpa.PolicyLabel] != "" || r.exists(ctx, own) {
		requests = append(requests, reconcile.Request{NamespacedName: own})
	}
	return requests
}

// rivalsOfPolicy are the policies with the same target: one may have to yield, or may
// go on when the other is gone.
func (r *reconciler) rivalsOfPolicy(ctx context.Context, o client.Object) []reconcile.Request {
	p := o.(*v1alpha1.AutoscalingPolicy)
	var requests []reconcile.Request
	for _, t := range policyTargets(p) {
		requests = append(requests, r.policiesOn(ctx, targetOf(p.Namespace, t))...)
	}
	return requests
}

func (r *reconciler) policiesOn(ctx context.Context, t target) []reconcile.Request {
	list, err := r.policiesAt(ctx, t)
	if err != nil {
		klog.FromContext(ctx).Error(err, "Cannot list policies", "target", t)
		return nil
	}
	return requestsFor(list)
}

func requestsFor(policies []v1alpha1.AutoscalingPolicy) []reconcile.Request {
	var out []reconcile.Request
	for _, p := range policies {
		out = append(out, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&p)})
	}
	return out
}

// exists says whether there is a policy, by the cache and without waiting for what
// was written.
func (r *reconciler) exists(ctx context.Context, key types.NamespacedName) bool {
	return r.cached.Get(ctx, key, &v1alpha1.AutoscalingPolicy{}, noWait) == nil
}

// Reconcile works on one policy once.
func (r *reconciler) Reconcile(ctx context.Context, req reconcile.Request) (reconcile.Result, error) {
	began := time.Now()
	defer func() { r.metrics.seconds.Observe(time.Since(began).Seconds()) }()
	next, err := r.turn(ctx, req.NamespacedName)
	switch {
	case err == nil:
		r.conflicts.DeleteEntry(req.String())
		return reconcile.Result{RequeueAfter: lookIn(next)}, nil
	case errors.Is(err, errOvertaken):
		r.metrics.errors.WithLabelValues("conflict").Inc()
		klog.FromContext(ctx).V(2).Info("Overtaken by another writer", "why", err.Error())
		r.conflicts.Next(req.String(), time.Now())
		return reconcile.Result{RequeueAfter: jitter(r.conflicts.Get(req.String()))}, nil
	default:
		r.metrics.errors.WithLabelValues(reason(err)).Inc()
		return reconcile.Result{}, err
	}
}

// lookIn is how long a policy that waits for a time is left alone. A timer goes by a clock
// that nobody sets, and a schedule by the one that is put forward: so the latter is looked
// at now and then. A look costs no request. Those of many policies are spread.
func lookIn(d time.Duration) time.Duration {
	if d > longestRest {
		return longestRest - rand.N(longestRest/5)
	}
	return jitter(d)
}

// putOff is how long values wait for which there is no room now. Each takes another time,
// half of one for all at least and half as much more at most: thousands that came back
// together, a minute later, would find room for the first twenty again.
func putOff(d time.Duration) time.Duration { return d/2 + rand.N(d+1) }

// jitter adds up to a tenth and a second at most, so that what was put off at once does
// not come back at once. It never makes a time come early: a floor would not have ended
// yet. And hardly late: a schedule is to begin when it says.
func jitter(d time.Duration) time.Duration {
	if d <= 0 {
		return 0
	}
	return d + rand.N(min(d/10, time.Second)+1)
}
