//go:build e2e

package e2e

import (
	"context"
	_ "embed"
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/loadline/loadline/hack/lab"
)

//go:embed testdata/rules.yaml
var extraRules []byte

// startAdapter starts the lab's adapter with the rules of the tests beside its
// own, and waits until its APIs answer.
func startAdapter(ctx context.Context) error { return startAdapterWith(ctx) }

// startAdapterWith does so with flags beside the tests' own.
func startAdapterWith(ctx context.Context, flags ...string) error {
	objects, err := adapterManifests(ctx, system.AdapterDir(), flags...)
	if err != nil {
		return err
	}
	return system.RunAdapter(ctx, objects)
}

// adapterManifests renders such an adapter from a directory of the repository.
func adapterManifests(ctx context.Context, dir string, flags ...string) ([]*unstructured.Unstructured, error) {
	objects, err := system.RenderAdapter(ctx, dir, append([]string{"--value-max-age=" + valueMaxAge.String()}, flags...)...)
	if err != nil {
		return nil, err
	}
	if system.Source() == lab.Embedded { // whose built-in rules would give way to others
		return objects, nil
	}
	return objects, addRules(objects, extraRules)
}

// addRules appends rules to those of the adapter's ConfigMap.
func addRules(objects []*unstructured.Unstructured, extra []byte) error {
	var added map[string][]any
	if err := yaml.Unmarshal(extra, &added); err != nil {
		return err
	}
	for _, o := range objects {
		text, found, _ := unstructured.NestedString(o.Object, "data", "config.yaml")
		if !found || o.GetKind() != "ConfigMap" {
			continue
		}
		var config map[string][]any
		if err := yaml.Unmarshal([]byte(text), &config); err != nil {
			return fmt.Errorf("ConfigMap %s: %w", o.GetName(), err)
		}
		for key, rules := range added {
			config[key] = append(config[key], rules...)
		}
		data, err := yaml.Marshal(config)
		if err != nil {
			return err
		}
		return unstructured.SetNestedField(o.Object, string(data), "data", "config.yaml")
	}
	return fmt.Errorf("no ConfigMap of the adapter has a config.yaml")
}

// remove deletes objects as they were applied; what is not there is fine.
func remove(ctx context.Context, objects ...*unstructured.Unstructured) error {
	for _, o := range objects {
		args := []string{"delete", "--ignore-not-found", "--wait=false", o.GetKind() + "." + o.GroupVersionKind().Version + "." + o.GroupVersionKind().Group, o.GetName()}
		if ns := o.GetNamespace(); ns != "" {
			args = append(args, "--namespace="+ns)
		}
		if out, err := system.Cluster.Kubectl(ctx, args...).CombinedOutput(); err != nil {
			return fmt.Errorf("delete %s %s: %w\n%s", o.GetKind(), o.GetName(), err, out)
		}
	}
	return nil
}
