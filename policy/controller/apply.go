package controller

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	applyv2 "k8s.io/client-go/applyconfigurations/autoscaling/v2"
	applymeta "k8s.io/client-go/applyconfigurations/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/loadline/loadline/policy/decide"
)

// apply applies the HPA of an action, and returns it as it is then.
func apply(ctx context.Context, c client.Client, a *decide.Action, opts ...client.ApplyOption) (*autoscalingv2.HorizontalPodAutoscaler, error) {
	config, err := applyConfiguration(a)
	if err != nil {
		return nil, err
	}
	// One that was made under this name since the cache was read is not ours to take. A
	// server-side apply cannot say that nothing must exist, so one that is equal in all
	// that we set, or of which nobody is on record as an owner, is taken all the same. A
	// create could say it, but would leave us an entry of updates besides that of applies,
	// and what we leave out later would stay.
	if a.ResourceVersion != "" {
		opts = append(opts, client.ForceOwnership)
	}
	if err := c.Apply(ctx, config, opts...); err != nil {
		return nil, err
	}
	// The answer was decoded into what was sent.
	written := a.HPA.DeepCopy()
	if config.UID != nil {
		written.UID = *config.UID
	}
	if config.ResourceVersion != nil {
		written.ResourceVersion = *config.ResourceVersion
	}
	return written, nil
}

// applyConfiguration is the HPA of an action as the fields that we want to own: its
// spec, labels, annotations and owner references, and nothing of what a typed object
// says without having been told, such as a status.
func applyConfiguration(a *decide.Action) (*applyv2.HorizontalPodAutoscalerApplyConfiguration, error) {
	spec, err := applySpec(a.HPA.Spec)
	if err != nil {
		return nil, err
	}
	out := applyv2.HorizontalPodAutoscaler(a.HPA.Name, a.HPA.Namespace).
		WithLabels(a.HPA.Labels).WithAnnotations(a.HPA.Annotations).WithSpec(spec)
	for _, ref := range a.HPA.OwnerReferences {
		o := applymeta.OwnerReference().WithAPIVersion(ref.APIVersion).WithKind(ref.Kind).WithName(ref.Name).WithUID(ref.UID)
		o.Controller, o.BlockOwnerDeletion = ref.Controller, ref.BlockOwnerDeletion
		out.WithOwnerReferences(o)
	}
	if a.ResourceVersion != "" {
		// With it, what was read and is gone by now is a conflict and not made anew.
		out.WithResourceVersion(a.ResourceVersion)
	}
	return out, nil
}

// applySpec goes by JSON. In a spec that is whole as Build makes it, what has no
// omitempty (maxReplicas, types, names, values and periods) is always meant; a field
// that the apply configuration does not know is an error rather than lost.
func applySpec(spec autoscalingv2.HorizontalPodAutoscalerSpec) (*applyv2.HorizontalPodAutoscalerSpecApplyConfiguration, error) {
	data, err := json.Marshal(spec)
	if err != nil {
		return nil, err
	}
	out := applyv2.HorizontalPodAutoscalerSpec()
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(out); err != nil {
		return nil, fmt.Errorf("the spec as an apply configuration: %w", err)
	}
	return out, nil
}
