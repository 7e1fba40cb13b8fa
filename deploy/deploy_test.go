// Package deploy_test holds the manifests to what they promise: they decode
// strictly into the API's types, fit each other and the adapter's flags, and
// give no right and no freedom beyond what is written down here.
package deploy_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	clientscheme "k8s.io/client-go/kubernetes/scheme"
	apiregistrationv1 "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/api/resource"
	"sigs.k8s.io/kustomize/kyaml/filesys"

	"github.com/loadline/loadline/policy/api/v1alpha1"
)

// variants are all the ways to put the parts together that we offer.
func variants() map[string][]string {
	return map[string][]string{
		"base":                    {"resources: [base]"},
		"given-certificate":       {"resources: [overlays/given-certificate]"},
		"more-kinds":              {"resources: [base]", "components: [components/more-kinds]"},
		"metrics-port":            {"resources: [base]", "components: [components/metrics-port]"},
		"prometheus":              {"resources: [overlays/prometheus]"},
		"prometheus, more":        {"resources: [overlays/prometheus]", "components: [components/metrics-port, components/more-kinds]"},
		"resource-metrics":        {"resources: [base]", "components: [components/resource-metrics]"},
		"scrape-annotations":      {"resources: [base]", "components: [components/scrape-annotations]"},
		"scrape-servicemonitor":   {"resources: [base]", "components: [components/scrape-servicemonitor]"},
		"cert-manager":            {"resources: [overlays/given-certificate]", "components: [components/cert-manager]"},
		"given, scraped":          {"resources: [overlays/given-certificate]", "components: [components/scrape-annotations]"},
		"another Prometheus":      {"resources: [overlays/prometheus]", "configMapGenerator: [{name: loadline-adapter-settings, namespace: loadline-system, behavior: merge, literals: ['prometheus-url=https://thanos.example:443/prefix']}]"},
		"examples/remindme":       {"resources: [examples/remindme/manifests]"},
		"an image of one's own":   {"resources: [base]", "images: [{name: loadline-adapter, newName: registry.example/loadline-adapter, newTag: v1}]"},
		"examples/bluegreen":      {"resources: [examples/bluegreen]"},
		"policy":                  {"resources: [policy]"},
		"policy beside a CRD":     {"resources: [crd, policy]"},
		"policy of one's own":     {"resources: [policy/controller]", "images: [{name: loadline-policy, newName: registry.example/loadline-policy, newTag: v1}]"},
		"policy that may switch":  {"resources: [policy, examples/switch]"},
		"policy beside warnings":  {"resources: [policy, admission]", "components: [components/admission-warn]"},
		"policy with its webhook": {"resources: [policy]", "components: [components/policy-webhook]"},
		"policy, webhook, given":  {"resources: [policy]", "components: [components/policy-webhook, components/policy-webhook-given-certificate]"},
		"policy, cert-manager":    {"resources: [policy]", "components: [components/policy-webhook, components/policy-webhook-given-certificate, components/policy-webhook-cert-manager]"},
		"policy, annotated":       {"resources: [policy]", "components: [components/policy-scrape-annotations]"},
		"policy, monitored":       {"resources: [policy]", "components: [components/policy-scrape-podmonitor]"},
		"policy, fenced":          {"resources: [policy]", "components: [components/policy-metrics-fence]"},
		"policy, fenced, asked":   {"resources: [policy]", "components: [components/policy-webhook, components/policy-metrics-fence]"},
		"adapter and policy":      {"resources: [overlays/everything]"},
		"admission":               {"resources: [admission]"},
		"admission that warns":    {"resources: [admission]", "components: [components/admission-warn]"},
		"everything in one apply": {"resources: [base, examples/remindme/manifests]"},
	}
}

// render builds a kustomization and decodes every object strictly: an unknown or doubled
// field is an error.
func render(t *testing.T, lines []string) []runtime.Object {
	t.Helper()
	decoder := serializer.NewCodecFactory(scheme(t), serializer.EnableStrict).UniversalDeserializer()
	var objects []runtime.Object
	for _, r := range kustomized(t, lines) {
		if slices.Contains(foreign(), r.GetKind()) {
			continue
		}
		data, err := r.AsYAML()
		if err != nil {
			t.Fatal(err)
		}
		object, _, err := decoder.Decode(data, nil, nil)
		if err != nil {
			t.Fatalf("%s %s: %v", r.GetKind(), r.GetName(), err)
		}
		objects = append(objects, object)
	}
	return objects
}

// foreign are the kinds whose Go types are not among our dependencies.
func foreign() []string {
	return []string{"ServiceMonitor", "PodMonitor", "PrometheusRule", "CustomResourceDefinition", "Issuer", "Certificate"}
}

// kustomized builds a kustomization of these lines, whose paths are relative to this
// directory.
func kustomized(t *testing.T, lines []string) []*resource.Resource {
	t.Helper()
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	toHere, err := filepath.Rel(dir, here)
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Join(lines, "\n")
	for _, sub := range []string{"base", "crd", "policy", "admission", "overlays/", "components/", "examples/"} {
		for _, before := range []string{"[", ", "} {
			text = strings.ReplaceAll(text, before+sub, before+toHere+"/"+sub)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "kustomization.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	resources, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), dir)
	if err != nil {
		t.Fatal(err)
	}
	return resources.Resources()
}

func scheme(t *testing.T) *runtime.Scheme {
	t.Helper()
	s := runtime.NewScheme()
	if err := clientscheme.AddToScheme(s); err != nil {
		t.Fatal(err)
	}
	if err := apiregistrationv1.AddToScheme(s); err != nil {
		t.Fatal(err)
	}
	if err := v1alpha1.AddToScheme(s); err != nil {
		t.Fatal(err)
	}
	return s
}

// all returns the objects of one Go type.
func all[T runtime.Object](objects []runtime.Object) []T {
	var out []T
	for _, o := range objects {
		if typed, ok := o.(T); ok {
			out = append(out, typed)
		}
	}
	return out
}

// only returns the single object of a type.
func only[T runtime.Object](t *testing.T, objects []runtime.Object) T {
	t.Helper()
	found := all[T](objects)
	if len(found) != 1 {
		t.Fatalf("%d objects of type %T, want 1", len(found), *new(T))
	}
	return found[0]
}

func forEachVariant(t *testing.T, check func(*testing.T, []runtime.Object)) {
	for name, lines := range variants() {
		t.Run(name, func(t *testing.T) { check(t, render(t, lines)) })
	}
}

// Every directory with a kustomization is part of a variant, so that none rots.
func TestEveryKustomizationIsTested(t *testing.T) {
	var text strings.Builder
	for _, lines := range variants() {
		text.WriteString(strings.Join(lines, "\n"))
	}
	err := filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.Name() != "kustomization.yaml" {
			return err
		}
		if dir := filepath.ToSlash(filepath.Dir(path)); !strings.Contains(text.String(), dir) {
			t.Errorf("%s: in no variant", path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// Verification of certificates is switched off nowhere, whatever the word for it.
func TestNothingSkipsVerification(t *testing.T) {
	files := 0
	err := filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !slices.Contains([]string{".yaml", ".yml", ".json"}, filepath.Ext(path)) {
			return err
		}
		files++
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, word := range []string{"insecure", "skip-verify", "skipverify", "skiptls", "skip-tls"} {
			if strings.Contains(strings.ToLower(string(data)), word) {
				t.Errorf("%s contains %q", path, word)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if files < 10 {
		t.Errorf("only %d files looked at", files)
	}
}
