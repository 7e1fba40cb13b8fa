//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/loadline/loadline/hack/lab"
	"github.com/loadline/loadline/hack/load"
)

// Test3LivePodsOnly: what is in an answer about pods, and what is not, although
// Prometheus has it or because it does not. The pods are web's, of its own
// template: they serve, they are scraped, and an answer has held them (except the
// one that is not scraped). Every answer meanwhile has a value for the two pods
// that live on.
func Test3LivePodsOnly(t *testing.T) {
	web := driver(t, "remindmeweb-service", load.Get("/"))
	rate(t, web, 20)
	var living []string
	system.Until(t, "two web pods with a value", 90*time.Second, func(ctx context.Context) (bool, string) {
		got, err := podMetrics(ctx, "remindmeweb")
		living = living[:0]
		for name := range got {
			living = append(living, name)
		}
		return err == nil && len(got) == 2, fmt.Sprint(got, err)
	})

	// For as long as Prometheus has a rate of the failed pod, no answer has it.
	t.Run("failed", func(t *testing.T) {
		const name = "e2e-failed"
		startPod(t, name, func(*corev1.Pod) {})
		answered(t, name)
		// The embedded engine may have answered before Prometheus could.
		system.Until(t, "Prometheus has a rate of "+name, 30*time.Second, func(ctx context.Context) (bool, string) {
			rates, err := webRates(ctx)
			_, has := rates[name]
			return has, fmt.Sprint(rates, err)
		})
		if err := system.Node.Kill(lab.RemindMeNamespace, name, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		phase(t, name, corev1.PodFailed)
		stillInPrometheus := leftOut(t, name, living, rateSurvives)
		if stillInPrometheus < 5 {
			t.Errorf("Prometheus had a rate of the failed pod at %d reads only: the test shows too little", stillInPrometheus)
		}
	})

	// A terminating pod that goes on serving requests and being scraped.
	t.Run("terminating", func(t *testing.T) {
		const name = "e2e-terminating"
		ip := startPod(t, name, func(pod *corev1.Pod) {
			pod.Spec.TerminationGracePeriodSeconds = new(int64(120))
			c := &pod.Spec.Containers[0]
			c.Env = append(c.Env, corev1.EnvVar{Name: "DRAIN", Value: "100s"})
		})
		answered(t, name)
		direct := drive(t, name, func() (string, bool) { return net.JoinHostPort(ip, "8080"), true }, load.Get("/"))
		rate(t, direct, 10)
		client := system.Client.CoreV1().Pods(lab.RemindMeNamespace)
		if err := client.Delete(t.Context(), name, metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
		// Longer than the window: what Prometheus has then is of the time since.
		const span = lab.RateWindow + 5*time.Second
		if n := leftOut(t, name, living, span); n < 30 {
			t.Errorf("Prometheus had a rate of the terminating pod at %d reads only: the test shows too little", n)
		}
		pod, err := client.Get(t.Context(), name, metav1.GetOptions{})
		if err != nil || pod.DeletionTimestamp == nil || pod.Status.Phase != corev1.PodRunning {
			t.Errorf("the pod is not terminating and running any more: %v", err)
		}
		if rates, err := webRates(t.Context()); rates[name] < 5 {
			t.Errorf("at the end Prometheus has a rate of %v for the pod that serves 10 a second, %v", rates[name], err)
		}
		if s := direct.Stats(); s.Failed > 0 {
			t.Errorf("the terminating pod did not go on serving: %+v", s)
		}
	})

	// A running and ready pod that Prometheus has no sample of is left out, until
	// there are samples.
	t.Run("no samples yet", func(t *testing.T) {
		const name, scrape = "e2e-unscraped", "prometheus.io/scrape"
		startPod(t, name, func(pod *corev1.Pod) { pod.Annotations[scrape] = "false" })
		// Longer than a scrape and an evaluation: it would be there by now.
		if n := leftOut(t, name, living, 4*lab.EvaluationInterval); n > 0 {
			t.Errorf("Prometheus had the pod at %d reads: the test shows nothing", n)
		}
		_, message := podByName(t, name)
		if !strings.Contains(message, "absence is not zero") {
			t.Errorf("read by name: %s", message)
		}
		patch := fmt.Sprintf(`{"metadata":{"annotations":{%q:"true"}}}`, scrape)
		if _, err := system.Client.CoreV1().Pods(lab.RemindMeNamespace).Patch(t.Context(), name, types.MergePatchType, []byte(patch), metav1.PatchOptions{}); err != nil {
			t.Fatal(err)
		}
		answered(t, name)
	})
	replicas(t, "remindmeweb", 2, 90*time.Second)
}

// rateSurvives is how long Prometheus surely has a rate of a pod that is not
// scraped any more: two samples stay in the window for longer.
const rateSurvives = lab.RateWindow / 2

// startPod starts a ready pod of web's template that no controller owns, until
// the test ends, and returns its address.
func startPod(t *testing.T, name string, edit func(*corev1.Pod)) (ip string) {
	t.Helper()
	deployment, err := system.Client.AppsV1().Deployments(lab.RemindMeNamespace).Get(t.Context(), "remindmeweb-deployment", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	template := deployment.Spec.Template.DeepCopy()
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: template.Labels, Annotations: template.Annotations}, Spec: template.Spec}
	pod.Spec.RestartPolicy = corev1.RestartPolicyNever
	edit(pod)
	client := system.Client.CoreV1().Pods(lab.RemindMeNamespace)
	if _, err := client.Create(t.Context(), pod, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := client.Delete(context.WithoutCancel(t.Context()), name, *metav1.NewDeleteOptions(0)); err != nil {
			t.Error(err)
		}
	})
	system.Until(t, "pod "+name+" ready", 30*time.Second, func(ctx context.Context) (bool, string) {
		pod, err := client.Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return false, err.Error()
		}
		for _, c := range pod.Status.Conditions {
			if c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue {
				ip = pod.Status.PodIP
				return true, ""
			}
		}
		return false, string(pod.Status.Phase)
	})
	return ip
}

