package controller

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/loadline/loadline/policy/api/v1alpha1"
	"github.com/loadline/loadline/policy/decide"
	"github.com/loadline/loadline/policy/hpa"
)

// carryOut makes the one write of an action. It returns the HPA as it is then, where
// the action is to store one.
func (r *reconciler) carryOut(ctx context.Context, a *decide.Action) (*autoscalingv2.HorizontalPodAutoscaler, error) {
	var written *autoscalingv2.HorizontalPodAutoscaler
	// In one return with the call it would be left open which is read first.
	err := r.call(ctx, func(ctx context.Context) (err error) {
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
			err = r.cached.Delete(ctx, a.HPA.DeepCopy(), client.Preconditions{UID: &a.HPA.UID, ResourceVersion: &a.ResourceVersion})
		default:
			err = fmt.Errorf("an action %q that nobody knows how to carry out", a.Kind)
		}
		return overtaken(err)
	})
	return written, err
}

// stillOwns keeps an owner reference from being put back that the garbage collector has
// just taken away, on behalf of a policy that is deleted with --cascade=orphan: the cache
// may learn of the HPA before it learns of the policy, and the HPA would be deleted after all.
func (r *reconciler) stillOwns(ctx context.Context, key types.NamespacedName, s *decide.Snapshot, a *decide.Action) error {
	if a.Kind != decide.Apply || s.Live == nil || s.Policy == nil || !slices.ContainsFunc(a.HPA.OwnerReferences, hpa.IsPolicy) ||
		slices.ContainsFunc(s.Live.OwnerReferences, hpa.IsPolicy) {
		return nil
	}
	now := &v1alpha1.AutoscalingPolicy{}
	if err := r.call(ctx, func(ctx context.Context) error { return r.direct.Get(ctx, key, now) }); err != nil {
		return fmt.Errorf("read the policy: %w", overtaken(err))
	}
	if now.DeletionTimestamp != nil || now.UID != s.Policy.UID {
		return fmt.Errorf("%w: the policy is being deleted", errOvertaken)
	}
	return nil
}

// removeFields takes fields away that others have put on our HPA.
func (r *reconciler) removeFields(ctx context.Context, a *decide.Action) error {
	var removals []operation
	for _, path := range a.Paths {
		removals = append(removals, operation{"remove", path, nil})
	}
	patch, err := versioned(a.ResourceVersion, removals...)
	if err != nil {
		return err
	}
	return r.cached.Patch(ctx, a.HPA.DeepCopy(), patch)
}

// operation is one of a JSON patch (RFC 6902).
type operation struct {
	Op    string `json:"op"`
	Path  string `json:"path"`
	Value any    `json:"value,omitempty"`
}

// versioned is a JSON patch of an object that still has a resourceVersion: one in what a
// patch leads to is checked as that of an update is.
func versioned(version string, of ...operation) (client.Patch, error) {
	data, err := json.Marshal(append([]operation{{"add", "/metadata/resourceVersion", version}}, of...))
	return client.RawPatch(types.JSONPatchType, data), err
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
	update.ManagedFields = decide.Disowned(live.ManagedFields, Name)
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

// call bounds one request.
func (r *reconciler) call(ctx context.Context, f func(context.Context) error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, r.opts.CallTimeout, fmt.Errorf("no answer within %s", r.opts.CallTimeout))
	defer cancel()
	return f(ctx)
}
