package manifest

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/kube-openapi/pkg/validation/spec"

	"github.com/loadline/loadline/deploy/crd"
	"github.com/loadline/loadline/policy/api/v1alpha1"
)

func newSchema(t testing.TB) *Schema {
	t.Helper()
	s, err := NewSchema(crd.AutoscalingPolicies(), v1alpha1.GroupVersion.Version)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func read(t testing.TB, text string) Document {
	t.Helper()
	docs, err := Read("f", strings.NewReader(text))
	if err != nil || len(docs) != 1 {
		t.Fatalf("%d documents, %v", len(docs), err)
	}
	return docs[0]
}

const small = `apiVersion: loadline.dev/v1alpha1
kind: AutoscalingPolicy
metadata: {name: web}
spec:
  targetRef: {apiVersion: apps/v1, kind: Deployment, name: web}
  replicas: {max: 6}
  objectives: [{requestRate: {perPod: 50}}]
  fallback: {min: 3}
`

// The defaults are those of the CRD, and go nowhere but into what is there.
func TestPolicyDefaults(t *testing.T) {
	p, unread, other := newSchema(t).Policy(read(t, small))
	if p == nil || len(unread)+len(other) > 0 {
		t.Fatalf("%v %v %v", p, unread, other)
	}
	got := []any{p.Spec.Replicas, p.Spec.Mode, p.Spec.DeletionPolicy, p.Spec.Fallback.After, p.Spec.Profile}
	want := []any{v1alpha1.Replicas{Min: 2, Max: 6}, v1alpha1.Enforce, v1alpha1.Delete, metav1.Duration{Duration: 2 * time.Minute}, v1alpha1.Profile("")}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if p.Spec.Behavior != nil {
		t.Error("a behavior that nobody wrote")
	}
	p, _, _ = newSchema(t).Policy(read(t, strings.Replace(strings.Replace(small, "{max: 6}", "{min: 0, max: 6}", 1), "  fallback: {min: 3}\n", "  mode: null\n", 1)))
	if p == nil || p.Spec.Replicas.Min != 0 || p.Spec.Fallback != nil || p.Spec.Mode != v1alpha1.Enforce {
		t.Errorf("%+v", p)
	}
}

// No default of the CRD is inside a list, where GitOps tools would see it as drift.
func TestNoDefaultInLists(t *testing.T) {
	var walk func(s *spec.Schema, at string, inList bool)
	defaults := 0
	walk = func(s *spec.Schema, at string, inList bool) {
		if s.Default != nil {
			defaults++
			if inList {
				t.Errorf("%s has the default %v", at, s.Default)
			}
		}
		for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
			property := s.Properties[name]
			walk(&property, join(at, name), inList)
		}
		if s.Items != nil && s.Items.Schema != nil {
			walk(s.Items.Schema, at+"[]", true)
		}
	}
	walk(newSchema(t).root, "", false)
	if defaults == 0 {
		t.Error("no default at all: this test looks at nothing")
	}
}

