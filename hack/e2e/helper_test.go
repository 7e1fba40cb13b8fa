//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/metrics/pkg/apis/custom_metrics/v1beta2"

	"github.com/loadline/loadline/hack/lab"
	"github.com/loadline/loadline/hack/load"
)

// until fails the test where lab.Until fails.
func until(t *testing.T, what string, limit time.Duration, check func(context.Context) (bool, string)) {
	t.Helper()
	began := time.Now()
	if err := lab.Until(t.Context(), what, limit, check); err != nil {
		system.DumpLogs(t.Output())
		t.Fatal(err)
	}
	t.Logf("%s: after %s", what, time.Since(began).Round(100*time.Millisecond))
}

// hpa gets one of Remind Me's HPAs.
func hpa(ctx context.Context, name string) (*autoscalingv2.HorizontalPodAutoscaler, error) {
	return system.Client.AutoscalingV2().HorizontalPodAutoscalers(lab.RemindMeNamespace).Get(ctx, name, metav1.GetOptions{})
}

// replicas waits until the HPA's target has n replicas.
func replicas(t *testing.T, name string, n int32, limit time.Duration) {
	t.Helper()
	until(t, fmt.Sprintf("HPA %s at %d replicas", name, n), limit, func(ctx context.Context) (bool, string) {
		h, err := hpa(ctx, name)
		if err != nil {
			return false, err.Error()
		}
		return h.Status.CurrentReplicas == n && h.Status.DesiredReplicas == n, describe(h)
	})
}

func describe(h *autoscalingv2.HorizontalPodAutoscaler) string {
	s := fmt.Sprintf("current %d, desired %d", h.Status.CurrentReplicas, h.Status.DesiredReplicas)
	for _, m := range h.Status.CurrentMetrics {
		switch {
		case m.Pods != nil:
			s += ", " + m.Pods.Current.AverageValue.String() + " a pod"
		case m.External != nil && m.External.Current.AverageValue != nil:
			s += ", " + m.External.Current.AverageValue.String() + " a pod"
		}
	}
	for _, c := range h.Status.Conditions {
		s += fmt.Sprintf("; %s=%s %s %s", c.Type, c.Status, c.Reason, c.Message)
	}
	return s
}

// driver starts a load driver on a Service of Remind Me for the test's time.
func driver(t *testing.T, service string, request load.Request) *load.Driver {
	t.Helper()
	endpoints, err := load.Watch(t.Context(), system.Client, lab.RemindMeNamespace, service, "http", load.Slices)
	if err != nil {
		t.Fatal(err)
	}
	d, err := load.New(load.Options{Pick: endpoints.Pick, Request: request, Limits: load.Limits{
		Requests: 200_000, Concurrency: 100, Duration: 10 * time.Minute, Timeout: 5 * time.Second,
	}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- d.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		t.Logf("load on %s: %+v", service, d.Stats())
	})
	return d
}

func rate(t *testing.T, d *load.Driver, perSecond float64) {
	t.Helper()
	if err := d.SetRate(perSecond); err != nil {
		t.Fatal(err)
	}
}

// podMetrics reads http_requests_per_second of an app's pods through
// kube-apiserver: milli-units by pod.
func podMetrics(ctx context.Context, app string) (map[string]int64, error) {
	data, err := system.Raw(ctx, "/apis/custom.metrics.k8s.io/v1beta2/namespaces/"+lab.RemindMeNamespace+
		"/pods/*/http_requests_per_second?labelSelector=app.kubernetes.io%2Fname%3D"+app)
	if err != nil {
		return nil, err
	}
	var list v1beta2.MetricValueList
	if err := json.Unmarshal(data, &list); err != nil {
		return nil, err
	}
	out := map[string]int64{}
	for _, item := range list.Items {
		out[item.DescribedObject.Name] = item.Value.MilliValue()
	}
	return out, nil
}
