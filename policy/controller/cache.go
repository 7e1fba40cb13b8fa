package controller

import (
	"context"
	"fmt"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	clientscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"github.com/loadline/loadline/policy/api/v1alpha1"
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
	if o.HoldRollouts {
		out.ByObject = watched()
	}
	return out
}

// byTarget is the index of policies and HPAs by what they scale.
const byTarget = "target"

// target is what a policy or an HPA scales. The version does not tell two apart:
// the HPA controller ignores it as well.
type target struct{ namespace, group, kind, name string }

func (t target) String() string { return t.group + "/" + t.kind + "/" + t.name }

func policyTarget(p *v1alpha1.AutoscalingPolicy) target {
	ref := p.Spec.TargetRef
	return newTarget(p.Namespace, ref.APIVersion, ref.Kind, ref.Name)
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

func targetOfPolicy(o client.Object) []string {
	return []string{policyTarget(o.(*v1alpha1.AutoscalingPolicy)).String()}
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
	if err := mgr.GetFieldIndexer().IndexField(ctx, &v1alpha1.AutoscalingPolicy{}, byTarget, targetOfPolicy); err != nil {
		return err
	}
	return mgr.GetFieldIndexer().IndexField(ctx, &autoscalingv2.HorizontalPodAutoscaler{}, byTarget, targetOfHPA)
}
