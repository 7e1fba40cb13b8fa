package controller

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/klog/v2"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/loadline/loadline/policy/api/v1alpha1"
	"github.com/loadline/loadline/policy/decide"
)

// errOvertaken says that what the decision was made from is no longer so.
var errOvertaken = errors.New("overtaken")

// turn decides about a policy once and does what was decided. It returns when to look
// again; 0 is when something changes.
func (r *reconciler) turn(ctx context.Context, key types.NamespacedName) (time.Duration, error) {
	s, plan, err := r.decide(ctx, key)
	if err != nil {
		return 0, err
	}
	if s.Policy == nil {
		r.metrics.forget(key)
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
		s.Refused = refusal
		plan = r.judge(s)
		plan.Intent, plan.Action = nil, nil
	}
	if plan.ValuesOnly && !r.values.TryAccept() {
		// They come after what is waited for: thousands of busy policies would else
		// write values alone.
		return min(cmp.Or(plan.Next, s.Settings.ValuesEvery), s.Settings.ValuesEvery), nil
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
// kinds come with a CRD, and features with a new API server.
func (r *reconciler) lookAgain(s decide.Snapshot, next time.Duration) time.Duration {
	at := time.Duration(0)
	switch {
	case s.Policy == nil:
	case s.Capabilities.Version.GitVersion == "", s.Target.State == decide.TargetKindUnknown, s.Target.State == decide.TargetNotScalable:
		at = retryAfter
	case s.Policy.Spec.Replicas.Min == 0 && !s.Capabilities.ScaleToZero:
		at = r.opts.DiscoveryInterval
	}
	if at == 0 || next > 0 && next < at {
		return next
	}
	return at
}

// errRefused is the API server's no to a write.
var errRefused = errors.New("the API server refuses the HPA")

// decide gathers and decides. A plan that takes a target is made once more with the
// claim on it: what other policies did in between is in the cache then.
func (r *reconciler) decide(ctx context.Context, key types.NamespacedName) (decide.Snapshot, decide.Plan, error) {
	s, err := r.gather(ctx, key)
	if err != nil {
		return s, decide.Plan{}, err
	}
	plan := r.judge(s)
	if !retargets(plan) {
		r.claims.drop(key)
		return s, plan, nil
	}
	if !r.claims.take(policyTarget(s.Policy), key) {
		return s, plan, fmt.Errorf("%w: another policy is taking %s", errOvertaken, policyTarget(s.Policy))
	}
	if s, err = r.gather(ctx, key); err != nil {
		return s, decide.Plan{}, err
	}
	if plan = r.judge(s); !retargets(plan) {
		r.claims.drop(key)
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
	if plan.Action == nil {
		return nil, nil
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

// carryOut makes the one write of an action. It returns the HPA as it is then, where
// the action is to store one.
func (r *reconciler) carryOut(ctx context.Context, a *decide.Action) (*autoscalingv2.HorizontalPodAutoscaler, error) {
	var written *autoscalingv2.HorizontalPodAutoscaler
	return written, r.call(ctx, func(ctx context.Context) (err error) {
		switch a.Kind {
		case decide.Apply:
			written, err = apply(ctx, r.cached, a)
		case decide.DryRun:
			_, err = apply(ctx, r.direct, a, client.DryRunAll)
		case decide.RemoveFields:
			err = r.removeFields(ctx, a)
		case decide.Disown:
			err = r.disown(ctx, a)
		case decide.DeleteLoser:
			err = overtakenIfGone(r.cached.Delete(ctx, a.HPA.DeepCopy(), client.Preconditions{UID: &a.HPA.UID}))
		default:
			err = fmt.Errorf("an action %q that nobody knows how to carry out", a.Kind)
		}
		return overtaken(err)
	})
}

// removeFields takes fields away that others have put on our HPA.
func (r *reconciler) removeFields(ctx context.Context, a *decide.Action) error {
	type operation struct {
		Op    string `json:"op"`
		Path  string `json:"path"`
		Value string `json:"value,omitempty"`
	}
	// A resourceVersion in what a patch leads to is checked as that of an update is.
	patch := []operation{{"add", "/metadata/resourceVersion", a.ResourceVersion}}
	for _, path := range a.Paths {
		patch = append(patch, operation{"remove", path, ""})
	}
	data, err := json.Marshal(patch)
	if err != nil {
		return err
	}
	return r.cached.Patch(ctx, a.HPA.DeepCopy(), client.RawPatch(types.JSONPatchType, data))
}

// disown updates the HPA to what the action says, without our managedFields. An
// apply of nothing would do the latter, too, but take the fields along.
func (r *reconciler) disown(ctx context.Context, a *decide.Action) error {
	live := &autoscalingv2.HorizontalPodAutoscaler{}
	if err := r.direct.Get(ctx, client.ObjectKeyFromObject(a.HPA), live); err != nil {
		return err
	}
	if live.ResourceVersion != a.ResourceVersion {
		return fmt.Errorf("%w: resourceVersion %s, decided on %s", errOvertaken, live.ResourceVersion, a.ResourceVersion)
	}
	update := a.HPA.DeepCopy()
	update.ResourceVersion = a.ResourceVersion
	update.ManagedFields = slices.DeleteFunc(live.ManagedFields, func(e metav1.ManagedFieldsEntry) bool { return e.Manager == Name })
	if len(update.ManagedFields) == 0 {
		// The API server's way to say none; an empty list leaves them as they are.
		update.ManagedFields = []metav1.ManagedFieldsEntry{{}}
	}
	return r.cached.Update(ctx, update)
}

// writeStatus stores a status, and brings p up to it.
func (r *reconciler) writeStatus(ctx context.Context, p *v1alpha1.AutoscalingPolicy, status v1alpha1.AutoscalingPolicyStatus) error {
	update := p.DeepCopy()
	update.Status = status
	err := r.call(ctx, func(ctx context.Context) error { return overtaken(r.cached.Status().Update(ctx, update)) })
	r.metrics.wrote("autoscalingpolicies/status", "Update", err)
	if err != nil {
		return fmt.Errorf("write the status: %w", err)
	}
	p.Status, p.ResourceVersion = update.Status, update.ResourceVersion
	return nil
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

// call bounds one request.
func (r *reconciler) call(ctx context.Context, f func(context.Context) error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, r.opts.CallTimeout, fmt.Errorf("no answer within %s", r.opts.CallTimeout))
	defer cancel()
	return f(ctx)
}

// overtaken makes a conflict about the resourceVersion or the UID errOvertaken. One
// about who owns a field is a refusal, see refused.
func overtaken(err error) error {
	if apierrors.IsConflict(err) && !apierrors.HasStatusCause(err, metav1.CauseTypeFieldManagerConflict) || apierrors.IsNotFound(err) {
		return fmt.Errorf("%w: %w", errOvertaken, err)
	}
	return err
}

// overtakenIfGone makes an object that is gone errOvertaken.
func overtakenIfGone(err error) error {
	if apierrors.IsNotFound(err) {
		return fmt.Errorf("%w: %w", errOvertaken, err)
	}
	return err
}

// refused is the API server's no to a write, or nil where there was none. What may
// pass, such as a time-out or too many requests, is none.
func refused(err error) *decide.Refusal {
	switch {
	case apierrors.HasStatusCause(err, metav1.CauseTypeFieldManagerConflict):
		return &decide.Refusal{Conflict: true, Message: err.Error()}
	case apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause):
		return nil // garbage collection is about to take the policy, too
	case apierrors.IsInvalid(err), apierrors.IsForbidden(err), apierrors.IsBadRequest(err):
		return &decide.Refusal{Message: err.Error()}
	}
	return nil
}

// reason is a word of few for the metric of errors.
func reason(err error) string {
	if errors.Is(err, errRefused) {
		return "refused"
	}
	if errors.Is(err, context.DeadlineExceeded) || apierrors.IsTimeout(err) || apierrors.IsServerTimeout(err) {
		return "timeout"
	}
	if status := apierrors.APIStatus(nil); errors.As(err, &status) {
		return "answer"
	}
	return "connection"
}
