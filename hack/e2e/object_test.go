//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/loadline/loadline/hack/lab"
	"github.com/loadline/loadline/hack/load"
)

// Test3LivePodsOnly: a terminating or failed pod never appears in an answer; a
// pod without samples is left out, not 0.
func Test3LivePodsOnly(t *testing.T) {
	web := driver(t, "remindmeweb-service", load.Get("/"))
	rate(t, web, 10)
	var pods map[string]int64
	until(t, "two web pods with a value", time.Minute, func(ctx context.Context) (bool, string) {
		var err error
		pods, err = podMetrics(ctx, "remindmeweb")
		return err == nil && len(pods) == 2, fmt.Sprint(pods, err)
	})

	t.Run("failed and unscraped", func(t *testing.T) {
		start(t, "e2e-failed", []string{"remindmeweb", "--no-such-flag"}, nil)
		start(t, "e2e-unscraped", nil, nil)
		phase(t, "e2e-failed", corev1.PodFailed)
		phase(t, "e2e-unscraped", corev1.PodRunning)
		// Longer than a scrape and an evaluation: it would be there by now.
		never(t, 10*time.Second, func(ctx context.Context) (bool, string) {
			got, err := podMetrics(ctx, "remindmeweb")
			_, failed := got["e2e-failed"]
			_, unscraped := got["e2e-unscraped"]
			return err != nil || failed || unscraped, fmt.Sprint(got, err)
		})
	})

	t.Run("terminating", func(t *testing.T) {
		var victim string
		for name := range pods {
			victim = name
		}
		// A process that is stopped ignores SIGTERM: the pod stays terminating
		// for its grace period, and its samples stay in Prometheus.
		if err := system.Node.Kill(lab.RemindMeNamespace, victim, syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		client := system.Client.CoreV1().Pods(lab.RemindMeNamespace)
		if err := client.Delete(t.Context(), victim, metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
		deleted := time.Now()
		seen := 0
		for time.Since(deleted) < 10*time.Second {
			got, err := podMetrics(t.Context(), "remindmeweb")
			if err != nil {
				t.Fatal(err)
			}
			if pod, err := client.Get(t.Context(), victim, metav1.GetOptions{}); err != nil || pod.DeletionTimestamp == nil {
				t.Fatalf("the pod is not terminating any more: %v", err)
			}
			seen++
			// A watch event is not instantaneous.
			if _, there := got[victim]; there && time.Since(deleted) > time.Second {
				t.Fatalf("%s after its deletion the terminating pod is in the answer: %v", time.Since(deleted), got)
			}
			time.Sleep(200 * time.Millisecond) // the pace of the reads, not a wait
		}
		t.Logf("%d reads while the pod was terminating", seen)
		if err := client.Delete(t.Context(), victim, *metav1.NewDeleteOptions(0)); err != nil {
			t.Fatal(err)
		}
	})
	replicas(t, "remindmeweb", 2, 90*time.Second)
}

// start starts a bare pod that web's selector matches and that nobody scrapes.
func start(t *testing.T, name string, command []string, annotations map[string]string) {
	t.Helper()
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"app.kubernetes.io/name": "remindmeweb"}, Annotations: annotations},
		Spec: corev1.PodSpec{
			RestartPolicy: corev1.RestartPolicyNever,
			SecurityContext: &corev1.PodSecurityContext{
				RunAsNonRoot: new(true), RunAsUser: new(int64(65532)), SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
			},
			Containers: []corev1.Container{{
				Name: "web", Image: "remindmeweb:v1", Command: command,
				Env: []corev1.EnvVar{
					{Name: "LISTEN_HOST", ValueFrom: &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{FieldPath: "status.podIP"}}},
					{Name: "API_URL", Value: "http://127.0.0.1:9"},
				},
				SecurityContext: &corev1.SecurityContext{AllowPrivilegeEscalation: new(false), Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}}},
			}},
		},
	}
	client := system.Client.CoreV1().Pods(lab.RemindMeNamespace)
	if _, err := client.Create(t.Context(), pod, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := client.Delete(context.WithoutCancel(t.Context()), name, *metav1.NewDeleteOptions(0)); err != nil {
			t.Error(err)
		}
	})
}

func phase(t *testing.T, name string, want corev1.PodPhase) {
	t.Helper()
	until(t, fmt.Sprintf("pod %s %s", name, want), 30*time.Second, func(ctx context.Context) (bool, string) {
		pod, err := system.Client.CoreV1().Pods(lab.RemindMeNamespace).Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return false, err.Error()
		}
		return pod.Status.Phase == want, string(pod.Status.Phase)
	})
}

// never fails as soon as bad says true, and passes after the time.
func never(t *testing.T, span time.Duration, bad func(context.Context) (bool, string)) {
	t.Helper()
	for end := time.Now().Add(span); time.Now().Before(end); {
		if is, state := bad(t.Context()); is {
			t.Fatal(state)
		}
		select {
		case <-t.Context().Done():
			t.Fatal(t.Context().Err())
		case <-time.After(200 * time.Millisecond):
		}
	}
}
