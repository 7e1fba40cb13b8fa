package hpa_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"

	"github.com/loadline/loadline/policy/api/v1alpha1"
	"github.com/loadline/loadline/policy/hpa"
)

var update = flag.Bool("update", false, "write testdata instead of comparing with it")

// all is a cluster that can do everything.
var all = hpa.Capabilities{ScaleToZero: true, Tolerance: true, ContainerResource: true}

// policy returns a sound one, and what edit makes of it.
func policy(edit ...func(*v1alpha1.AutoscalingPolicy)) *v1alpha1.AutoscalingPolicy {
	p := &v1alpha1.AutoscalingPolicy{
		ObjectMeta: metav1.ObjectMeta{Name: "web", Namespace: "shop", UID: "d071edff"},
		Spec: v1alpha1.AutoscalingPolicySpec{
			TargetRef:      v1alpha1.TargetReference{APIVersion: "apps/v1", Kind: "Deployment", Name: "web"},
			Replicas:       v1alpha1.Replicas{Min: 2, Max: 6},
			Objectives:     []v1alpha1.Objective{{RequestRate: &v1alpha1.RequestRate{PerPod: resource.MustParse("50")}}},
			Mode:           v1alpha1.Enforce,
			DeletionPolicy: v1alpha1.Delete,
		},
	}
	for _, e := range edit {
		e(p)
	}
	return p
}

// spec returns an edit that reads fields of the spec in place of what is there.
func spec(t testing.TB, text string) func(*v1alpha1.AutoscalingPolicy) {
	t.Helper()
	return func(p *v1alpha1.AutoscalingPolicy) {
		var fields map[string]any
		if err := yaml.Unmarshal([]byte(text), &fields); err != nil {
			t.Fatalf("%v in\n%s", err, text)
		}
		if _, ok := fields["objectives"]; ok {
			p.Spec.Objectives = nil // a list is read over the one that is there
		}
		if err := yaml.UnmarshalStrict([]byte(text), &p.Spec); err != nil {
			t.Fatalf("%v in\n%s", err, text)
		}
	}
}

// lines writes problems down, one a line.
func lines(problems []hpa.Problem) []string {
	var out []string
	for _, p := range problems {
		out = append(out, fmt.Sprintf("%s %s", p.Level, p.Error()))
	}
	return out
}

// goldens compares texts, by name, with the files of a directory in testdata, which has
// no others.
func goldens(t *testing.T, directory string, texts map[string]string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", directory, "*.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	names := strings.NewReplacer(",", "", ".", "", " ", "-")
	for name, text := range texts {
		file := filepath.Join("testdata", directory, names.Replace(name)+".yaml")
		golden(t, file, text)
		files = slices.DeleteFunc(files, func(f string) bool { return f == file })
	}
	for _, file := range files {
		if !*update {
			t.Errorf("%s is of no case", file)
		} else if err := os.Remove(file); err != nil {
			t.Error(err)
		}
	}
}

func golden(t *testing.T, file, text string) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Errorf("%v: go test -update writes it", err)
	}
	if diff := cmp.Diff(string(want), text); diff != "" {
		t.Errorf("%s (-want +got):\n%s", file, diff)
	}
}

// document writes problems, as comments, and a value without a status as YAML.
func document(t *testing.T, problems []hpa.Problem, value any) string {
	t.Helper()
	if h, ok := value.(*autoscalingv2.HorizontalPodAutoscaler); ok {
		tree, err := runtime.DefaultUnstructuredConverter.ToUnstructured(h)
		if err != nil {
			t.Fatal(err)
		}
		delete(tree, "status")
		value = tree
	}
	text, err := yaml.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	for _, line := range lines(problems) {
		out.WriteString("# " + line + "\n")
	}
	return out.String() + string(text)
}
