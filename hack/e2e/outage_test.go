//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"syscall"
	"testing"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/metrics/pkg/apis/external_metrics/v1beta1"

	"github.com/loadline/loadline/hack/lab"
	"github.com/loadline/loadline/hack/load"
)

const depthPath = "/apis/external.metrics.k8s.io/v1beta1/namespaces/" + lab.RemindMeNamespace + "/reminder_queue_depth?labelSelector=queue%3Dreminders"

// Test4SourceAway: Prometheus stopped, and hung. No HPA changes its replicas
// because of it, its condition says why, every answer comes within 2 s, and
// after recovery values are fresh.
func Test4SourceAway(t *testing.T) {
	web := driver(t, "remindmeweb-service", load.Get("/"))
	rate(t, web, 50) // 3 pods at 17 a second: steady
	replicas(t, "remindmeweb", 3, 90*time.Second)
	replicas(t, "remindmeapi", 3, 90*time.Second) // web passes every request on
	replicas(t, "remindme-worker", 2, 90*time.Second)

	t.Run("hung", func(t *testing.T) {
		pod := prometheusPod(t)
		if err := system.Node.Kill(lab.MonitoringNamespace, pod, syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		away(t)
		if err := system.Node.Kill(lab.MonitoringNamespace, pod, syscall.SIGCONT); err != nil {
			t.Fatal(err)
		}
		fresh(t, 2*lab.EvaluationInterval+2*time.Second)
	})

	t.Run("stopped", func(t *testing.T) {
		// The first answers after an outage may be partial, and it has emptied
		// the short stabilization window: let the sizes settle again.
		replicas(t, "remindmeweb", 3, time.Minute)
		replicas(t, "remindmeapi", 3, time.Minute)
		t.Cleanup(func() { scalePrometheus(t, 1) })
		scalePrometheus(t, 0)
		away(t)
		scalePrometheus(t, 1)
		if err := system.Available(t.Context(), lab.MonitoringNamespace, "prometheus", time.Minute); err != nil {
			t.Fatal(err)
		}
		// A new Prometheus has to find the pods and to scrape them twice.
		fresh(t, 30*time.Second)
	})
	replicas(t, "remindmeweb", 3, time.Minute)
}

// away watches for eight HPA syncs that nothing moves and everything answers.
func away(t *testing.T) {
	t.Helper()
	latencies := &slowest{}
	said := ""
	never(t, 40*time.Second, func(ctx context.Context) (bool, string) {
		latencies.read(ctx)
		for name, want := range map[string]int32{"remindmeweb": 3, "remindmeapi": 3, "remindme-worker": 2} {
			h, err := hpa(ctx, name)
			if err != nil {
				return true, err.Error()
			}
			if h.Status.CurrentReplicas != want || h.Status.DesiredReplicas != want {
				return true, fmt.Sprintf("%s moved while the source was away: %s", name, describe(h))
			}
			if name == "remindmeweb" {
				for _, c := range h.Status.Conditions {
					if c.Type == autoscalingv2.ScalingActive && c.Status == "False" {
						said = c.Reason + ": " + c.Message
					}
				}
			}
		}
		return false, ""
	})
	if said == "" {
		t.Error("no condition says that the metric is gone")
	}
	t.Logf("condition: %s", said)
	t.Logf("slowest of %d answers: %s", latencies.n, latencies.worst)
	if latencies.worst > 2*time.Second {
		t.Errorf("an answer took %s", latencies.worst)
	}
}

// fresh waits for a value that was evaluated after now.
func fresh(t *testing.T, limit time.Duration) {
	t.Helper()
	back := time.Now()
	until(t, "a fresh value after recovery", limit, func(ctx context.Context) (bool, string) {
		data, err := system.Raw(ctx, depthPath)
		if err != nil {
			return false, err.Error()
		}
		var list v1beta1.ExternalMetricValueList
		if err := json.Unmarshal(data, &list); err != nil || len(list.Items) != 1 {
			return false, string(data)
		}
		// The API's timestamps have whole seconds.
		return !list.Items[0].Timestamp.Time.Before(back.Truncate(time.Second)), string(data)
	})
}

// slowest keeps the slowest of many reads.
type slowest struct {
	mu    sync.Mutex
	n     int
	worst time.Duration
}

// read reads a warm metric and one that nobody has asked for before.
func (s *slowest) read(ctx context.Context) {
	s.mu.Lock()
	s.n++
	cold := fmt.Sprintf("%s%%2Cunseen!%%3D%d", depthPath, s.n)
	s.mu.Unlock()
	var wg sync.WaitGroup
	for _, path := range []string{depthPath, cold} {
		wg.Go(func() {
			began := time.Now()
			_, _ = system.Raw(ctx, path) // an error is an answer
			took := time.Since(began)
			s.mu.Lock()
			defer s.mu.Unlock()
			s.worst = max(s.worst, took)
		})
	}
	wg.Wait()
}

func prometheusPod(t *testing.T) string {
	t.Helper()
	pods, err := system.Client.CoreV1().Pods(lab.MonitoringNamespace).List(t.Context(), metav1.ListOptions{LabelSelector: "app=prometheus"})
	if err != nil || len(pods.Items) != 1 {
		t.Fatalf("pods %d, err %v", len(pods.Items), err)
	}
	return pods.Items[0].Name
}

func scalePrometheus(t *testing.T, n int) {
	t.Helper()
	patch := fmt.Sprintf(`{"spec":{"replicas":%d}}`, n)
	ctx := context.WithoutCancel(t.Context()) // also in a cleanup
	if _, err := system.Client.AppsV1().Deployments(lab.MonitoringNamespace).Patch(ctx, "prometheus", types.MergePatchType, []byte(patch), metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
}
