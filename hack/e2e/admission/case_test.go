//go:build e2e

package admission

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"

	cased "github.com/loadline/loadline/hack/admission"
	"github.com/loadline/loadline/hack/e2e/suite"
)

// Every case of hack/admission: what a dry run says is what the write says,
// word for word; what is refused is not stored, and what is warned about is; nobody is
// kept from changing, scaling and deleting what is there; and those who are exempt, a
// namespace that opted out and kube-system hear nothing.
func TestCases(t *testing.T) {
	cases, err := cased.Load(manifests("hack", "admission", "testdata"))
	must(t, err)
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			if c.Offline != "" {
				t.Skip(c.Offline) // the unit test has it
			}
			if o := toZero(&c); o != nil && !system.Gate(t, suite.ScaleToZero) {
				refusesZero(t, o)
				t.Skipf("NO HPA GOES TO 0 HERE: Kubernetes 1.%d, %s is off. Tested was that the API server refuses it", system.Minor(t), suite.ScaleToZero)
			}
			nowhere(&c.Object)
			for i := range c.Given {
				nowhere(&c.Given[i])
			}
			if len(c.Want) > 0 {
				// Before the case's own namespace, whose canary then speaks for these, too.
				off := namespace(t, map[string]string{"loadline.dev/admission": "off"})
				given(t, &c, off)
				given(t, &c, metav1.NamespaceSystem)
				t.Cleanup(func() { clear(t, &c) })
				ns := namespace(t, nil)
				given(t, &c, ns)
				canary(t, ns)
				speaks(t, &c, ns)
				hears(t, "an opted-out namespace", dry(t, somebody, &c, off))
				hears(t, "kube-system", dry(t, somebody, &c, metav1.NamespaceSystem))
				leaves(t, &c, ns)
				return
			}
			ns := namespace(t, nil)
			given(t, &c, ns)
			canary(t, ns)
			hears(t, "a dry run", dry(t, somebody, &c, ns))
			hears(t, "the write", write(t, somebody, &c, ns))
		})
	}
}

// toZero is an HPA with minReplicas 0 that a case begins with or creates; nil for none.
func toZero(c *cased.Case) *unstructured.Unstructured {
	for _, o := range append(slices.Clone(c.Given), c.Object) {
		if least, found, _ := unstructured.NestedInt64(o.Object, "spec", "minReplicas"); found && least == 0 && o.GetKind() == "HorizontalPodAutoscaler" {
			return &o
		}
	}
	return nil
}

// refusesZero sees that the API server itself refuses such an HPA, before any policy of ours.
func refusesZero(t *testing.T, o *unstructured.Unstructured) {
	t.Helper()
	ns := namespace(t, nil)
	_, err := of(ours, ns, o).Create(t.Context(), o.DeepCopy(), metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
	if !apierrors.IsInvalid(err) || !strings.Contains(err.Error(), "spec.minReplicas: Invalid value: 0") {
		t.Errorf("minReplicas 0: %v", err)
	}
	heard.take()
}

// nowhere keeps a workload's pods pending: no test needs them.
func nowhere(o *unstructured.Unstructured) {
	if _, found, _ := unstructured.NestedMap(o.Object, "spec", "template", "spec"); found {
		// The path is there and ends in objects only.
		_ = unstructured.SetNestedStringMap(o.Object, map[string]string{"example.com/nowhere": "true"}, "spec", "template", "spec", "nodeSelector")
	}
}

// given stores what a case begins with, the object of an update included. No policy has
// a say in what loadline-policy writes.
func given(t *testing.T, c *cased.Case, ns string) {
	t.Helper()
	objects := slices.Clone(c.Given)
	if c.Change != nil {
		objects = append(objects, c.Object)
	}
	for i := range objects {
		o := objects[i].DeepCopy()
		stored, err := of(ours, ns, o).Create(t.Context(), o, metav1.CreateOptions{})
		must(t, err)
		if status, found, _ := unstructured.NestedMap(o.Object, "status"); found {
			patch, err := json.Marshal(map[string]any{"status": status})
			must(t, err)
			_, err = of(ours, ns, o).Patch(t.Context(), stored.GetName(), types.MergePatchType, patch, metav1.PatchOptions{}, "status")
			must(t, err)
		}
	}
	heard.take()
}

// clear takes a case's objects out of kube-system.
func clear(t *testing.T, c *cased.Case) {
	for _, o := range append(slices.Clone(c.Given), c.Object) {
		err := of(ours, metav1.NamespaceSystem, &o).Delete(context.Background(), o.GetName(), metav1.DeleteOptions{})
		if err != nil && !apierrors.IsNotFound(err) {
			t.Error(err)
		}
		patch := []byte(`{"metadata":{"finalizers":null}}`)
		_, err = of(ours, metav1.NamespaceSystem, &o).Patch(context.Background(), o.GetName(), types.MergePatchType, patch, metav1.PatchOptions{})
		if err != nil && !apierrors.IsNotFound(err) {
			t.Error(err)
		}
	}
}

// canary waits until the API server's admission has seen all that was stored so far. It
// reads each kind in the order of the writes, so to see the last is to have seen all.
func canary(t *testing.T, ns string) {
	t.Helper()
	for _, kind := range []string{"Deployment", "StatefulSet", "ReplicationController"} {
		c := &cased.Case{Object: *hpa("canary-"+strings.ToLower(kind), kind, "canary")}
		c.Given = []unstructured.Unstructured{workload(kind, "canary", 0), c.Object}
		given(t, c, ns)
		c.Object = *hpa("probe", kind, "canary")
		system.Until(t, "admission knows what "+ns+" holds", soon, func(context.Context) (bool, string) {
			said := strings.Join(dry(t, somebody, c, ns), "\n")
			return strings.Contains(said, "07 two-writers") && strings.Contains(said, "16 green-at-zero"), said
		})
	}
}

func hpa(name, kind, target string) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": map[string]any{"name": name},
		"spec": map[string]any{
			"maxReplicas":    int64(4),
			"scaleTargetRef": map[string]any{"apiVersion": resources[kind].GroupVersion().String(), "kind": kind, "name": target},
		},
	}}
}

