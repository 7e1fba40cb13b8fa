//go:build e2e

package e2e

import (
	"context"
	_ "embed"
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
	"k8s.io/utils/ptr"

	"github.com/loadline/loadline/hack/lab"
)

//go:embed dropin/manifests.yaml
var dropinManifests string

const (
	predecessor      = "prometheus-adapter"
	predecessorImage = "prometheus-adapter:v0.12.0"
	ownImage         = "loadline-adapter:local"
)

// Test6DropIn: an installation of prometheus-adapter goes on as it is with another image,
// with its arguments, its configuration, its ServiceAccount and its rights, and goes back.
// The APIs list the same and have values of the same objects all the way, and no HPA
// changes its size, one on CPU by metrics.k8s.io among them.
func Test6DropIn(t *testing.T) {
	url, err := system.PrometheusURL(t.Context())
	must(t, err)
	objects, err := lab.Decode([]byte(strings.ReplaceAll(dropinManifests, "PROMETHEUS_URL", url)))
	must(t, err)
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
	onCPU(t)

	before := served(t, predecessorImage)
	t.Logf("%s: %+v", predecessorImage, before)
	for _, image := range []string{ownImage, predecessorImage} {
		sizes, stop := sizesOf(t), readingOn(t)
		useImage(t, image)
		now := served(t, image)
		system.Pause(t, 2*hpaSync) // so that HPAs have read from this one alone
		failed, reads := stop()
		t.Logf("to %s: %d of %d reads failed meanwhile", image, failed, reads)
		// The predecessor stops without a delay, so what meets it then fails.
		if reads == 0 || failed*5 > reads {
			t.Errorf("to %s: %d of %d reads failed", image, failed, reads)
		}
		if diff := cmp.Diff(before, now); diff != "" {
			t.Errorf("%s serves something else (-before +now):\n%s", image, diff)
		}
		if diff := cmp.Diff(sizes, sizesOf(t)); diff != "" {
			t.Errorf("HPAs changed their sizes (-before +now):\n%s", diff)
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
	d, err := deployments.Get(t.Context(), predecessor, metav1.GetOptions{})
	must(t, err)
	d.Spec.Template.Spec.Containers[0].Image = image
	_, err = deployments.Update(t.Context(), d, metav1.UpdateOptions{})
	must(t, err)
	system.Until(t, "the rollout of "+image, 2*time.Minute, func(ctx context.Context) (bool, string) {
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
}

// served waits until everything has values, and returns what it is.
func served(t *testing.T, image string) (found apis) {
	t.Helper()
	system.Until(t, "all APIs by "+image, 90*time.Second, func(ctx context.Context) (bool, string) {
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
		if a.Pods[path] = names; len(names) < 2 {
			return a, fmt.Errorf("%s has values of %q only", path, names)
		}
	}
	nodes, err := list(ctx, "/apis/metrics.k8s.io/v1beta1/nodes", "items", "metadata", "name")
	if err != nil || len(nodes) == 0 {
		return a, fmt.Errorf("nodes %q: %v", nodes, err)
	}
	a.Nodes = nodes
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

// onCPU has an HPA on CPU for the test's time, of a workload of its own.
func onCPU(t *testing.T) {
	t.Helper()
	deployments := system.Client.AppsV1().Deployments(lab.RemindMeNamespace)
	d, err := deployments.Get(t.Context(), "remindmeweb-deployment", metav1.GetOptions{})
	must(t, err)
	labels := map[string]string{"app.kubernetes.io/name": "on-cpu"}
	d.ObjectMeta = metav1.ObjectMeta{Name: "on-cpu", Namespace: d.Namespace}
	d.Spec.Replicas, d.Spec.Selector, d.Spec.Template.Labels = ptr.To[int32](2), &metav1.LabelSelector{MatchLabels: labels}, labels
	_, err = deployments.Create(t.Context(), d, metav1.CreateOptions{})
	must(t, err)
	most := resource.MustParse("500m") // an idle pod uses a few: ten times too much would show
	hpas := system.Client.AutoscalingV2().HorizontalPodAutoscalers(lab.RemindMeNamespace)
	_, err = hpas.Create(t.Context(), &autoscalingv2.HorizontalPodAutoscaler{
		ObjectMeta: metav1.ObjectMeta{Name: "on-cpu"},
		Spec: autoscalingv2.HorizontalPodAutoscalerSpec{
			ScaleTargetRef: autoscalingv2.CrossVersionObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Name: "on-cpu"},
			MinReplicas:    ptr.To[int32](2), MaxReplicas: 4,
			Metrics: []autoscalingv2.MetricSpec{{Type: autoscalingv2.ResourceMetricSourceType, Resource: &autoscalingv2.ResourceMetricSource{
				Name: corev1.ResourceCPU, Target: autoscalingv2.MetricTarget{Type: autoscalingv2.AverageValueMetricType, AverageValue: &most},
			}}},
		},
	}, metav1.CreateOptions{})
	must(t, err)
	t.Cleanup(func() {
		ctx := context.WithoutCancel(t.Context())
		must(t, hpas.Delete(ctx, "on-cpu", metav1.DeleteOptions{}))
		must(t, deployments.Delete(ctx, "on-cpu", metav1.DeleteOptions{}))
	})
	system.Until(t, "an HPA on CPU has its value", 90*time.Second, func(ctx context.Context) (bool, string) {
		h, err := hpa(ctx, "on-cpu")
		if err != nil {
			return false, err.Error()
		}
		m := h.Status.CurrentMetrics
		return len(m) == 1 && m[0].Resource != nil && m[0].Resource.Current.AverageValue != nil, describe(h)
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

// readingOn reads again and again until the function that it returns is called, and counts
// what fails: the predecessor stops without a delay.
func readingOn(t *testing.T) (stop func() (failed, reads int)) {
	t.Helper()
	var reader sync.WaitGroup
	done := make(chan struct{})
	failed, reads := 0, 0
	reader.Go(func() {
		for {
			select {
			case <-done:
				return
			case <-time.After(50 * time.Millisecond):
			}
			for _, path := range []string{webPath, depthPath, "/apis/metrics.k8s.io/v1beta1/namespaces/" + lab.RemindMeNamespace + "/pods"} {
				reads++
				if _, err := system.Raw(t.Context(), path); err != nil {
					failed++
				}
			}
		}
	})
	end := sync.OnceFunc(func() { close(done); reader.Wait() })
	t.Cleanup(end)
	return func() (int, int) {
		end()
		return failed, reads
	}
}