func TestPolicyProblems(t *testing.T) {
	for name, tc := range map[string]struct {
		from, to string
		want     []string // FIELD@LINE: MESSAGE…
		read     bool     // the policy can be read all the same
	}{
		"an unknown field":           {"  fallback:", "  fallbacks:", []string{"spec.fallbacks@8: there is no such field"}, true},
		"an unknown field in a list": {"perPod: 50", "perPod: 50, perNode: 3", []string{"spec.objectives[0].requestRate.perNode@7: there is no such field"}, true},
		"a field that is missing":    {"{max: 6}", "{min: 6}", []string{"spec.replicas.max@6: it is missing: give it"}, false},
		"two mistakes": {"{max: 6}\n  objectives: [{requestRate: {perPod: 50}}]", "{max: six}\n  objectives: many",
			[]string{`spec.objectives@7: must be of type array: "string"`, `spec.replicas.max@6: must be of type integer: "string"`}, false},
		"a target that is no number":  {"perPod: 50", "perPod: many", []string{`spec.objectives[0].requestRate.perPod@7: "many" is no quantity`}, true},
		"a target without an end":     {"perPod: 50", "perPod: \"1e-2147483647\"", []string{`spec.objectives[0].requestRate.perPod@7: "1e-2147483647" is no quantity`}, true},
		"a target of another type":    {"perPod: 50", "perPod: [50]", []string{"spec.objectives[0].requestRate.perPod@7: must be of type integer,string: \"array\""}, false},
		"a duration that is none":     {"{min: 3}", "{min: 3, after: 2x}", []string{`spec.fallback.after@8: "2x" is no duration`}, true},
		"a target with a fraction":    {"perPod: 50", "perPod: 0.5", []string{`spec.objectives[0].requestRate.perPod@7: it is a number with a fraction, which an API server takes in no custom resource: quote it, "0.5", or write 500m`}, true},
		"a tolerance with a fraction": {"  fallback:", "  behavior: {scaleUp: {tolerance: 0.05}}\n  fallback:", []string{`spec.behavior.scaleUp.tolerance@8: it is a number with a fraction, which an API server takes in no custom resource: quote it, "0.05", or write 50m`}, true},
		"several at once": {"{requestRate: {perPod: 50}}]", "{requestRate: {perPod: many}}, {cpu: {perPod: 1.5}}]\n  schedules:\n  - {name: a, start: 7, duration: 3x, min: 4, timezone: x}", []string{
			`spec.objectives[0].requestRate.perPod@7: "many" is no quantity`,
			`spec.objectives[1].cpu.perPod@7: it is a number with a fraction`,
			`spec.schedules[0].duration@9: "3x" is no duration`,
			`spec.schedules[0].start@9: must be of type string: "integer"`,
			`spec.schedules[0].timezone@9: there is no such field`,
		}, true},
		"what others say better":        {"{max: 6}", "{max: 0}", []string{"spec.replicas.max@6: should be greater than or equal to 1"}, true},
		"a kind that is not one of few": {"  fallback: {min: 3}", "  mode: Perhaps", []string{"spec.mode@8: should be one of [Enforce DryRun Paused]"}, true},
		"no name":                       {"{name: web}", "{labels: {a: b}}", []string{"metadata.name@3: it is missing"}, true},
		"a name that is none":           {"{name: web}", "{name: Web_1}", []string{`metadata.name@3: "Web_1": a lowercase RFC 1123 subdomain`}, true},
		"an unknown field in metadata":  {"{name: web}", "{name: web, labls: {a: b}}", []string{`metadata@3: unknown field "labls"`}, true},
		"a label that is none":          {"{name: web}", "{name: web, labels: {a: b c}}", []string{`metadata.labels@3: "b c": a valid label`}, true},
		"nothing wrong":                 {"", "", nil, true},
	} {
		t.Run(name, func(t *testing.T) {
			if !strings.Contains(small, tc.from) {
				t.Fatalf("%q is not in the policy", tc.from)
			}
			d := read(t, strings.Replace(small, tc.from, tc.to, 1))
			p, unread, other := newSchema(t).Policy(d)
			var got []string
			for _, f := range append(unread, other...) {
				got = append(got, fmt.Sprintf("%s@%d: %s", f.Field, d.Line(f.Field), strings.TrimPrefix(f.Error(), f.Field+": ")))
			}
			slices.Sort(got)
			same := slices.EqualFunc(tc.want, got, func(want, got string) bool { return strings.HasPrefix(got, want) })
			if !same || (p != nil) != tc.read {
				t.Errorf("read %t: %q, want %t: %q", p != nil, got, tc.read, tc.want)
			}
		})
	}
}

// Whatever a document says, it is a policy or has a problem.
func FuzzPolicy(f *testing.F) {
	f.Add(small)
	f.Add(strings.Replace(small, "50", "1e400", 1))
	f.Add(strings.Replace(small, "{min: 3}", "{min: 3, after: 9999999h}", 1))
	f.Add(strings.Replace(small, "perPod: 50", `perPod: x, "a.b": {value: x}, a: {b: {value: 1}}`, 1))
	s := newSchema(f)
	f.Fuzz(func(t *testing.T, text string) {
		docs, err := Read("f", strings.NewReader(text))
		if err != nil {
			return
		}
		for _, d := range docs {
			p, unread, other := s.Policy(d)
			if p == nil && len(unread)+len(other) == 0 {
				t.Error("neither a policy nor a problem")
			}
		}
	})
}
