package lab

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/utils/ptr"

	"github.com/loadline/loadline/policy/api/v1alpha1"
	"github.com/loadline/loadline/policy/hpa"
)

const hpaKind = "HorizontalPodAutoscaler"

// StartRemindMe applies the sample workload with its HPAs, and waits until it runs.
func (l *Lab) StartRemindMe(ctx context.Context) error {
	l.say("Starting Remind Me")
	objects, err := l.remindMe(ctx)
	if err != nil {
		return err
	}
	for _, o := range objects {
		if o.GetKind() == hpaKind && l.opts.DownscaleStabilization > 0 {
			seconds := int64(l.opts.DownscaleStabilization / time.Second)
			if err := unstructured.SetNestedField(o.Object, seconds, "spec", "behavior", "scaleDown", "stabilizationWindowSeconds"); err != nil {
				return err
			}
		}
	}
	return l.runRemindMe(ctx, objects)
}

// StartRemindMeByPolicies applies the sample workload, waits until it runs, and applies
// its AutoscalingPolicies in place of its HPAs. It returns when each policy has an HPA.
// Where a policy has a fallback, it is after this time. loadline-policy must run.
func (l *Lab) StartRemindMeByPolicies(ctx context.Context, after time.Duration) error {
	l.say("Starting Remind Me with its policies")
	objects, err := l.remindMe(ctx)
	if err != nil {
		return err
	}
	objects = slices.DeleteFunc(objects, func(o *unstructured.Unstructured) bool { return o.GetKind() == hpaKind })
	if err := l.runRemindMe(ctx, objects); err != nil {
		return err
	}
	data, err := os.ReadFile(filepath.Join(l.opts.Root, "deploy", "examples", "remindme", "manifests", "policies.yaml"))
	if err != nil {
		return err
	}
	policies, err := Decode(data)
	if err != nil {
		return err
	}
	for _, p := range policies {
		p.SetNamespace(RemindMeNamespace)
		if err := hasten(p, l.opts.DownscaleStabilization, after); err != nil {
			return fmt.Errorf("AutoscalingPolicy %s: %w", p.GetName(), err)
		}
	}
	if err := l.Apply(ctx, policies); err != nil {
		return err
	}
	for _, p := range policies {
		if err := l.hasHPA(ctx, p.GetName()); err != nil {
			return err
		}
	}
	return nil
}

// hasten gives a policy the pace of the lab: the behavior of its profile with another
// scaleDown window, and its fallback, if it has one, after another time. What is 0 stays.
func hasten(policy *unstructured.Unstructured, window, after time.Duration) error {
	var p v1alpha1.AutoscalingPolicy
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(policy.Object, &p); err != nil {
		return err
	}
	if p.Spec.Fallback != nil && after > 0 {
		if err := unstructured.SetNestedField(policy.Object, after.String(), "spec", "fallback", "after"); err != nil {
			return err
		}
	}
	if window == 0 {
		return nil
	}
	b := hpa.Behavior(&p.Spec, hpa.Capabilities{})
	b.ScaleDown.StabilizationWindowSeconds = ptr.To(int32(window / time.Second))
	behavior, err := runtime.DefaultUnstructuredConverter.ToUnstructured(b)
	if err != nil {
		return err
	}
	unstructured.RemoveNestedField(policy.Object, "spec", "profile")
	return unstructured.SetNestedMap(policy.Object, behavior, "spec", "behavior")
}

// hasHPA waits for the HPA of one of Remind Me's policies.
func (l *Lab) hasHPA(ctx context.Context, name string) error {
	var found *autoscalingv2.HorizontalPodAutoscaler
	err := Until(ctx, "the HPA of the policy "+name, 30*time.Second, func(ctx context.Context) (bool, string) {
		var err error
		found, err = l.Client.AutoscalingV2().HorizontalPodAutoscalers(RemindMeNamespace).Get(ctx, name, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return false, "none"
		} else if err != nil {
			return false, err.Error()
		}
		return true, ""
	})
	if err != nil {
		return err
	}
	if of := found.Labels[hpa.PolicyLabel]; of != name {
		return fmt.Errorf("the HPA %s is not the policy's: its label %s is %q", name, hpa.PolicyLabel, of)
	}
	return nil
}

func (l *Lab) remindMe(ctx context.Context) ([]*unstructured.Unstructured, error) {
	return l.Kustomize(ctx, filepath.Join(l.opts.Root, "deploy", "examples", "remindme", "manifests"))
}

func (l *Lab) runRemindMe(ctx context.Context, objects []*unstructured.Unstructured) error {
	if err := l.Apply(ctx, objects); err != nil {
		return err
	}
	for _, name := range []string{"remindmeweb-deployment", "remindme-worker"} {
		if err := l.Available(ctx, RemindMeNamespace, name, 2*time.Minute); err != nil {
			return err
		}
	}
	return Until(ctx, "StatefulSet remindmeapi-statefulset", time.Minute, func(ctx context.Context) (bool, string) {
		s, err := l.Client.AppsV1().StatefulSets(RemindMeNamespace).Get(ctx, "remindmeapi-statefulset", metav1.GetOptions{})
		if err != nil {
			return false, err.Error()
		}
		return s.Status.ReadyReplicas > 0 && s.Status.ReadyReplicas == *s.Spec.Replicas, fmt.Sprintf("%d ready of %d", s.Status.ReadyReplicas, *s.Spec.Replicas)
	})
}
