package controller

import (
	"context"
	"fmt"
	"strings"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/version"
	"k8s.io/client-go/discovery"
	"k8s.io/klog/v2"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/loadline/loadline/policy/hpa"
)

// features knows what the API server takes in an HPA. It tries: versions say what a
// feature gate is by default, not what it is. Where it never could try, it goes by that.
type features struct {
	answer *refreshed[hpa.Capabilities]
}

func newFeatures(c client.Client, disco discovery.ServerVersionInterfaceWithContext, o *Options) *features {
	var probed bool        // once; one at a time loads
	var known version.Info // the last that was read
	return &features{&refreshed[hpa.Capabilities]{
		what: "which fields of an HPA the API server takes", every: o.DiscoveryInterval, limit: o.CallTimeout, now: o.Now,
		load: func(ctx context.Context) (hpa.Capabilities, error) {
			// Whichever of the two hangs leaves the other its time.
			short, cancel := context.WithTimeout(ctx, o.CallTimeout/4)
			defer cancel()
			is, err := disco.ServerVersionWithContext(short)
			if err == nil {
				known = *is
			}
			out, tried := try(ctx, c, o.Namespace)
			switch {
			case tried == nil:
				out.Probed, probed = o.Now(), true
				return out.Of(known), nil
			case probed || err != nil:
				// What was found by trying is better than what the version tells.
				return hpa.Capabilities{}, tried
			}
			// A webhook that takes no dry run must not cost everybody their features.
			klog.FromContext(ctx).Error(tried, "Going by the version", "version", known.GitVersion)
			return hpa.Assume(known.GitVersion)
		},
	}}
}

// get returns what is known; before the first answer that is nothing, and says so.
func (f *features) get(ctx context.Context) hpa.Capabilities {
	c, _ := f.answer.get(ctx, false)
	return c
}

// try has the API server take HPAs without storing them.
func try(ctx context.Context, c client.Client, namespace string) (hpa.Capabilities, error) {
	var out hpa.Capabilities
	zero := trial(namespace)
	zero.Spec.MinReplicas = ptr.To[int32](0)
	switch err := c.Create(ctx, zero, client.DryRunAll); {
	case err == nil:
		out.ScaleToZero = zero.Spec.MinReplicas != nil && *zero.Spec.MinReplicas == 0
	case !apierrors.IsInvalid(err) || !strings.Contains(err.Error(), "minReplicas"):
		return hpa.Capabilities{}, fmt.Errorf("try an HPA with min 0 in namespace %s: %w", namespace, err)
	}
	more := trial(namespace)
	more.Spec.Behavior = &autoscalingv2.HorizontalPodAutoscalerBehavior{
		ScaleUp: &autoscalingv2.HPAScalingRules{Tolerance: ptr.To(resource.MustParse("0.2"))},
	}
	more.Spec.Metrics = append(more.Spec.Metrics, autoscalingv2.MetricSpec{
		Type: autoscalingv2.ContainerResourceMetricSourceType,
		ContainerResource: &autoscalingv2.ContainerResourceMetricSource{
			Name: "cpu", Container: "trial", Target: autoscalingv2.MetricTarget{Type: autoscalingv2.UtilizationMetricType, AverageUtilization: ptr.To[int32](50)},
		},
	})
	switch err := c.Create(ctx, more, client.DryRunAll); {
	case err == nil:
		// Where a gate is off, the API server drops its field without a word.
		b := more.Spec.Behavior
		out.Tolerance = b != nil && b.ScaleUp != nil && b.ScaleUp.Tolerance != nil
		out.ContainerResource = len(more.Spec.Metrics) == 2 && more.Spec.Metrics[1].ContainerResource != nil
	case !apierrors.IsInvalid(err): // of an API server that knows no such metric
		return hpa.Capabilities{}, fmt.Errorf("try an HPA with a tolerance in namespace %s: %w", namespace, err)
	}
	return out, nil
}

// trial is an HPA that every API server takes.
func trial(namespace string) *autoscalingv2.HorizontalPodAutoscaler {
	return &autoscalingv2.HorizontalPodAutoscaler{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "loadline-trial-", Namespace: namespace},
		Spec: autoscalingv2.HorizontalPodAutoscalerSpec{
			ScaleTargetRef: autoscalingv2.CrossVersionObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Name: "loadline-trial"},
			MinReplicas:    ptr.To[int32](1),
			MaxReplicas:    1,
			Metrics: []autoscalingv2.MetricSpec{{
				Type: autoscalingv2.ExternalMetricSourceType,
				External: &autoscalingv2.ExternalMetricSource{
					Metric: autoscalingv2.MetricIdentifier{Name: "loadline_trial"},
					Target: autoscalingv2.MetricTarget{Type: autoscalingv2.AverageValueMetricType, AverageValue: ptr.To(resource.MustParse("1"))},
				},
			}},
		},
	}
}
