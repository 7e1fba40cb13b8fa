//go:build e2e

package e2e

import (
	"context"
	"embed"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	"github.com/loadline/loadline/hack/lab"
)

// original are prometheus-adapter's own manifests, to the letter; dropin/README.md.
//
//go:embed dropin/original/*.yaml
var original embed.FS

//go:embed dropin/config.yaml
var dropinConfig string

//go:embed dropin/more.yaml
var dropinMore []byte

const (
	predecessor      = "prometheus-adapter"
	predecessorImage = "prometheus-adapter:v0.12.0"
	ownImage         = "loadline-adapter:local"
)

// Test6DropIn: an installation of prometheus-adapter by its own manifests goes on as it is
// with another image, with its arguments, its ServiceAccount and its rights, and goes back.
// The APIs list the same and have values of the same objects all the way, and no HPA
// changes its size at any time: one on CPU by metrics.k8s.io is among them, and one on an
// Ingress, of a kind that the ServiceAccount may not list.
func Test6DropIn(t *testing.T) {
	objects := originalHere(t)
	own, err := system.AdapterManifests(t.Context())
	must(t, err)
	ours := []*unstructured.Unstructured{lab.Find(own, "Deployment", lab.AdapterDeployment)}
	for _, name := range apiServices {
		ours = append(ours, lab.Find(own, "APIService", name))
	}
	if slices.Contains(ours, nil) {
		t.Fatal("deploy/base has changed its names")
	}
	t.Cleanup(func() {
		ctx := context.WithoutCancel(t.Context())
		// The Namespace is the lab's, too.
		must(t, remove(ctx, objects...))
		must(t, startAdapter(ctx))
	})
	must(t, remove(t.Context(), ours...))
	must(t, system.Apply(t.Context(), objects))
	scaled(t, "on-cpu", cpuMetric())
	scaled(t, "on-ingress", ingressMetric())

	before := served(t, predecessorImage)
	t.Logf("%s: %+v", predecessorImage, before)
	sizes, all := sizesOf(t), follow(t)
	oneAtATime(t)
	for _, image := range []string{ownImage, predecessorImage} {
		began, stop := time.Now(), readingOn(t)
		useImage(t, image)
		now := served(t, image)
		system.Pause(t, 2*hpaSync) // so that HPAs have read from this one alone
		for path, gaps := range stop() {
			t.Logf("to %s: reads of %s failed for %s", image, path, gaps)
			// A replica that stops without a delay, as the predecessor does, fails what meets it
			// until the API server knows that it is gone: one gap for each of the two. Within
			// one that is shorter than its pace an HPA fails to read once at most.
			if len(gaps) > 2 || slices.ContainsFunc(gaps, func(d time.Duration) bool { return d > hpaSync }) {
				t.Errorf("to %s: reads of %s failed for %s, want two times shorter than %s at most", image, path, gaps, hpaSync)
			}
		}
		if diff := cmp.Diff(before, now); diff != "" {
			t.Errorf("%s serves something else (-before +now):\n%s", image, diff)
		}
		if changes := all.since(t, began, ""); len(changes) > 0 {
			t.Errorf("to %s: HPAs changed sizes meanwhile: %v", image, changes)
		}
		if diff := cmp.Diff(sizes, sizesOf(t)); diff != "" {
			t.Errorf("HPAs want other sizes (-before +now):\n%s", diff)
		}
		if image != ownImage {
			continue
		}
		lines, err := system.LogLines(lab.MonitoringNamespace, predecessor, "HPAs may not be listed: prewarming is off")
		must(t, err)
		if len(lines) != 2 { // one a replica
			t.Errorf("it was said %d times that prewarming is off:\n%s", len(lines), strings.Join(lines, "\n"))
		}
	}
}

