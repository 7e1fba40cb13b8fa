package controller

import (
	"context"
	"fmt"

	autoscalingv1 "k8s.io/api/autoscaling/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/klog/v2"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/loadline/loadline/policy/handoff"
)

// handOver makes the one write of a handoff.
func (r *reconciler) handOver(ctx context.Context, namespace string, a *handoff.Action) error {
	klog.FromContext(ctx).Info("Handing over", "action", a.Kind, "target", a.Target.Name, "replicas", a.Replicas, "service", a.Service, "why", a.Why)
	switch a.Kind {
	case handoff.Scale:
		err := overtaken(r.scale(ctx, namespace, a))
		r.metrics.wrote("scales", string(a.Kind), err)
		if err != nil {
			return fmt.Errorf("scale the %s %s: %w", a.Target.Kind, a.Target.Name, err)
		}
	case handoff.Flip:
		err := overtaken(r.flip(ctx, namespace, a))
		r.metrics.wrote("services", string(a.Kind), err)
		if err != nil {
			return fmt.Errorf("change the selector of the Service %s: %w", a.Service, err)
		}
	default:
		return fmt.Errorf("a handoff %q that nobody knows how to make", a.Kind)
	}
	return nil
}

// scale writes the scale of a workload, if it is still of the size that was decided on.
func (r *reconciler) scale(ctx context.Context, namespace string, a *handoff.Action) error {
	o, err := r.object(ctx, targetOf(namespace, a.Target), true)
	if err != nil {
		return err
	}
	if o == nil {
		return fmt.Errorf("%w: it is not there any more", errOvertaken)
	}
	return r.call(ctx, func(ctx context.Context) error {
		scale := &autoscalingv1.Scale{}
		if err := r.direct.SubResource("scale").Get(ctx, o, scale); err != nil {
			return err
		}
		if scale.Spec.Replicas != a.From {
			return fmt.Errorf("%w: it has %d replicas, decided on %d", errOvertaken, scale.Spec.Replicas, a.From)
		}
		scale.Spec.Replicas = a.Replicas // with the resourceVersion that was read
		return r.direct.SubResource("scale").Update(ctx, o, client.WithSubResourceBody(scale))
	})
}

// flip changes the selector of a Service that is still as it was read.
func (r *reconciler) flip(ctx context.Context, namespace string, a *handoff.Action) error {
	patch, err := versioned(a.ResourceVersion, operation{"replace", "/spec/selector", a.Selector})
	if err != nil {
		return err
	}
	service := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: a.Service}}
	return r.call(ctx, func(ctx context.Context) error {
		return r.direct.Patch(ctx, service, patch)
	})
}
