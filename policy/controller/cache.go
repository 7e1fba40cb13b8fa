package controller

import (
	"context"
	"fmt"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	clientscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"github.com/loadline/loadline/policy/api/v1alpha1"
	"github.com/loadline/loadline/policy/floor"
	"github.com/loadline/loadline/policy/rollout"
)

func newScheme() (*runtime.Scheme, error) {
	s := runtime.NewScheme()
	if err := clientscheme.AddToScheme(s); err != nil {
		return nil, err
	}
	return s, v1alpha1.AddToScheme(s)
}

// cacheOptions keep managedFields out of memory, of which they would be half. The
// few decisions that need them read the HPA anew. Of workloads there is only what tells
// how far a rollout is.
func cacheOptions(o *Options) cache.Options {
	out := cache.Options{DefaultTransform: cache.TransformStripManagedFields()}
	out.ByObject = map[client.Object]cache.ByObject{}
	if o.HoldRollouts {
		out.ByObject = workloads()
	}
	out.ByObject[&autoscalingv2.HorizontalPodAutoscaler{}] = cache.ByObject{Transform: floor.Strip}
	if o.FollowServices {
		out.ByObject[&corev1.Service{}] = cache.ByObject{Transform: rollout.Strip}
	}
	return out
}

// byTarget is the index of policies and HPAs by what they scale, byService that of policies
// by the Service behind which their targets take turns.
const (
	byTarget  = "target"
	byService = "service"
)

// target is what a policy or an HPA scales. The version does not tell two apart:
// the HPA controller ignores it as well.
type target struct{ namespace, group, kind, name string }

func (t target) String() string { return t.group + "/" + t.kind + "/" + t.name }

// policyTarget is what the HPA of a policy scales.
func policyTarget(p *v1alpha1.AutoscalingPolicy) target { return targetOf(p.Namespace, p.Scaled()) }

// policyTargets are what it scales and what that takes turns with.
func policyTargets(p *v1alpha1.AutoscalingPolicy) []v1alpha1.TargetReference {
	if p.Spec.BlueGreen == nil {
		return []v1alpha1.TargetReference{p.Spec.TargetRef}
	}
	return []v1alpha1.TargetReference{p.Spec.TargetRef, p.Spec.BlueGreen.OtherRef}
}

func targetOf(namespace string, t v1alpha1.TargetReference) target {
	return newTarget(namespace, t.APIVersion, t.Kind, t.Name)
}

func hpaTarget(h *autoscalingv2.HorizontalPodAutoscaler) target {
	ref := h.Spec.ScaleTargetRef
	return newTarget(h.Namespace, ref.APIVersion, ref.Kind, ref.Name)
}

func newTarget(namespace, apiVersion, kind, name string) target {
	gv, err := schema.ParseGroupVersion(apiVersion)
	if err != nil {
		// A foreign HPA's, which then scales nothing.
		return target{namespace, "?", kind, name}
	}
	return target{namespace, gv.Group, kind, name}
}

func targetsOfPolicy(o client.Object) []string {
	var out []string
	for _, t := range policyTargets(o.(*v1alpha1.AutoscalingPolicy)) {
		out = append(out, targetOf("", t).String())
	}
	return out
}

func serviceOfPolicy(o client.Object) []string {
	if b := o.(*v1alpha1.AutoscalingPolicy).Spec.BlueGreen; b != nil {
		return []string{b.Service}
	}
	return nil
}

func targetOfHPA(o client.Object) []string {
	return []string{hpaTarget(o.(*autoscalingv2.HorizontalPodAutoscaler)).String()}
}

// index adds the index to the cache. It fails where the API server does not know the
// policy's kind, which the cache would wait for.
func index(ctx context.Context, mgr manager.Manager) error {
	kind := v1alpha1.GroupVersion.WithKind(v1alpha1.Kind)
	if _, err := mgr.GetRESTMapper().RESTMapping(kind.GroupKind(), kind.Version); err != nil {
		if meta.IsNoMatchError(err) {
			return fmt.Errorf("the cluster does not know the kind %s: apply deploy/crd: %w", kind.Kind, err)
		}
		return fmt.Errorf("look up the kind %s: %w", kind.Kind, err)
	}
	if err := mgr.GetFieldIndexer().IndexField(ctx, &v1alpha1.AutoscalingPolicy{}, byTarget, targetsOfPolicy); err != nil {
		return err
	}
	if err := mgr.GetFieldIndexer().IndexField(ctx, &v1alpha1.AutoscalingPolicy{}, byService, serviceOfPolicy); err != nil {
		return err
	}
	return mgr.GetFieldIndexer().IndexField(ctx, &autoscalingv2.HorizontalPodAutoscaler{}, byTarget, targetOfHPA)
}