// originalHere are the original's manifests with what this cluster makes us change:
//   - the image, for images are programs of this machine;
//   - --prometheus-url, for there is no DNS, and Prometheus speaks plain HTTP;
//   - --bind-address, for all pods share one network namespace;
//   - the configuration, for no cAdvisor and no node exporter has the series of the original's.
//
// To them come the objects of more.yaml.
func originalHere(t *testing.T) []*unstructured.Unstructured {
	t.Helper()
	url, err := system.PrometheusURL(t.Context())
	must(t, err)
	objects, err := lab.Decode(dropinMore)
	must(t, err)
	files, err := original.ReadDir("dropin/original")
	must(t, err)
	for _, file := range files {
		data, err := original.ReadFile("dropin/original/" + file.Name())
		must(t, err)
		one, err := lab.Decode(data)
		must(t, err)
		objects = append(objects, one...)
	}
	config := lab.Find(objects, "ConfigMap", "adapter-config")
	must(t, unstructured.SetNestedField(config.Object, dropinConfig, "data", "config.yaml"))

	deployment := lab.Find(objects, "Deployment", predecessor)
	containers, _, err := unstructured.NestedSlice(deployment.Object, "spec", "template", "spec", "containers")
	must(t, err)
	container := containers[0].(map[string]any)
	container["image"] = predecessorImage
	container["env"] = []any{map[string]any{"name": "POD_IP", "valueFrom": map[string]any{"fieldRef": map[string]any{"fieldPath": "status.podIP"}}}}
	args := container["args"].([]any)
	at := slices.IndexFunc(args, func(a any) bool { return strings.HasPrefix(a.(string), "--prometheus-url=") })
	args[at] = "--prometheus-url=" + url + "/"
	container["args"] = append(args, "--bind-address=$(POD_IP)")
	must(t, unstructured.SetNestedSlice(deployment.Object, containers, "spec", "template", "spec", "containers"))
	return objects
}

