package lint

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/loadline/loadline/deploy/crd"
	"github.com/loadline/loadline/policy/api/v1alpha1"
	"github.com/loadline/loadline/policy/guard"
	"github.com/loadline/loadline/policy/manifest"
)

func options(t testing.TB) Options {
	t.Helper()
	s, err := manifest.NewSchema(crd.AutoscalingPolicies(), v1alpha1.GroupVersion.Version)
	if err != nil {
		t.Fatal(err)
	}
	return Options{Namespace: "default", Schema: s}
}

// Nothing is found in manifests of well-known kinds of applications that are as they
// should be, nor in ours.
func TestNoFalseAlarms(t *testing.T) {
	paths, err := filepath.Glob("testdata/apps/*.yaml")
	if err != nil || len(paths) < 12 {
		t.Fatalf("%d applications, %v", len(paths), err)
	}
	paths = append(paths, "testdata/apps", "../../deploy", "../../deploy/examples/remindme/manifests")
	for _, p := range paths {
		t.Run(p, func(t *testing.T) {
			r, err := Lint(Read([]string{p}, nil), nil, nil, options(t))
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range r.Findings {
				t.Errorf("%s:%d: %s %s: %s: %s", f.File, f.Line, f.ID, f.Object, f.Field, f.Message)
			}
			if len(r.Errors) > 0 || r.Summary.Objects == 0 {
				t.Errorf("%d objects, %q", r.Summary.Objects, r.Errors)
			}
		})
	}
}

