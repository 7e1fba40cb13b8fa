package lab

import (
	"cmp"
	"context"
	_ "embed"
	"fmt"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

//go:embed manifests/prometheus.yaml
var prometheusManifests string

// ScrapeInterval of the lab's Prometheus, and of the embedded engine.
const ScrapeInterval = 2 * time.Second

// EvaluationInterval of the lab's adapter.
const EvaluationInterval = 2 * time.Second

// RateWindow is the window of the rates in rules/config.yaml.
const RateWindow = 10 * time.Second

// StartPrometheus starts Prometheus and waits until it is ready.
func (l *Lab) StartPrometheus(ctx context.Context) error {
	l.say("Starting Prometheus")
	text := strings.NewReplacer("API_SERVER", l.Cluster.URL(), "SCRAPE_INTERVAL", ScrapeInterval.String()).Replace(prometheusManifests)
	objects, err := Decode([]byte(text))
	if err != nil {
		return err
	}
	if err := l.Apply(ctx, objects); err != nil {
		return err
	}
	return l.Available(ctx, MonitoringNamespace, "prometheus", time.Minute)
}

// Source is where the adapter has its numbers from.
func (l *Lab) Source() Source { return cmp.Or(l.opts.Source, Prometheus) }

// PrometheusURL is where Prometheus' Service answers.
func (l *Lab) PrometheusURL(ctx context.Context) (string, error) {
	if l.opts.PrometheusURL != "" {
		return l.opts.PrometheusURL, nil
	}
	s, err := l.Client.CoreV1().Services(MonitoringNamespace).Get(ctx, "prometheus", metav1.GetOptions{})
	if err != nil {
		return "", err
	}
	return "http://" + net.JoinHostPort(s.Spec.ClusterIP, "9090"), nil
}

// StartAdapter applies the adapter's manifests as AdapterManifests renders them, and
// waits until both APIs answer. extra flags are appended.
func (l *Lab) StartAdapter(ctx context.Context, extra ...string) error {
	l.say("Starting the adapter from " + l.AdapterDir())
	if !l.isolated {
		return l.startAdapterOnHost(ctx, extra...)
	}
	objects, err := l.AdapterManifests(ctx, extra...)
	if err != nil {
		return err
	}
	return l.RunAdapter(ctx, objects)
}

// RunAdapter applies an adapter's manifests, and waits until both APIs answer.
func (l *Lab) RunAdapter(ctx context.Context, objects []*unstructured.Unstructured) error {
	if err := l.Apply(ctx, objects); err != nil {
		return err
	}
	if err := l.Available(ctx, AdapterNamespace, AdapterDeployment, 2*time.Minute); err != nil {
		return err
	}
	return l.APIsAvailable(ctx, time.Minute)
}

// AdapterManifests renders deploy/base for the lab and its source.
func (l *Lab) AdapterManifests(ctx context.Context, extra ...string) ([]*unstructured.Unstructured, error) {
	return l.RenderAdapter(ctx, l.AdapterDir(), extra...)
}

// AdapterDir is the directory of the adapter's manifests, for the lab and its source.
func (l *Lab) AdapterDir() string {
	if l.opts.Source == Embedded {
		return filepath.Join("hack", "lab", "embedded")
	}
	return filepath.Join("hack", "lab", "adapter")
}

// sourceFlags are those that say where the adapter's numbers come from.
func (l *Lab) sourceFlags(ctx context.Context) ([]string, error) {
	if l.opts.Source == Embedded {
		return []string{"--scrape-interval=" + ScrapeInterval.String(), fmt.Sprintf("--scrape-loopback=%t", !l.isolated)}, nil
	}
	url, err := l.PrometheusURL(ctx)
	if err != nil {
		return nil, err
	}
	return []string{"--prometheus-url=" + url, "--query-timeout=1s"}, nil
}

// RenderAdapter renders a directory of the repository that holds the adapter's
// manifests, with what a cluster without DNS, mounts and network namespaces for
// each pod needs. extra flags are appended.
func (l *Lab) RenderAdapter(ctx context.Context, dir string, extra ...string) ([]*unstructured.Unstructured, error) {
	objects, err := l.Kustomize(ctx, filepath.Join(l.opts.Root, dir))
	if err != nil {
		return nil, err
	}
	source, err := l.sourceFlags(ctx)
	if err != nil {
		return nil, err
	}
	for _, o := range objects {
		if o.GetKind() != "Deployment" || o.GetName() != AdapterDeployment {
			continue
		}
		flags := slices.Concat(source, []string{
			"--bind-address=$(POD_IP)", "--metrics-bind-address=$(POD_IP):8080", "--v=2",
			"--evaluation-interval=" + EvaluationInterval.String(), "--max-wanted-per-namespace=300",
		}, extra)
		if err := editContainer(o, "loadline-adapter:local", flags); err != nil {
			return nil, err
		}
	}
	return objects, nil
}

// editContainer sets the image and the flags of the first container; a flag
// replaces one of the same name.
func editContainer(o *unstructured.Unstructured, image string, flags []string) error {
	containers, _, err := unstructured.NestedSlice(o.Object, "spec", "template", "spec", "containers")
	if err != nil {
		return fmt.Errorf("containers of %s: %w", o.GetName(), err)
	}
	if len(containers) == 0 {
		return fmt.Errorf("%s has no container", o.GetName())
	}
	c := containers[0].(map[string]any)
	args, _, _ := unstructured.NestedStringSlice(c, "args")
	for _, flag := range flags {
		name, _, _ := strings.Cut(flag, "=")
		args = slices.DeleteFunc(args, func(a string) bool { return a == name || strings.HasPrefix(a, name+"=") })
	}
	list := []any{}
	for _, a := range append(args, flags...) {
		list = append(list, a)
	}
	c["args"], c["image"], c["imagePullPolicy"] = list, image, "IfNotPresent"
	env, _, _ := unstructured.NestedSlice(c, "env")
	env = slices.DeleteFunc(env, func(e any) bool { return e.(map[string]any)["name"] == "POD_IP" })
	c["env"] = append(env, map[string]any{"name": "POD_IP", "valueFrom": map[string]any{"fieldRef": map[string]any{"fieldPath": "status.podIP"}}})
	return unstructured.SetNestedSlice(o.Object, containers, "spec", "template", "spec", "containers")
}

// Available waits until a Deployment has all its replicas available.
func (l *Lab) Available(ctx context.Context, namespace, name string, limit time.Duration) error {
	return Until(ctx, "Deployment "+namespace+"/"+name, limit, func(ctx context.Context) (bool, string) {
		d, err := l.Client.AppsV1().Deployments(namespace).Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return false, err.Error()
		}
		return settled(d), fmt.Sprintf("%d available of %d, %d updated", d.Status.AvailableReplicas, *d.Spec.Replicas, d.Status.UpdatedReplicas)
	})
}

func settled(d *appsv1.Deployment) bool {
	n := *d.Spec.Replicas
	return d.Status.ObservedGeneration >= d.Generation && d.Status.UpdatedReplicas == n && d.Status.AvailableReplicas == n && d.Status.Replicas == n
}

// APIsAvailable waits until kube-apiserver finds our APIServices available.
func (l *Lab) APIsAvailable(ctx context.Context, limit time.Duration) error {
	for _, gv := range []string{"custom.metrics.k8s.io/v1beta1", "custom.metrics.k8s.io/v1beta2", "external.metrics.k8s.io/v1beta1", "diagnostics.loadline.dev/v1alpha1"} {
		err := Until(ctx, "API "+gv, limit, func(ctx context.Context) (bool, string) {
			if _, err := l.Raw(ctx, "/apis/"+gv); err != nil {
				return false, err.Error()
			}
			return true, ""
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// Raw gets a path from kube-apiserver, as kubectl get --raw does.
func (l *Lab) Raw(ctx context.Context, path string) ([]byte, error) {
	return l.Client.Discovery().RESTClient().Get().RequestURI(path).DoRaw(ctx)
}