// oneAtATime is the first line of the switch in docs/migrate-from-prometheus-adapter.md: the
// original gives up a replica before there is another one.
func oneAtATime(t *testing.T) {
	t.Helper()
	patch := []byte(`{"spec":{"strategy":{"rollingUpdate":{"maxUnavailable":0}}}}`)
	_, err := system.Client.AppsV1().Deployments(lab.MonitoringNamespace).Patch(t.Context(), predecessor, types.StrategicMergePatchType, patch, metav1.PatchOptions{})
	must(t, err)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// useImage changes nothing but the image, and waits until it alone runs.
func useImage(t *testing.T, image string) {
	t.Helper()
	deployments := system.Client.AppsV1().Deployments(lab.MonitoringNamespace)
	patch := fmt.Appendf(nil, `[{"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": %q}]`, image)
	_, err := deployments.Patch(t.Context(), predecessor, types.JSONPatchType, patch, metav1.PatchOptions{})
	must(t, err)
	system.Until(t, "the rollout of "+image, 4*time.Minute, func(ctx context.Context) (bool, string) {
		d, err := deployments.Get(ctx, predecessor, metav1.GetOptions{})
		if err != nil {
			return false, err.Error()
		}
		s := d.Status
		return s.ObservedGeneration >= d.Generation && s.UpdatedReplicas == 2 && s.AvailableReplicas == 2 && s.Replicas == 2, fmt.Sprintf("%+v", s)
	})
}

// apis is what is served: names, and of which objects there are values.
type apis struct {
	Names map[string][]string // by API
	Pods  map[string][]string // pods with a value, by API
	Queue int                 // series of the queue's length
	Nodes []string
	Paths []string // Ingresses with a value
}

// served waits until everything has values, and returns what it is.
func served(t *testing.T, image string) (found apis) {
	t.Helper()
	system.Until(t, "all APIs by "+image, 2*time.Minute, func(ctx context.Context) (bool, string) {
		var err error
		if found, err = look(ctx); err != nil {
			return false, err.Error()
		}
		return true, ""
	})
	return found
}

func look(ctx context.Context) (apis, error) {
	a := apis{Names: map[string][]string{}, Pods: map[string][]string{}}
	for _, api := range []string{"custom.metrics.k8s.io/v1beta1", "custom.metrics.k8s.io/v1beta2", "external.metrics.k8s.io/v1beta1", "metrics.k8s.io/v1beta1"} {
		names, err := list(ctx, "/apis/"+api, "resources", "name")
		if err != nil {
			return a, err
		}
		if a.Names[api] = names; len(names) == 0 {
			return a, fmt.Errorf("%s lists nothing", api)
		}
	}
	pods := "/namespaces/" + lab.RemindMeNamespace + "/pods"
	for path, name := range map[string][]string{
		"custom.metrics.k8s.io/v1beta1" + pods + "/*/http_requests_per_second": {"describedObject", "name"},
		"custom.metrics.k8s.io/v1beta2" + pods + "/*/http_requests_per_second": {"describedObject", "name"},
		"metrics.k8s.io/v1beta1" + pods:                                        {"metadata", "name"},
	} {
		names, err := list(ctx, "/apis/"+path, "items", name...)
		if err != nil {
			return a, err
		}
		a.Pods[path] = names
		for _, last := range []string{"on-cpu-", "on-ingress-"} { // they begin with the test
			if n := len(slices.DeleteFunc(slices.Clone(names), func(n string) bool { return !strings.HasPrefix(n, last) })); n != 2 {
				return a, fmt.Errorf("%s has values of %q only", path, names)
			}
		}
	}
	nodes, err := list(ctx, "/apis/metrics.k8s.io/v1beta1/nodes", "items", "metadata", "name")
	if err != nil || len(nodes) == 0 {
		return a, fmt.Errorf("nodes %q: %v", nodes, err)
	}
	a.Nodes = nodes
	a.Paths, err = list(ctx, ingressPath, "items", "describedObject", "kind")
	if err != nil || len(a.Paths) != 1 {
		return a, fmt.Errorf("Ingresses %q: %v", a.Paths, err)
	}
	queue, err := list(ctx, depthPath, "items", "metricName")
	if a.Queue = len(queue); err != nil || a.Queue != 1 {
		return a, fmt.Errorf("queues %q: %v", queue, err)
	}
	return a, nil
}

// list gets the sorted texts at path in each element of a field of an answer.
func list(ctx context.Context, uri, field string, path ...string) ([]string, error) {
	data, err := system.Raw(ctx, uri)
	if err != nil {
		return nil, err
	}
	var answer map[string]any
	if err := json.Unmarshal(data, &answer); err != nil {
		return nil, fmt.Errorf("%s: %w", uri, err)
	}
	elements, _ := answer[field].([]any)
	var out []string
	for _, e := range elements {
		text, _, err := unstructured.NestedString(e.(map[string]any), path...)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", uri, err)
		}
		out = append(out, text)
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

// ingressPath is what an HPA reads of the Ingress that it names.
const ingressPath = customPath + "v1beta2" + inRemindMe + "/ingresses.networking.k8s.io/remindmeweb-service/ingress_requests_per_second"

func cpuMetric() autoscalingv2.MetricSpec {
	return autoscalingv2.MetricSpec{Type: autoscalingv2.ResourceMetricSourceType, Resource: &autoscalingv2.ResourceMetricSource{
		Name: corev1.ResourceCPU,
		// An idle pod uses a few: ten times too much would show.
		Target: autoscalingv2.MetricTarget{Type: autoscalingv2.AverageValueMetricType, AverageValue: new(resource.MustParse("500m"))},
	}}
}

func ingressMetric() autoscalingv2.MetricSpec {
	return autoscalingv2.MetricSpec{Type: autoscalingv2.ObjectMetricSourceType, Object: &autoscalingv2.ObjectMetricSource{
		DescribedObject: autoscalingv2.CrossVersionObjectReference{APIVersion: "networking.k8s.io/v1", Kind: "Ingress", Name: "remindmeweb-service"},
		Metric:          autoscalingv2.MetricIdentifier{Name: "ingress_requests_per_second"},
		Target:          autoscalingv2.MetricTarget{Type: autoscalingv2.ValueMetricType, Value: new(resource.MustParse("1000"))},
	}}
}

// scaled has an HPA on a metric for the test's time, of a workload of its own, and waits
// until it has a value.
func scaled(t *testing.T, name string, metric autoscalingv2.MetricSpec) {
	t.Helper()
	deployments := system.Client.AppsV1().Deployments(lab.RemindMeNamespace)
	d, err := deployments.Get(t.Context(), "remindmeweb-deployment", metav1.GetOptions{})
	must(t, err)
	labels := map[string]string{"app.kubernetes.io/name": name}
	d.ObjectMeta = metav1.ObjectMeta{Name: name, Namespace: d.Namespace}
	d.Spec.Replicas, d.Spec.Selector, d.Spec.Template.Labels = ptr.To[int32](2), &metav1.LabelSelector{MatchLabels: labels}, labels
	_, err = deployments.Create(t.Context(), d, metav1.CreateOptions{})
	must(t, err)
	hpas := system.Client.AutoscalingV2().HorizontalPodAutoscalers(lab.RemindMeNamespace)
	_, err = hpas.Create(t.Context(), &autoscalingv2.HorizontalPodAutoscaler{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: autoscalingv2.HorizontalPodAutoscalerSpec{
			ScaleTargetRef: autoscalingv2.CrossVersionObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Name: name},
			MinReplicas:    ptr.To[int32](2), MaxReplicas: 4, Metrics: []autoscalingv2.MetricSpec{metric},
		},
	}, metav1.CreateOptions{})
	must(t, err)
	t.Cleanup(func() {
		ctx := context.WithoutCancel(t.Context())
		must(t, hpas.Delete(ctx, name, metav1.DeleteOptions{}))
		must(t, deployments.Delete(ctx, name, metav1.DeleteOptions{}))
	})
	system.Until(t, "the HPA "+name+" has its value", 2*time.Minute, func(ctx context.Context) (bool, string) {
		h, err := hpa(ctx, name)
		if err != nil {
			return false, err.Error()
		}
		m := h.Status.CurrentMetrics
		has := len(m) == 1 && (m[0].Resource != nil && m[0].Resource.Current.AverageValue != nil || m[0].Object != nil && m[0].Object.Current.Value != nil)
		return has, describe(h)
	})
}

// sizesOf are the desired sizes of all HPAs that are active, once all are.
func sizesOf(t *testing.T) map[string]int32 {
	t.Helper()
	sizes := map[string]int32{}
	system.Until(t, "all HPAs are active", time.Minute, func(ctx context.Context) (bool, string) {
		all, err := system.Client.AutoscalingV2().HorizontalPodAutoscalers(lab.RemindMeNamespace).List(ctx, metav1.ListOptions{})
		if err != nil {
			return false, err.Error()
		}
		for i, h := range all.Items {
			active := slices.ContainsFunc(h.Status.Conditions, func(c autoscalingv2.HorizontalPodAutoscalerCondition) bool {
				return c.Type == autoscalingv2.ScalingActive && c.Status == corev1.ConditionTrue
			})
			if !active {
				return false, h.Name + ": " + describe(&all.Items[i])
			}
			sizes[h.Name] = h.Status.DesiredReplicas
		}
		return len(sizes) > 1, fmt.Sprint(sizes)
	})
	return sizes
}

// readingOn reads again and again until the function that it returns is called, which tells
// for how long each path failed, gap by gap.
func readingOn(t *testing.T) (stop func() map[string][]time.Duration) {
	t.Helper()
	var readers sync.WaitGroup
	done := make(chan struct{})
	paths := []string{webPath, depthPath, ingressPath, "/apis/metrics.k8s.io/v1beta1/namespaces/" + lab.RemindMeNamespace + "/pods"}
	gaps := make([][]time.Duration, len(paths))
	for i, path := range paths {
		readers.Go(func() {
			var since time.Time // of the first read of a gap
			for {
				began := time.Now()
				_, err := system.Raw(t.Context(), path)
				switch {
				case err != nil && since.IsZero():
					since = began
				case err == nil && !since.IsZero():
					gaps[i], since = append(gaps[i], time.Since(since)), time.Time{}
				}
				select {
				case <-done:
					if !since.IsZero() {
						gaps[i] = append(gaps[i], time.Since(since))
					}
					return
				case <-time.After(100 * time.Millisecond):
				}
			}
		})
	}
	end := sync.OnceFunc(func() { close(done); readers.Wait() })
	t.Cleanup(end)
	return func() map[string][]time.Duration {
		end()
		found := map[string][]time.Duration{}
		for i, path := range paths {
			found[path] = gaps[i]
		}
		return found
	}
}
