//go:build e2e

package policy

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/loadline/loadline/hack/lab"
	"github.com/loadline/loadline/policy/api/v1alpha1"
	"github.com/loadline/loadline/policy/controller"
)

// ready waits until a policy's condition Ready has a reason.
func ready(t *testing.T, namespace, name, reason string, limit time.Duration) {
	t.Helper()
	system.Until(t, fmt.Sprintf("policy %s %s", name, reason), limit, func(ctx context.Context) (bool, string) {
		p, err := getPolicy(ctx, namespace, name)
		if err != nil {
			return false, err.Error()
		}
		c := condition(p, v1alpha1.Ready)
		_, rest, _ := strings.Cut(c, " ")
		return strings.HasPrefix(rest, reason+":"), c
	})
}

// size waits until a Deployment is asked to have n replicas.
func size(t *testing.T, namespace, name string, n int32, limit time.Duration) {
	t.Helper()
	system.Until(t, fmt.Sprintf("%s at %d", name, n), limit, func(ctx context.Context) (bool, string) {
		got, err := replicasOf(ctx, namespace, name)
		return err == nil && got == n, fmt.Sprintf("%d, %v", got, err)
	})
}

// A policy may come before its target, and before its target's kind. What is scaled
// to 0 by a person stays there until a person raises it. The size is written by the
// HPA controller alone, never by loadline-policy.
func targets(t *testing.T, _ *metricAPI) {
	ns := namespace(t)
	create(t, newPolicy(ns, "later"))
	built(t, ns, "later")
	ready(t, ns, "later", "TargetNotFound", soon)
	d := sized(t, ns, "later", 1)
	size(t, ns, "later", 2, 30*time.Second) // the policy's min
	ready(t, ns, "later", "Applied", 30*time.Second)

	resize(t, d, 0)
	ready(t, ns, "later", "TargetAtZero", 30*time.Second)
	system.Never(t, 3*hpaSync, func(ctx context.Context) (bool, string) {
		n, err := replicasOf(ctx, ns, "later")
		return err != nil || n != 0, fmt.Sprintf("a person's 0 became %d, %v", n, err)
	})
	resize(t, d, 1)
	size(t, ns, "later", 2, 30*time.Second)
	notOurs(t, ns, &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: "later"}})

	t.Run("a kind of one's own", func(t *testing.T) { ownKind(t, ns) })
}

// ownKind has a policy for a kind that the cluster learns of only then.
func ownKind(t *testing.T, ns string) {
	create(t, newPolicy(ns, "rocket", func(p *v1alpha1.AutoscalingPolicy) {
		p.Spec.TargetRef = v1alpha1.TargetReference{APIVersion: "e2e.loadline.dev/v1", Kind: "Rocket", Name: "rocket"}
	}))
	ready(t, ns, "rocket", "TargetKindUnknown", soon)
	if _, err := getHPA(t.Context(), ns, "rocket"); client.IgnoreNotFound(err) != nil || err == nil {
		t.Errorf("an HPA for a kind that is not there: %v", err)
	}
	objects, err := lab.Decode([]byte(rocketCRD))
	must(t, err)
	must(t, system.Apply(t.Context(), objects))
	t.Cleanup(func() { must(t, kube.Delete(context.Background(), objects[0])) })
	// Kinds that are missing are looked for every 30 s.
	ready(t, ns, "rocket", "TargetNotFound", 75*time.Second)
	built(t, ns, "rocket")

	c, err := dynamic.NewForConfig(system.Cluster.RESTConfig())
	must(t, err)
	rockets := c.Resource(schema.GroupVersionResource{Group: "e2e.loadline.dev", Version: "v1", Resource: "rockets"}).Namespace(ns)
	_, err = rockets.Create(t.Context(), &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "e2e.loadline.dev/v1", "kind": "Rocket", "metadata": map[string]any{"name": "rocket"}, "spec": map[string]any{"replicas": int64(1)},
	}}, metav1.CreateOptions{})
	must(t, err)
	system.Until(t, "the rocket at 2", 45*time.Second, func(ctx context.Context) (bool, string) {
		r, err := rockets.Get(ctx, "rocket", metav1.GetOptions{})
		if err != nil {
			return false, err.Error()
		}
		n, _, _ := unstructured.NestedInt64(r.Object, "spec", "replicas")
		return n == 2, fmt.Sprint(n)
	})
	rocket := &unstructured.Unstructured{}
	rocket.SetGroupVersionKind(schema.GroupVersionKind{Group: "e2e.loadline.dev", Version: "v1", Kind: "Rocket"})
	rocket.SetName("rocket")
	notOurs(t, ns, rocket)
}

// resize is kubectl scale.
func resize(t *testing.T, d *appsv1.Deployment, n int32) {
	t.Helper()
	edit(t, d, func(d *appsv1.Deployment) { d.Spec.Replicas = &n })
}

// notOurs checks that no field of an object was written by loadline-policy.
func notOurs(t *testing.T, namespace string, o client.Object) {
	t.Helper()
	must(t, kube.Get(t.Context(), client.ObjectKey{Namespace: namespace, Name: o.GetName()}, o))
	if len(o.GetManagedFields()) == 0 {
		t.Error("nobody wrote it?")
	}
	for _, m := range o.GetManagedFields() {
		if m.Manager == controller.Name {
			t.Errorf("%s was written by us: %s", o.GetName(), m.FieldsV1)
		}
	}
}

const rocketCRD = `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: rockets.e2e.loadline.dev}
spec:
  group: e2e.loadline.dev
  names: {kind: Rocket, plural: rockets}
  scope: Namespaced
  versions:
  - name: v1
    served: true
    storage: true
    subresources:
      status: {}
      scale: {specReplicasPath: .spec.replicas, statusReplicasPath: .status.replicas, labelSelectorPath: .status.selector}
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec: {type: object, properties: {replicas: {type: integer}}}
          status: {type: object, properties: {replicas: {type: integer}, selector: {type: string}}}
`
