package controller

import (
	"cmp"
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/klog/v2"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/loadline/loadline/policy/decide"
)

// turn decides about a policy once and does what was decided. It returns when to look
// again; 0 is when something changes.
func (r *reconciler) turn(ctx context.Context, key types.NamespacedName) (time.Duration, error) {
	s, plan, err := r.decide(ctx, key)
	if err != nil {
		return 0, err
	}
	if s.Policy == nil {
		r.metrics.forget(key)
		r.looks.drop(key)
	} else {
		r.metrics.observe(key, s.Policy.CreationTimestamp.Time, plan.Observations)
	}
	refusal, err := r.act(ctx, key, &s, &plan)
	if err != nil {
		return 0, err
	}
	if refusal != nil {
		// The words of the API server become the policy's status. That is no success:
		// the write is tried again, later and later.
		if plan.Handoff != nil {
			s.HandoffRefused = refusal.Message
		} else {
			s.Refused = refusal
		}
		plan = r.judge(s)
		plan.Intent, plan.Action, plan.Handoff = nil, nil, nil
		if s.Policy != nil {
			r.metrics.observe(key, s.Policy.CreationTimestamp.Time, plan.Observations)
		}
	}
	if plan.ValuesOnly && !r.values.TryAccept() {
		// They come after what is waited for: thousands of busy policies would else
		// write values alone.
		wait := putOff(s.Settings.ValuesEvery)
		return min(cmp.Or(plan.Next, wait), wait), nil
	}
	if plan.Changed && s.Policy != nil {
		if err := r.writeStatus(ctx, s.Policy, plan.Status); err != nil {
			return 0, err
		}
	}
	r.send(s, plan.Events)
	if refusal != nil && plan.Next == 0 {
		return 0, fmt.Errorf("%w: %s", errRefused, refusal.Message)
	}
	return r.lookAgain(s, plan.Next), nil
}

// lookAgain is when to look again, where what the decision waits for is not watched:
// kinds come with a CRD, features with a new API server, and ReplicaSets are too many.
func (r *reconciler) lookAgain(s decide.Snapshot, next time.Duration) time.Duration {
	at := time.Duration(0)
	switch {
	case s.Policy == nil:
	case !s.Capabilities.Known(), s.Target.State == decide.TargetKindUnknown, s.Target.State == decide.TargetNotScalable:
		at = retryAfter
	case s.Policy.Scaled().Kind == "ReplicaSet" && s.Policy.Status.Rollout != nil && s.Policy.Status.Rollout.Phase != "":
		at = r.opts.HPASync
	case s.Policy.Spec.Replicas.Min == 0 && !s.Capabilities.ScaleToZero:
		at = r.opts.DiscoveryInterval
	}
	if at == 0 || next > 0 && next < at {
		return next
	}
	return at
}

// decide gathers and decides. A plan that takes a target is made once more with the
// claim on it: what other policies did in between is in the cache then.
func (r *reconciler) decide(ctx context.Context, key types.NamespacedName) (decide.Snapshot, decide.Plan, error) {
	s, err := r.gather(ctx, key, nil)
	if err != nil {
		return s, decide.Plan{}, err
	}
	plan := r.judge(s)
	if !retargets(plan) {
		r.claims.drop(key)
		return s, plan, nil
	}
	claimed := hpaTarget(plan.Action.HPA)
	if !r.claims.take(claimed, key) {
		return s, plan, fmt.Errorf("%w: another policy is taking %s", errOvertaken, claimed)
	}
	if s, err = r.gather(ctx, key, &s.Target); err != nil {
		return s, decide.Plan{}, err
	}
	plan = r.judge(s)
	switch {
	case !retargets(plan):
		r.claims.drop(key)
	case hpaTarget(plan.Action.HPA) != claimed:
		return s, plan, fmt.Errorf("%w: the policy names another target by now", errOvertaken)
	}
	return s, plan, nil
}

func retargets(p decide.Plan) bool { return p.Action != nil && p.Action.Retargets }

// act stores the intent and carries the action out. s and plan are brought up to what
// the writes made of them.
func (r *reconciler) act(ctx context.Context, key types.NamespacedName, s *decide.Snapshot, plan *decide.Plan) (*decide.Refusal, error) {
	if plan.Intent != nil {
		if err := r.writeStatus(ctx, s.Policy, *plan.Intent); err != nil {
			return nil, err
		}
	}
	if plan.Handoff != nil { // never with an action
		err := r.handOver(ctx, key.Namespace, plan.Handoff)
		if refusal := refused(err); refusal != nil {
			return refusal, nil
		}
		return nil, err
	}
	if plan.Action == nil {
		return nil, nil
	}
	if err := r.stillOwns(ctx, key, s, plan.Action); err != nil {
		return nil, err
	}
	klog.FromContext(ctx).V(1).Info("Writing the HPA", "action", plan.Action.Kind, "why", plan.Action.Why)
	written, err := r.carryOut(ctx, plan.Action)
	r.metrics.wrote("horizontalpodautoscalers", string(plan.Action.Kind), err)
	if refusal := refused(err); refusal != nil {
		r.claims.drop(key)
		return refusal, nil
	}
	if err != nil {
		return nil, fmt.Errorf("%s the HPA: %w", plan.Action.Kind, err)
	}
	if written != nil && s.Live == nil && plan.Action.Kind == decide.Apply {
		// Known only now, and it would be a write of its own at the next turn.
		if plan.Status.HPA != nil && plan.Status.HPA.UID == "" {
			plan.Status.HPA.UID = written.UID
		}
		r.metrics.applied.Observe(max(0, r.opts.Now().Sub(s.Policy.CreationTimestamp.Time).Seconds()))
	}
	return nil, nil
}

// send sends Events about the policy or, where it is gone, about its HPA. They come
// after the status that records their reason, so that none is sent again by whoever
// takes over.
func (r *reconciler) send(s decide.Snapshot, events []decide.Event) {
	var about client.Object = s.Policy
	if s.Policy == nil {
		about = s.Live
	}
	for _, e := range events {
		kind := corev1.EventTypeNormal
		if e.Warning {
			kind = corev1.EventTypeWarning
		}
		r.events.Eventf(about, nil, kind, e.Reason, "Autoscale", "%s", e.Message)
	}
}