func workload(kind, name string, replicas int64) unstructured.Unstructured {
	labels := map[string]any{"app": name}
	var selector any = map[string]any{"matchLabels": labels}
	if kind == "ReplicationController" {
		selector = labels
	}
	spec := map[string]any{
		"replicas": replicas,
		"selector": selector,
		"template": map[string]any{
			"metadata": map[string]any{"labels": labels},
			"spec":     map[string]any{"containers": []any{map[string]any{"name": "app", "image": "example.com/app:v1"}}},
		},
	}
	o := unstructured.Unstructured{Object: map[string]any{"apiVersion": resources[kind].GroupVersion().String(), "kind": kind, "metadata": map[string]any{"name": name}, "spec": spec}}
	nowhere(&o)
	return o
}

// dry is a case's write as a dry run; write is the write. Both return what the policies
// say, and fail the test at any other error.
func dry(t *testing.T, client dynamic.Interface, c *cased.Case, ns string) []string {
	t.Helper()
	return said(t, request(t, client, c, ns, []string{metav1.DryRunAll}))
}

func write(t *testing.T, client dynamic.Interface, c *cased.Case, ns string) []string {
	t.Helper()
	return said(t, request(t, client, c, ns, nil))
}

func request(t *testing.T, client dynamic.Interface, c *cased.Case, ns string, dryRun []string) error {
	t.Helper()
	heard.take()
	if c.Change == nil {
		_, err := of(client, ns, &c.Object).Create(t.Context(), c.Object.DeepCopy(), metav1.CreateOptions{DryRun: dryRun})
		return err
	}
	where, patch := of(client, ns, &c.Object), []byte(c.Change)
	if group, version, through := strings.Cut(c.Through, "/"); through {
		where = client.Resource(schema.GroupVersionResource{Group: group, Version: version, Resource: resources[c.Object.GetKind()].Resource}).Namespace(ns)
		// What the version has no fields for stands in annotations that its clients drop.
		var err error
		patch, err = patchThrough(c.Change)
		must(t, err)
	}
	_, err := where.Patch(t.Context(), c.Object.GetName(), types.MergePatchType, patch, metav1.PatchOptions{DryRun: dryRun})
	return err
}

func patchThrough(change json.RawMessage) ([]byte, error) {
	patch := map[string]any{}
	if err := json.Unmarshal(change, &patch); err != nil {
		return nil, err
	}
	spec, _ := patch["spec"].(map[string]any)
	delete(spec, "metrics")
	delete(spec, "behavior")
	patch["metadata"] = map[string]any{"annotations": map[string]any{
		"autoscaling.alpha.kubernetes.io/metrics": nil, "autoscaling.alpha.kubernetes.io/behavior": nil,
	}}
	return json.Marshal(patch)
}

