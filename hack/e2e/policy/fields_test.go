//go:build e2e

package policy

import (
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/loadline/loadline/policy/api/v1alpha1"
)

// every is a policy with each kind of objective; those that are of two shapes are there
// in both.
func every(p *v1alpha1.AutoscalingPolicy) {
	number := func(s string) *resource.Quantity { return ptr.To(resource.MustParse(s)) }
	picks := func(key string) *metav1.LabelSelector {
		return &metav1.LabelSelector{MatchLabels: map[string]string{key: "some"}}
	}
	p.Spec.Profile = v1alpha1.Responsive
	p.Spec.Objectives = []v1alpha1.Objective{
		{RequestRate: &v1alpha1.RequestRate{PerPod: *number("50"), Metric: "requests", Selector: picks("handler")}},
		{Queue: &v1alpha1.Queue{Name: "mail", PerPod: *number("10"), Metric: "depth"}},
		{Queue: &v1alpha1.Queue{PerPod: *number("10"), Metric: "depth", Selector: picks("tier")}},
		{CPU: &v1alpha1.Resource{Utilization: ptr.To[int32](60)}},
		{Memory: &v1alpha1.Resource{PerPod: number("256Mi"), Container: "app"}},
		{Custom: &v1alpha1.Custom{Metric: "streams", PerPod: number("10"), Selector: picks("codec")}},
		{Custom: &v1alpha1.Custom{Metric: "latency", Value: number("10"), Object: &v1alpha1.ObjectReference{APIVersion: "v1", Kind: "Service", Name: "web"}}},
		{External: &v1alpha1.External{Metric: "orders", PerPod: number("10"), Selector: picks("shop")}},
		{External: &v1alpha1.External{Metric: "lag", Value: number("10")}},
		{Query: &v1alpha1.Query{Name: "errors", Expr: "sum(errors)", PerPod: number("10")}},
	}
}

// fieldEdits are an edit of each field of a policy's spec that becomes something of its
// HPA's spec, by the field's path. They are made to a policy of every, one after another
// in the order of their paths.
func fieldEdits() map[string]func(*v1alpha1.AutoscalingPolicySpec) {
	type spec = v1alpha1.AutoscalingPolicySpec
	q := resource.MustParse("17")
	other := &metav1.LabelSelector{MatchLabels: map[string]string{"other": "one"}}
	return map[string]func(*spec){
		"targetRef.name":       func(s *spec) { s.TargetRef.Name = "web2" },
		"targetRef.kind":       func(s *spec) { s.TargetRef.APIVersion, s.TargetRef.Kind = "apps/v1", "StatefulSet" },
		"targetRef.apiVersion": func(s *spec) { s.TargetRef.APIVersion, s.TargetRef.Kind = "v1", "ReplicationController" },
		"replicas.min":         func(s *spec) { s.Replicas.Min = 3 },
		"replicas.max":         func(s *spec) { s.Replicas.Max = 9 },
		"profile":              func(s *spec) { s.Profile, s.Behavior = v1alpha1.Steady, nil },
		"behavior":             func(s *spec) { s.Profile, s.Behavior = "", quick() },

		"objectives[].requestRate.perPod":   func(s *spec) { s.Objectives[0].RequestRate.PerPod = q },
		"objectives[].requestRate.metric":   func(s *spec) { s.Objectives[0].RequestRate.Metric = "calls" },
		"objectives[].requestRate.selector": func(s *spec) { s.Objectives[0].RequestRate.Selector = other },

		"objectives[].queue.name":     func(s *spec) { s.Objectives[1].Queue.Name = "letters" },
		"objectives[].queue.perPod":   func(s *spec) { s.Objectives[1].Queue.PerPod = q },
		"objectives[].queue.metric":   func(s *spec) { s.Objectives[1].Queue.Metric = "length" },
		"objectives[].queue.selector": func(s *spec) { s.Objectives[2].Queue.Selector = other },

		"objectives[].cpu.container":   func(s *spec) { s.Objectives[3].CPU.Container = "app" },
		"objectives[].cpu.perPod":      func(s *spec) { s.Objectives[3].CPU.Utilization, s.Objectives[3].CPU.PerPod = nil, &q },
		"objectives[].cpu.utilization": func(s *spec) { s.Objectives[3].CPU.Utilization, s.Objectives[3].CPU.PerPod = ptr.To[int32](61), nil },

		"objectives[].memory.container": func(s *spec) { s.Objectives[4].Memory.Container = "sidecar" },
		"objectives[].memory.perPod":    func(s *spec) { s.Objectives[4].Memory.PerPod = &q },
		"objectives[].memory.utilization": func(s *spec) {
			s.Objectives[4].Memory.Utilization, s.Objectives[4].Memory.PerPod = ptr.To[int32](80), nil
		},

		"objectives[].custom.metric":            func(s *spec) { s.Objectives[5].Custom.Metric = "viewers" },
		"objectives[].custom.selector":          func(s *spec) { s.Objectives[5].Custom.Selector = other },
		"objectives[].custom.perPod":            func(s *spec) { s.Objectives[5].Custom.PerPod = &q },
		"objectives[].custom.value":             func(s *spec) { s.Objectives[6].Custom.Value = &q },
		"objectives[].custom.object.apiVersion": func(s *spec) { s.Objectives[6].Custom.Object.APIVersion = "shop.example/v1" },
		"objectives[].custom.object.kind":       func(s *spec) { s.Objectives[6].Custom.Object.Kind = "Counter" },
		"objectives[].custom.object.name":       func(s *spec) { s.Objectives[6].Custom.Object.Name = "till" },

		"objectives[].external.metric":   func(s *spec) { s.Objectives[7].External.Metric = "returns" },
		"objectives[].external.selector": func(s *spec) { s.Objectives[7].External.Selector = other },
		"objectives[].external.perPod":   func(s *spec) { s.Objectives[7].External.PerPod = &q },
		"objectives[].external.value":    func(s *spec) { s.Objectives[8].External.Value = &q },

		"objectives[].query.name":   func(s *spec) { s.Objectives[9].Query.Name = "failures" },
		"objectives[].query.perPod": func(s *spec) { s.Objectives[9].Query.PerPod = &q },
		"objectives[].query.value":  func(s *spec) { s.Objectives[9].Query.PerPod, s.Objectives[9].Query.Value = nil, &q },
	}
}

