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
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"

	"github.com/loadline/loadline/hack/lab"
	"github.com/loadline/loadline/hack/load"
)

const webPath = "/apis/custom.metrics.k8s.io/v1beta2/namespaces/" + lab.RemindMeNamespace +
	"/pods/*/http_requests_per_second?labelSelector=app.kubernetes.io%2Fname%3Dremindmeweb"

// Test5Alike: two adapters side by side, asked at the same moments while the
// load rises and falls, answer for the same pods, and what one of them says is
// what the other one says within an evaluation of that moment.
func Test5Alike(t *testing.T) {
	web := driver(t, "remindmeweb-service", load.Get("/"))
	rate(t, web, 10)
	replicas(t, "remindmeweb", 2, 90*time.Second)
	pods := adapterPods(t)
	if len(pods) != 2 {
		t.Fatalf("%d adapter pods", len(pods))
	}
	for _, pod := range pods { // each discovers the series for itself
		system.Until(t, pod.Name+" knows two web pods", time.Minute, func(context.Context) (bool, string) {
			code, body := directly(t, system.Cluster.RESTConfig(), pod, webPath)
			return code == http.StatusOK && len(parseValues(t, body)) == 2, string(body)
		})
	}

	var heard []pair
	began := time.Now()
	// Below the HPA's target of 20 for each of two pods, so that the pods stay. A
	// step is as long as the window of the rate.
	for _, perSecond := range []float64{34, 10, 34} {
		rate(t, web, perSecond)
		for step := time.Now(); time.Since(step) < 10*time.Second; {
			a, b := direct(t, pods[0]), direct(t, pods[1])
			heard = append(heard, pair{time.Since(began), a, b})
			if !slices.Equal(slices.Sorted(maps.Keys(a)), slices.Sorted(maps.Keys(b))) {
				t.Fatalf("after %s they answer for different pods: %v and %v", time.Since(began), a, b)
			}
			system.Pause(t, 250*time.Millisecond)
		}
	}
	// Either answers with its last evaluation, which an interval and a query's
	// deadline (1 s in the lab) ago had begun at the latest. So what one says now
	// was evaluated after what the other said that long ago, and before what the
	// other will say that long from now.
	const apart = lab.EvaluationInterval + time.Second
	// What is left is how a rate is extrapolated to its window's ends.
	const tolerance = 1_500 // milli-requests a second, of 5,000 to 17,000
	for _, problem := range differences(heard, apart, tolerance) {
		t.Error(problem)
	}
	low, high := extremes(heard)
	t.Logf("%d pairs of answers, between %d and %d milli-requests a second for each pod", len(heard), low, high)
	if high-low < 8_000 {
		t.Errorf("the values moved by %d milli-requests a second only: too little for the comparison to say anything", high-low)
	}
}

