//go:build e2e

package policy

import (
	"context"
	"fmt"
	"testing"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/loadline/loadline/policy/api/v1alpha1"
)

// namespace makes one for the test's time.
func namespace(t *testing.T) string {
	t.Helper()
	n := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "policy-"}}
	must(t, kube.Create(t.Context(), n))
	t.Cleanup(func() {
		// Not the test's context, which is done by now.
		if err := kube.Delete(context.Background(), n); err != nil {
			t.Error(err)
		}
	})
	return n.Name
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// newPolicy is a policy as small as one can be, edited.
func newPolicy(namespace, name string, edit ...func(*v1alpha1.AutoscalingPolicy)) *v1alpha1.AutoscalingPolicy {
	p := &v1alpha1.AutoscalingPolicy{
		TypeMeta:   metav1.TypeMeta{APIVersion: v1alpha1.GroupVersion.String(), Kind: v1alpha1.Kind},
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec: v1alpha1.AutoscalingPolicySpec{
			TargetRef:  v1alpha1.TargetReference{APIVersion: "apps/v1", Kind: "Deployment", Name: name},
			Replicas:   v1alpha1.Replicas{Min: 2, Max: 6},
			Objectives: []v1alpha1.Objective{{RequestRate: &v1alpha1.RequestRate{PerPod: resource.MustParse("50")}}},
		},
	}
	for _, e := range edit {
		e(p)
	}
	return p
}

// create stores an object and leaves o as it was, to be created again.
func create[T client.Object](t *testing.T, o T) T {
	t.Helper()
	stored := o.DeepCopyObject().(T)
	must(t, kube.Create(t.Context(), stored))
	return stored
}

// getHPA returns the HPA of a name, or an error that says why not.
func getHPA(ctx context.Context, namespace, name string) (*autoscalingv2.HorizontalPodAutoscaler, error) {
	h := &autoscalingv2.HorizontalPodAutoscaler{}
	return h, kube.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, h)
}

func getPolicy(ctx context.Context, namespace, name string) (*v1alpha1.AutoscalingPolicy, error) {
	p := &v1alpha1.AutoscalingPolicy{}
	return p, kube.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, p)
}

// edit changes a stored object, again where another writer was faster.
func edit[T client.Object](t *testing.T, o T, change func(T)) {
	t.Helper()
	system.Until(t, fmt.Sprintf("edit of %T %s", o, o.GetName()), 10*time.Second, func(ctx context.Context) (bool, string) {
		if err := kube.Get(ctx, client.ObjectKeyFromObject(o), o); err != nil {
			return false, err.Error()
		}
		change(o)
		if err := kube.Update(ctx, o); err != nil {
			return false, err.Error()
		}
		return true, ""
	})
}

// condition is a policy's condition as one line.
func condition(p *v1alpha1.AutoscalingPolicy, kind string) string {
	for _, c := range p.Status.Conditions {
		if c.Type == kind {
			return fmt.Sprintf("%s=%s %s: %s", c.Type, c.Status, c.Reason, c.Message)
		}
	}
	return kind + " is not there"
}