func said(t *testing.T, err error) []string {
	t.Helper()
	texts := heard.take()
	if err != nil {
		texts = append(texts, err.Error())
	}
	var out []string
	for _, text := range texts {
		message, err := cased.Message(text)
		if err != nil {
			t.Error(err)
		}
		out = append(out, message)
	}
	slices.Sort(out)
	return out
}

func hears(t *testing.T, who string, said []string) {
	t.Helper()
	if len(said) > 0 {
		t.Errorf("%s: %q", who, said)
	}
}

// speaks makes a case's write: as those who are exempt, who hear nothing; as a dry run,
// which stores nothing; and in earnest. What was refused is then stored by loadline-policy.
func speaks(t *testing.T, c *cased.Case, ns string) {
	t.Helper()
	hears(t, "the HPA controller", dry(t, scaler, c, ns))
	hears(t, "loadline-policy", dry(t, ours, c, ns))
	want := slices.Sorted(slices.Values(c.Want))
	version := stored(t, c, ns)
	if diff := cmp.Diff(want, dry(t, somebody, c, ns), cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("a dry run:\n%s", diff)
	}
	err := request(t, somebody, c, ns, nil)
	if diff := cmp.Diff(want, said(t, err)); diff != "" {
		t.Errorf("the write:\n%s", diff)
	}
	switch {
	case err == nil && stored(t, c, ns) == version:
		t.Error("a warning, and it is not stored")
	case err != nil && !apierrors.IsInvalid(err):
		t.Errorf("the reason of the refusal: %v", apierrors.ReasonForError(err))
	case err != nil:
		hears(t, "loadline-policy", write(t, ours, c, ns))
	}
}

// stored is what tells a version of the spec of a case's object from another one. A
// generation would, too, but before 1.37 HPAs have none.
func stored(t *testing.T, c *cased.Case, ns string) string {
	t.Helper()
	o, err := of(somebody, ns, &c.Object).Get(t.Context(), c.Object.GetName(), metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return ""
	}
	must(t, err)
	return fmt.Sprint(o.GetUID(), " ", o.Object["spec"], " ", o.GetAnnotations())
}

// leaves changes, scales and deletes what a case has left in the namespace, of which no
// policy says a word.
func leaves(t *testing.T, c *cased.Case, ns string) {
	t.Helper()
	where := of(somebody, ns, &c.Object)
	steps := []struct{ name, patch, subresource string }{
		{"a label", `{"metadata":{"labels":{"mended":"yes"}}}`, ""},
		{"a finalizer", `{"metadata":{"finalizers":["example.com/mine"]}}`, ""},
		{"the status", `{"status":{"observedGeneration":1}}`, "status"},
	}
	if c.Object.GetKind() != "HorizontalPodAutoscaler" {
		steps = append(steps, []struct{ name, patch, subresource string }{
			{"a scale", `{"spec":{"replicas":3}}`, "scale"},
			{"a scale to 0", `{"spec":{"replicas":0}}`, "scale"},
			{"a rollout", `{"spec":{"template":{"metadata":{"annotations":{"mended":"yes"}}}}}`, ""},
		}...)
	}
	for _, step := range steps {
		heard.take()
		_, err := where.Patch(t.Context(), c.Object.GetName(), types.MergePatchType, []byte(step.patch), metav1.PatchOptions{}, subresources(step.subresource)...)
		hears(t, step.name, said(t, err))
	}
	heard.take()
	hears(t, "a deletion", said(t, where.Delete(t.Context(), c.Object.GetName(), metav1.DeleteOptions{})))
	_, err := where.Patch(t.Context(), c.Object.GetName(), types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`), metav1.PatchOptions{})
	hears(t, "a finalizer's removal", said(t, err))
	system.Until(t, "gone", soon, func(ctx context.Context) (bool, string) {
		_, err := where.Get(ctx, c.Object.GetName(), metav1.GetOptions{})
		return apierrors.IsNotFound(err), fmt.Sprint(err)
	})
}

func subresources(name string) []string {
	if name == "" {
		return nil
	}
	return []string{name}
}