// Objects that are there twice are divided from the top, directory by directory and then
// file by file; where nothing is there twice, all is one world.
func TestWorlds(t *testing.T) {
	for name, tc := range map[string]struct {
		files []string // FILE=NAME…
		want  []string
	}{
		"nothing twice":            {[]string{"a/x.yaml=x", "b/y.yaml=y"}, []string{": x y"}},
		"two environments":         {[]string{"r/dev/a/x.yaml=x", "r/dev/b/y.yaml=y", "r/prod/x.yaml=x", "r/z.yaml=z"}, []string{"r: z", "r/dev: x y", "r/prod: x"}},
		"only one divided further": {[]string{"r/a/1/x.yaml=x", "r/a/2/x.yaml=x", "r/b/x.yaml=x"}, []string{"r/a/1: x", "r/a/2: x", "r/b: x"}},
		"versions in files":        {[]string{"x-v1.yaml=x y", "x-v2.yaml=x"}, []string{"x-v1.yaml: x y", "x-v2.yaml: x"}},
		"twice in a file":          {[]string{"x.yaml=x y x"}, []string{"x.yaml: y x"}},
	} {
		t.Run(name, func(t *testing.T) {
			var all []item
			for _, f := range tc.files {
				file, names, _ := strings.Cut(f, "=")
				for _, n := range strings.Fields(names) {
					u := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "Pod"}}
					u.SetName(n)
					all = append(all, item{object: u, doc: &manifest.Document{File: file}})
				}
			}
			var got []string
			for _, w := range worlds(all) {
				var names []string
				for _, one := range w.items {
					names = append(names, one.object.GetName())
				}
				got = append(got, w.at+": "+strings.Join(names, " "))
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// fakeCluster answers from lists; what is not in them is not there.
type fakeCluster struct {
	lists   map[string][]map[string]any // by plural
	refused map[string]error
	asked   []string
}

func (c *fakeCluster) Each(_ context.Context, r schema.GroupVersionResource, namespace string, f func(*unstructured.Unstructured) error) error {
	c.asked = append(c.asked, namespace+"/"+r.Resource)
	if err := c.refused[r.Resource]; err != nil {
		return err
	}
	for _, o := range c.lists[r.Resource] {
		if err := f(&unstructured.Unstructured{Object: o}); err != nil {
			return err
		}
	}
	return nil
}

func (c *fakeCluster) Resource(_ context.Context, gk schema.GroupKind) (schema.GroupVersionResource, error) {
	if gk.Kind == "Rocket" {
		return schema.GroupVersionResource{Group: gk.Group, Version: "v1", Resource: "rockets"}, nil
	}
	return schema.GroupVersionResource{}, ErrUnknownKind
}

func hpaObject(name, apiVersion, kind string) map[string]any {
	return map[string]any{
		"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": map[string]any{"namespace": "shop", "name": name},
		"spec": map[string]any{"maxReplicas": int64(3), "scaleTargetRef": map[string]any{"apiVersion": apiVersion, "kind": kind, "name": name}},
	}
}

// Live objects are read kind by kind, those that an HPA scales included, and no Secret;
// what may not be read is skipped with the reason; an annotation ignores.
func TestLive(t *testing.T) {
	c := &fakeCluster{
		lists: map[string][]map[string]any{
			"horizontalpodautoscalers": {hpaObject("rocket", "example.com/v1", "Rocket"), hpaObject("gone", "example.com/v1", "Rocket"), hpaObject("nothing", "example.com/v1", "Unknown"), hpaObject("web", "apps/v1", "Deployment")},
			"rockets":                  {{"apiVersion": "example.com/v1", "kind": "Rocket", "metadata": map[string]any{"namespace": "shop", "name": "rocket"}}},
			"deployments": {{"apiVersion": "apps/v1", "kind": "Deployment", "spec": map[string]any{"replicas": int64(0)}, "metadata": map[string]any{
				"namespace": "shop", "name": "web", "annotations": map[string]any{AllowAnnotation + "16-green-at-zero": "off for the summer"},
			}}},
		},
		refused: map[string]error{"limitranges": fmt.Errorf("%w: limitranges is not yours", ErrForbidden), "rollouts": ErrUnknownKind},
	}
	objects, err := Gather(t.Context(), c, "shop", time.Date(2026, 11, 5, 12, 0, 0, 0, time.UTC), MaxObjects)
	if err != nil {
		t.Fatal(err)
	}
	r, err := LintLive(objects, nil, options(t))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range r.Findings {
		got = append(got, f.ID.String()+" "+f.Object.Name)
	}
	for _, i := range r.Ignored {
		got = append(got, "ignored "+i.ID.String()+" "+i.Reason)
	}
	for _, s := range r.Skipped {
		if s.ID == 19 {
			got = append(got, "skipped "+s.ID.String()+" "+s.Reason)
		}
	}
	want := []string{"GUARD-1 gone", "GUARD-1 nothing", "ignored GUARD-16 off for the summer", "skipped GUARD-19 forbidden: limitranges is not yours"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	asked := strings.Join(c.asked, " ")
	if strings.Contains(asked, "secrets") || !strings.Contains(asked, "shop/rockets") || !strings.Contains(asked, " /customresourcedefinitions") {
		t.Error(asked)
	}
	c.refused["pods"] = fmt.Errorf("the server is on fire")
	if _, err := Gather(t.Context(), c, "shop", time.Now(), MaxObjects); err == nil {
		t.Error("a failure passed for nothing to see")
	}
}

// Whatever is in a file of ignores, it is read or refused, and what is read has a
// reason.
func FuzzReadIgnores(f *testing.F) {
	f.Add("ignore:\n- id: GUARD-12\n  object: {kind: Deployment, name: 'web-*'}\n  reason: x\n")
	f.Add("ignore: [{id: guard-1, reason: ''}, 3, {id: GUARD-2, object: {name: '[', nam: x}, reason: y}]")
	f.Add("ignores: []")
	f.Fuzz(func(t *testing.T, text string) {
		all, err := ReadIgnores("f", strings.NewReader(text))
		if err != nil {
			return
		}
		for _, i := range all {
			if i.ID == 0 || strings.TrimSpace(i.Reason) == "" || i.At == "" {
				t.Errorf("%+v", i)
			}
			i.Object.matches(guard.Object{Kind: "Deployment", Name: "web"})
		}
	})
}

// Whatever manifests hold, they are looked at or refused.
func FuzzLint(f *testing.F) {
	files, _ := filepath.Glob("testdata/apps/*.yaml")
	for _, path := range files {
		if in := Read([]string{path}, nil); len(in.Documents) > 0 {
			f.Add(path)
		}
	}
	f.Add("apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\nspec: {replicas: 1e9999}\n")
	f.Add("apiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {name: a}\nspec: {metrics: [{type: Resource}, {type: External, external: {}}, {}]}\n---\n" +
		"apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: \"\"}\n---\napiVersion: argoproj.io/v1\nkind: Rollout\nmetadata: {name: r}\nspec: {template: 3, selector: []}\n")
	f.Add("apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\nspec: {strategy: {rollingUpdate: {maxSurge: x%, maxUnavailable: -3}}}\n---\n" +
		"apiVersion: autoscaling/v1\nkind: HorizontalPodAutoscaler\nmetadata: {name: a}\nspec: {scaleTargetRef: {kind: Deployment, name: a, apiVersion: apps/v1}}\n")
	o := options(f)
	f.Fuzz(func(t *testing.T, text string) {
		r, err := Lint(Read([]string{"-"}, strings.NewReader(text)), Read([]string{"-"}, strings.NewReader(text)), nil, o)
		if err != nil {
			t.Fatal(err) // worlds keep apart what is there twice
		}
		if len(r.Findings) > 0 && r.Findings[0].Line < 1 {
			t.Errorf("%+v", r.Findings[0])
		}
	})
}