// elsewhere are the fields that an HPA's spec does not show, and where they are changed.
// Those of live are in liveChanges.
var elsewhere = []string{
	"objectives[].query.expr", // the HPA asks by the query's name: TestP4QueryScales

	// A switch, and one in the place of another: TestP13BlueGreen. What a switch takes its
	// time and its size from is policy/handoff's to test.
	"rollout.predecessor", "blueGreen.service", "blueGreen.mode", "blueGreen.active", "blueGreen.soak", "blueGreen.timeout", "blueGreen.headroomPercent",
	"blueGreen.retire", "blueGreen.otherRef.apiVersion", "blueGreen.otherRef.kind", "blueGreen.otherRef.name",
}

// specPaths are all fields of a policy's spec. Types of others are one value each.
func specPaths() []string {
	ours := reflect.TypeFor[v1alpha1.AutoscalingPolicySpec]().PkgPath()
	return paths(reflect.TypeFor[v1alpha1.AutoscalingPolicySpec](), func(t reflect.Type) bool { return t.PkgPath() != ours })
}

// Whatever field of a policy's spec is changed, it is changed in its HPA, and that stays
// the same HPA. A field that the API gains fails this test until it is changed here.
func fields(t *testing.T, _ *metricAPI) {
	edits := fieldEdits()
	covered := slices.Concat(slices.Collect(maps.Keys(edits)), elsewhere)
	for _, c := range liveChanges(nil) {
		covered = append(covered, c.fields...)
	}
	slices.Sort(covered)
	all := specPaths()
	slices.Sort(all)
	if diff := cmp.Diff(all, slices.Compact(covered)); diff != "" {
		t.Fatalf("fields of the spec (-there are +are changed by a test):\n%s", diff)
	}

	ns := namespace(t)
	p := create(t, newPolicy(ns, "web", every))
	last := built(t, ns, "web")
	first := last
	for _, path := range slices.Sorted(maps.Keys(edits)) {
		editSpec(t, p, []string{path}, edits[path])
		h := built(t, ns, "web")
		if h.UID != first.UID {
			t.Fatalf("%s: the HPA was replaced", path)
		}
		if cmp.Equal(h.Spec, last.Spec) {
			t.Errorf("%s: nothing in the HPA is different", path)
		}
		last = h
	}
	t.Logf("%d fields changed, one by one", len(edits))
}

// editSpec edits a stored policy, and checks that the edit is one of these fields.
func editSpec(t *testing.T, p *v1alpha1.AutoscalingPolicy, fields []string, change func(*v1alpha1.AutoscalingPolicySpec)) {
	t.Helper()
	var before v1alpha1.AutoscalingPolicySpec
	edit(t, p, func(p *v1alpha1.AutoscalingPolicy) {
		before = *p.Spec.DeepCopy()
		change(&p.Spec)
	})
	is := changed(before, p.Spec)
	for _, field := range fields {
		// A part that came or went as a whole is all of its fields, and a field of another
		// API's type is whatever is in it.
		if !slices.ContainsFunc(slices.Collect(maps.Keys(is)), func(path string) bool {
			return path == field || strings.HasPrefix(path, field+".") || strings.HasPrefix(field, path+".") || strings.HasPrefix(field, path+"[]")
		}) {
			t.Fatalf("the edit of %s is one of %v", field, slices.Sorted(maps.Keys(is)))
		}
	}
}