func phase(t *testing.T, name string, want corev1.PodPhase) {
	t.Helper()
	system.Until(t, fmt.Sprintf("pod %s %s", name, want), 30*time.Second, func(ctx context.Context) (bool, string) {
		pod, err := system.Client.CoreV1().Pods(lab.RemindMeNamespace).Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return false, err.Error()
		}
		return pod.Status.Phase == want, string(pod.Status.Phase)
	})
}

// answered waits until an answer has a value above 0 for the pod.
func answered(t *testing.T, name string) {
	t.Helper()
	system.Until(t, "a value of "+name, 45*time.Second, func(ctx context.Context) (bool, string) {
		got, err := podMetrics(ctx, "remindmeweb")
		return got[name] > 0, fmt.Sprint(got, err)
	})
}

// leftOut reads for a time and fails when an answer holds the pod or fails to
// hold one of the living, or when the pod has a value when it is read by name. It
// returns how many reads were between two looks at Prometheus which had a rate of
// the pod.
func leftOut(t *testing.T, name string, living []string, span time.Duration) (reads int) {
	t.Helper()
	// A change of a pod reaches the adapter by a watch, which is not instantaneous.
	system.Until(t, name+" is left out", time.Second, func(ctx context.Context) (bool, string) {
		got, err := podMetrics(ctx, "remindmeweb")
		_, there := got[name]
		return err == nil && !there, fmt.Sprint(got, err)
	})
	had := false
	system.Never(t, span, func(ctx context.Context) (bool, string) {
		got, err := podMetrics(ctx, "remindmeweb")
		if _, there := got[name]; err != nil || there {
			return true, fmt.Sprintf("an answer while %s must be left out: %v, %v", name, got, err)
		}
		for _, other := range living {
			if _, there := got[other]; !there {
				return true, fmt.Sprintf("an answer without %s, which lives: %v", other, got)
			}
		}
		if code, message := podByName(t, name); code != http.StatusNotFound {
			return true, fmt.Sprintf("%s read by name: %d %s", name, code, message)
		}
		rates, err := webRates(ctx)
		if err != nil {
			return true, err.Error()
		}
		_, has := rates[name]
		if had && has {
			reads++
		}
		had = has
		return false, ""
	})
	t.Logf("%s is left out, at %d reads although Prometheus has its rate", name, reads)
	return reads
}

// webRates is what Prometheus itself says now to the query behind the metric.
func webRates(ctx context.Context) (map[string]float64, error) {
	return prometheusValues(ctx, "pod", fmt.Sprintf(`sum(rate(http_requests_total{namespace=%q,pod=~"e2e-.*|remindmeweb-.*"}[%s])) by (pod)`, lab.RemindMeNamespace, lab.RateWindow))
}

// podByName reads the metric of one pod.
func podByName(t *testing.T, name string) (code int, answer string) {
	t.Helper()
	path := "/apis/custom.metrics.k8s.io/v1beta2/namespaces/" + lab.RemindMeNamespace + "/pods/" + name + "/http_requests_per_second"
	body, err := system.Client.Discovery().RESTClient().Get().RequestURI(path).Do(t.Context()).StatusCode(&code).Raw()
	return code, fmt.Sprint(string(body), err)
}
