package controller

import (
	"context"
	"fmt"
	"slices"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/loadline/loadline/policy/api/v1alpha1"
	"github.com/loadline/loadline/policy/decide"
	"github.com/loadline/loadline/policy/hpa"
)

// withoutWaiting reads the cache as it is, without waiting for writes of ours to
// appear in it.
type withoutWaiting struct{}

func (withoutWaiting) ApplyToGet(o *client.GetOptions)   { o.DisableReadYourWritesConsistency = true }
func (withoutWaiting) ApplyToList(o *client.ListOptions) { o.DisableReadYourWritesConsistency = true }

// noWait is for whatever other workers are writing: one slow answer would hold all
// of them up.
var noWait withoutWaiting

// gather collects all that a decision about the policy of a name needs. The target is
// not read where it is given.
func (r *reconciler) gather(ctx context.Context, key types.NamespacedName, target *decide.Target) (decide.Snapshot, error) {
	s := decide.Snapshot{Now: r.opts.Now(), Settings: r.settings()}
	policy := &v1alpha1.AutoscalingPolicy{}
	switch err := r.cached.Get(ctx, key, policy); {
	case err == nil:
		s.Policy = policy
	case !apierrors.IsNotFound(err):
		return s, fmt.Errorf("read the policy: %w", err)
	}
	live := &autoscalingv2.HorizontalPodAutoscaler{}
	switch err := r.cached.Get(ctx, key, live); {
	case err == nil:
		s.Live = live
	case !apierrors.IsNotFound(err):
		return s, fmt.Errorf("read the HPA: %w", err)
	}
	if s.Policy != nil {
		var err error
		for _, t := range policyTargets(policy) {
			rivals, err := r.rivals(ctx, policy, t)
			if err != nil {
				return s, err
			}
			s.Rivals = append(s.Rivals, rivals...)
		}
		if err := r.handoff(ctx, &s); err != nil {
			return s, err
		}
		o, err := r.workload(ctx, policyTarget(policy))
		if err != nil {
			return s, err
		}
		if o != nil {
			v, _ := view(o)
			s.Rollout = &v
		}
		s.Unmetered = r.unmetered(ctx, policy, o, s.Rollout)
		s.Capabilities = r.features.get(ctx)
		if target == nil {
			s.Target = r.target(ctx, s)
		} else {
			s.Target = *target
		}
	}
	if s.Live != nil && decide.NeedsFields(s) {
		whole := &autoscalingv2.HorizontalPodAutoscaler{}
		if err := r.call(ctx, func(ctx context.Context) error { return r.direct.Get(ctx, key, whole) }); err != nil {
			return s, fmt.Errorf("read the HPA with its managedFields: %w", overtaken(err))
		}
		s.Live, s.Whole = whole, true
	}
	return s, nil
}

// settings are the administrator's. It is the adapter that confines queries; here it is
// only said sooner what it is going to find wrong with one.
func (r *reconciler) settings() decide.Settings {
	s := decide.Defaults()
	s.UnknownHold, s.Sync, s.CheckQuery = r.opts.UnknownHold, r.opts.HPASync, r.opts.Queries.Check
	s.MetricWindow, s.HoldOutages = r.opts.MetricWindow, r.opts.HoldOutages
	return s
}

// policiesAt are the policies that name a target.
func (r *reconciler) policiesAt(ctx context.Context, t target) ([]v1alpha1.AutoscalingPolicy, error) {
	var list v1alpha1.AutoscalingPolicyList
	err := r.cached.List(ctx, &list, client.InNamespace(t.namespace), client.MatchingFields{byTarget: t.String()}, noWait)
	return list.Items, err
}

// hpasAt are the HPAs that scale a target.
func (r *reconciler) hpasAt(ctx context.Context, t target) ([]autoscalingv2.HorizontalPodAutoscaler, error) {
	var list autoscalingv2.HorizontalPodAutoscalerList
	if err := r.cached.List(ctx, &list, client.InNamespace(t.namespace), client.MatchingFields{byTarget: t.String()}, noWait); err != nil {
		return nil, fmt.Errorf("list the HPAs of the %s %s: %w", t.kind, t.name, err)
	}
	return list.Items, nil
}