// Test5Killed: both adapters are killed under load. From ten seconds after that on, for
// five, all APIServices are available and every read succeeds, and all through it
// the HPA does not move. An adapter that scrapes has lost its samples with its process,
// and is not ready before it has scraped twice: three intervals more.
func Test5Killed(t *testing.T) {
	recovered := 10 * time.Second
	if system.Source() == lab.Embedded {
		recovered += 3 * lab.ScrapeInterval
	}
	web := driver(t, "remindmeweb-service", load.Get("/"))
	rate(t, web, 30)
	replicas(t, "remindmeweb", 2, 90*time.Second)
	othersServed(t)

	pods := adapterPods(t)
	if len(pods) != 2 {
		t.Fatalf("%d adapter pods", len(pods))
	}
	for _, p := range pods {
		if err := system.Node.Kill(lab.AdapterNamespace, p.Name, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
	}
	killed, last, failures := time.Now(), time.Duration(0), 0
	for time.Since(killed) < recovered+5*time.Second {
		if problem := unavailable(t.Context()); problem != "" {
			last, failures = time.Since(killed), failures+1
			if last > recovered {
				t.Fatalf("%s after the kill: %s", last, problem)
			}
		}
		h, err := hpa(t.Context(), "remindmeweb")
		if err != nil {
			t.Fatal(err)
		}
		if h.Status.CurrentReplicas != 2 || h.Status.DesiredReplicas != 2 {
			t.Fatalf("the HPA moved: %s", describe(h))
		}
		system.Pause(t, 100*time.Millisecond)
	}
	if failures == 0 {
		t.Error("every read succeeded: the adapters were not killed")
	}
	t.Logf("APIs away until %s after the kill", last.Round(100*time.Millisecond))
}

// Test5Rolled: both adapters are replaced, as by an upgrade. All through it, until
// the old ones are gone, all APIServices are available and every read
// succeeds.
func Test5Rolled(t *testing.T) {
	web := driver(t, "remindmeweb-service", load.Get("/"))
	rate(t, web, 30)
	replicas(t, "remindmeweb", 2, 90*time.Second)
	othersServed(t)

	old := map[string]bool{}
	for _, p := range adapterPods(t) {
		old[p.Name] = true
	}
	restart := system.Cluster.Kubectl(t.Context(), "rollout", "restart", "deployment/"+lab.AdapterDeployment, "--namespace="+lab.AdapterNamespace)
	if out, err := restart.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	began, reads, gone := time.Now(), 0, false
	for !gone {
		if problem := unavailable(t.Context()); problem != "" {
			t.Errorf("%s after the restart was asked for: %s", time.Since(began).Round(100*time.Millisecond), problem)
		}
		reads++
		pods, err := system.Client.CoreV1().Pods(lab.AdapterNamespace).List(t.Context(), metav1.ListOptions{})
		if err != nil {
			t.Fatal(err)
		}
		gone = !slices.ContainsFunc(pods.Items, func(p corev1.Pod) bool { return old[p.Name] })
		if time.Since(began) > 2*time.Minute {
			t.Fatalf("an old adapter is there after %s", time.Since(began))
		}
		system.Pause(t, 50*time.Millisecond)
	}
	t.Logf("%d times everything was read, over %s", reads, time.Since(began).Round(time.Second))
	if pods := adapterPods(t); len(pods) != 2 {
		t.Errorf("%d adapters are ready, want 2", len(pods))
	}
}

// unavailable says why the metrics APIs are not all available, or nothing.
func unavailable(ctx context.Context) string {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	for _, name := range apiServices {
		api, err := apiService(ctx, name)
		if err != nil {
			return err.Error()
		}
		conditions, _, _ := unstructured.NestedSlice(api.Object, "status", "conditions")
		available := slices.ContainsFunc(conditions, func(c any) bool {
			condition, ok := c.(map[string]any)
			return ok && condition["type"] == "Available" && condition["status"] == "True"
		})
		if !available {
			return fmt.Sprintf("APIService %s: %v", name, conditions)
		}
	}
	for _, path := range []string{webPath, strings.Replace(webPath, "v1beta2", "v1beta1", 1), depthPath} {
		if _, err := system.Raw(ctx, path); err != nil {
			return path + ": " + err.Error()
		}
	}
	return ""
}

var apiServices = []string{"v1beta1.custom.metrics.k8s.io", "v1beta2.custom.metrics.k8s.io", "v1beta1.external.metrics.k8s.io", "v1alpha1.diagnostics.loadline.dev"}

func apiService(ctx context.Context, name string) (*unstructured.Unstructured, error) {
	client, err := dynamic.NewForConfig(system.Cluster.RESTConfig())
	if err != nil {
		return nil, err
	}
	return client.Resource(schema.GroupVersionResource{Group: "apiregistration.k8s.io", Version: "v1", Resource: "apiservices"}).
		Get(ctx, name, metav1.GetOptions{})
}

// adapterPods are the adapter's pods that are ready and stay.
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
	api, err := apiService(t.Context(), apiServices[0])
	if err != nil {
		t.Fatal(err)
	}
	bundle, _, _ := unstructured.NestedString(api.Object, "spec", "caBundle")
	config = rest.CopyConfig(config)
	config.Host = "https://" + pod.Status.PodIP + ":6443"
	config.TLSClientConfig.CAFile, config.TLSClientConfig.CAData = "", decode64(t, bundle)
	config.TLSClientConfig.ServerName = adapterHost
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

// adapterHost is the name that the adapter's certificate is for.
const adapterHost = "loadline-adapter." + lab.AdapterNamespace + ".svc"

// direct reads web's pods from one replica: milli-units by pod.
func direct(t *testing.T, pod corev1.Pod) map[string]int64 {
	t.Helper()
	code, body := directly(t, system.Cluster.RESTConfig(), pod, webPath)
	if code != http.StatusOK {
		t.Fatalf("%d %s", code, body)
	}
	return parseValues(t, body)
}
