//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/loadline/loadline/hack/lab"
	"github.com/loadline/loadline/hack/load"
)

// Test5AdapterKilled: killed under load, the APIs answer again within 10 s; two
// adapters side by side answer alike.
func Test5AdapterKilled(t *testing.T) {
	web := driver(t, "remindmeweb-service", load.Get("/"))
	rate(t, web, 30)
	replicas(t, "remindmeweb", 2, 90*time.Second)

	pods := adapterPods(t)
	if len(pods) != 2 {
		t.Fatalf("%d adapter pods", len(pods))
	}
	t.Run("alike", func(t *testing.T) {
		until(t, "both replicas answer for the same pods, alike", 20*time.Second, func(ctx context.Context) (bool, string) {
			a, problemA := direct(t, pods[0])
			b, problemB := direct(t, pods[1])
			return a != "" && a == b, a + problemA + "\nand\n" + b + problemB
		})
	})
	for _, p := range pods {
		if err := system.Node.Kill(lab.AdapterNamespace, p.Name, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
	}
	killed := time.Now()
	until(t, "the killed adapters are noticed", 10*time.Second, func(ctx context.Context) (bool, string) {
		_, err := podMetrics(ctx, "remindmeweb")
		return err != nil, "every read succeeded"
	})
	until(t, "reads succeed again", 10*time.Second-time.Since(killed), func(ctx context.Context) (bool, string) {
		got, err := podMetrics(ctx, "remindmeweb")
		return err == nil && len(got) == 2, fmt.Sprint(got, err)
	})
	if err := system.APIsAvailable(t.Context(), 10*time.Second-time.Since(killed)); err != nil {
		t.Error(err)
	}
	replicas(t, "remindmeweb", 2, 30*time.Second)
}

func adapterPods(t *testing.T) []corev1.Pod {
	t.Helper()
	var ready []corev1.Pod
	pods, err := system.Client.CoreV1().Pods(lab.AdapterNamespace).List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range pods.Items {
		for _, c := range p.Status.Conditions {
			if c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue && p.DeletionTimestamp == nil {
				ready = append(ready, p)
			}
		}
	}
	return ready
}

// directly gets a path from one replica, verifying its certificate as
// kube-apiserver does.
func directly(t *testing.T, config *rest.Config, pod corev1.Pod, path string) (code int, body []byte) {
	t.Helper()
	dyn, err := dynamic.NewForConfig(system.Cluster.RESTConfig())
	if err != nil {
		t.Fatal(err)
	}
	api, err := dyn.Resource(schema.GroupVersionResource{Group: "apiregistration.k8s.io", Version: "v1", Resource: "apiservices"}).
		Get(t.Context(), "v1beta1.custom.metrics.k8s.io", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	bundle, _, _ := unstructured.NestedString(api.Object, "spec", "caBundle")
	config = rest.CopyConfig(config)
	config.Host = "https://" + pod.Status.PodIP + ":6443"
	config.TLSClientConfig.CAFile, config.TLSClientConfig.CAData = "", decode64(t, bundle)
	config.TLSClientConfig.ServerName = "loadline-adapter." + lab.AdapterNamespace + ".svc"
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		t.Fatal(err)
	}
	defer client.CloseIdleConnections()
	client.Timeout = 5 * time.Second
	resp, err := client.Get(config.Host + path)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, err = io.ReadAll(resp.Body); err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, body
}

// direct reads web's pods from one replica.
func direct(t *testing.T, pod corev1.Pod) (answer, problem string) {
	t.Helper()
	code, body := directly(t, system.Cluster.RESTConfig(), pod, "/apis/custom.metrics.k8s.io/v1beta2/namespaces/"+lab.RemindMeNamespace+
		"/pods/*/http_requests_per_second?labelSelector=app.kubernetes.io%2Fname%3Dremindmeweb")
	if code != http.StatusOK {
		return "", fmt.Sprintf("%d %s", code, body)
	}
	values := parseValues(t, body)
	// Rates of a steady load over the same window, evaluated at most an interval
	// apart: alike to within a fifth.
	lines := []string{}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		lines = append(lines, fmt.Sprintf("%s about %d", name, (values[name]+2500)/5000*5))
	}
	return strings.Join(lines, "\n"), ""
}

// Test6API: discovery, every path form in every version, and who may read.
func Test6API(t *testing.T) {
	web := driver(t, "remindmeweb-service", load.Get("/"))
	rate(t, web, 10)
	var pod string
	until(t, "a value", time.Minute, func(ctx context.Context) (bool, string) {
		got, err := podMetrics(ctx, "remindmeweb")
		for name := range got {
			pod = name
		}
		return err == nil && len(got) > 0, fmt.Sprint(err)
	})
	const custom, external = "/apis/custom.metrics.k8s.io/", "/apis/external.metrics.k8s.io/v1beta1"
	in := "/namespaces/" + lab.RemindMeNamespace
	for name, tc := range map[string]struct{ path, want string }{
		"group list":         {"/apis", `"custom.metrics.k8s.io"`},
		"discovery v1beta1":  {custom + "v1beta1", `"pods/http_requests_per_second"`},
		"discovery v1beta2":  {custom + "v1beta2", `"namespaces/http_requests_per_second"`},
		"discovery external": {external, `"reminder_queue_depth"`},
		"pod by name":        {custom + "v1beta1" + in + "/pods/" + pod + "/http_requests_per_second", `"metricName":"http_requests_per_second"`},
		"pod by name v2":     {custom + "v1beta2" + in + "/pods/" + pod + "/http_requests_per_second", `"metric":{"name":"http_requests_per_second"`},
		"all pods":           {custom + "v1beta1" + in + "/pods/*/http_requests_per_second", pod},
		"metric selector":    {custom + "v1beta2" + in + "/pods/*/http_requests_per_second?metricLabelSelector=method%3Dget", pod},
		"namespace object":   {custom + "v1beta2" + in + "/metrics/http_requests_per_second", `"kind":"Namespace"`},
		"external":           {external + in + "/reminder_queue_depth", `"reminder_queue_depth"`},
		"external selector":  {depthPath, `"queue":"reminders"`},
		"openapi v2":         {"/openapi/v2", "io.k8s.metrics"},
	} {
		t.Run(name, func(t *testing.T) {
			until(t, tc.path, 10*time.Second, func(ctx context.Context) (bool, string) {
				data, err := system.Raw(ctx, tc.path)
				return err == nil && strings.Contains(string(data), tc.want), fmt.Sprintf("%v %.600s", err, data)
			})
		})
	}

	stranger, err := system.Cluster.UserConfig("stranger")
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		config *rest.Config
		codes  []int
	}{
		"a user without rights": {stranger, []int{http.StatusForbidden}},
		"nobody":                {system.Cluster.AnonymousConfig(), []int{http.StatusUnauthorized, http.StatusForbidden}},
	} {
		t.Run(name, func(t *testing.T) {
			client, err := kubernetes.NewForConfig(tc.config)
			if err != nil {
				t.Fatal(err)
			}
			for _, path := range []string{depthPath, custom + "v1beta2" + in + "/pods/*/http_requests_per_second"} {
				var code int
				client.Discovery().RESTClient().Get().RequestURI(path).Do(t.Context()).StatusCode(&code)
				if !slices.Contains(tc.codes, code) {
					t.Errorf("%s: %d, want one of %v", path, code, tc.codes)
				}
			}
		})
	}
}