// rivals are the HPAs and the policies on a target of the policy, without its own.
func (r *reconciler) rivals(ctx context.Context, p *v1alpha1.AutoscalingPolicy, on v1alpha1.TargetReference) ([]decide.Rival, error) {
	t := targetOf(p.Namespace, on)
	policies, err := r.policiesAt(ctx, t)
	if err != nil {
		return nil, fmt.Errorf("list the policies of the target: %w", err)
	}
	hpas, err := r.hpasAt(ctx, t)
	if err != nil {
		return nil, err
	}
	found := map[string]*decide.Rival{} // by policy
	var order []*decide.Rival
	add := func(x decide.Rival) *decide.Rival {
		if p.Spec.BlueGreen != nil {
			x.On = on
		}
		order = append(order, &x)
		return &x
	}
	for _, other := range policies {
		if other.Name != p.Name && other.DeletionTimestamp == nil {
			found[other.Name] = add(rivalOf(&other))
		}
	}
	for _, h := range hpas {
		if h.Name == p.Name {
			continue
		}
		rival := found[h.Name]
		if rival == nil || !belongs(&h, rival.PolicyUID) {
			if rival, err = r.ownerOf(ctx, &h); err != nil {
				return nil, err
			}
			rival = add(*rival)
		}
		rival.HPA = h.Name
	}
	if holder, held := r.claims.holder(t); held && holder.Name != p.Name {
		if found[holder.Name] == nil {
			found[holder.Name] = add(decide.Rival{Policy: holder.Name})
		}
		found[holder.Name].Claimed = true
	}
	out := make([]decide.Rival, 0, len(order))
	for _, x := range order {
		out = append(out, *x)
	}
	return out, nil
}

// ownerOf is the rival that an HPA belongs to: a policy of ours that names another
// target in its spec by now, or nobody.
func (r *reconciler) ownerOf(ctx context.Context, h *autoscalingv2.HorizontalPodAutoscaler) (*decide.Rival, error) {
	foreign := &decide.Rival{Created: h.CreationTimestamp}
	if h.Labels[hpa.PolicyLabel] != h.Name && h.Annotations[hpa.PolicyUIDAnnotation] == "" {
		return foreign, nil
	}
	owner := &v1alpha1.AutoscalingPolicy{}
	err := r.cached.Get(ctx, client.ObjectKeyFromObject(h), owner, noWait)
	if apierrors.IsNotFound(err) {
		return foreign, nil // its policy was deleted and has left it behind
	}
	if err != nil {
		return nil, fmt.Errorf("read the policy of the HPA %s: %w", h.Name, err)
	}
	if !belongs(h, owner.UID) {
		return foreign, nil
	}
	rival := rivalOf(owner)
	rival.Elsewhere = !slices.Contains(targetsOfPolicy(owner), targetOfHPA(h)[0])
	return &rival, nil
}

// belongs says whether an HPA is that of the policy of its name. One whose label somebody
// took away still is, and is about to be put right.
func belongs(h *autoscalingv2.HorizontalPodAutoscaler, policy types.UID) bool {
	return h.Labels[hpa.PolicyLabel] == h.Name || policy != "" && h.Annotations[hpa.PolicyUIDAnnotation] == string(policy)
}

func rivalOf(p *v1alpha1.AutoscalingPolicy) decide.Rival {
	idle := p.Spec.Mode == v1alpha1.DryRun || p.Spec.Mode == v1alpha1.Paused
	rival := decide.Rival{Policy: p.Name, PolicyUID: p.UID, Created: p.CreationTimestamp, Idle: idle}
	if c := meta.FindStatusCondition(p.Status.Conditions, v1alpha1.Ready); c != nil && c.Status != metav1.ConditionTrue {
		rival.Unready = c.Message
	}
	return rival
}

// target looks up what the policy scales. The scale itself is read only where the HPA
// cannot tell: before there is one, and for a new spec. Otherwise each sync of each
// HPA would cost a request.
func (r *reconciler) target(ctx context.Context, s decide.Snapshot) decide.Target {
	ref := s.Policy.Scaled()
	gv, err := schema.ParseGroupVersion(ref.APIVersion)
	if err != nil {
		return decide.Target{State: decide.TargetKindUnknown}
	}
	gvr, served, known := r.kinds.find(ctx, schema.GroupKind{Group: gv.Group, Kind: ref.Kind})
	switch {
	case !known && gvr.Empty():
		return decide.Target{} // what the cluster serves is not known yet
	case !served:
		return decide.Target{State: decide.TargetKindUnknown}
	case gvr.Empty():
		return decide.Target{State: decide.TargetNotScalable}
	case s.Live != nil && s.Policy.Status.ObservedGeneration == s.Policy.Generation:
		return decide.Target{}
	}
	var found decide.Target
	err = r.call(ctx, func(ctx context.Context) error {
		scale, err := readScale(ctx, r.scales, gvr, s.Policy.Namespace, ref.Name)
		if err == nil {
			found = decide.Target{State: decide.TargetFound, Replicas: scale.Spec.Replicas}
		}
		return err
	})
	if apierrors.IsNotFound(err) {
		return decide.Target{State: decide.TargetNotFound}
	}
	// Empty after another error: a right that is missing does not keep the HPA from working.
	return found
}
