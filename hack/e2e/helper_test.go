//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/prometheus/client_golang/api"
	promv1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/metrics/pkg/apis/custom_metrics/v1beta2"
	"k8s.io/metrics/pkg/apis/external_metrics/v1beta1"

	"github.com/loadline/loadline/hack/e2e/suite"
	"github.com/loadline/loadline/hack/lab"
	"github.com/loadline/loadline/hack/load"
)

// hpa gets one of Remind Me's HPAs.
func hpa(ctx context.Context, name string) (*autoscalingv2.HorizontalPodAutoscaler, error) {
	return system.Client.AutoscalingV2().HorizontalPodAutoscalers(lab.RemindMeNamespace).Get(ctx, name, metav1.GetOptions{})
}

// replicas waits until the HPA's target has n replicas.
func replicas(t *testing.T, name string, n int32, limit time.Duration) {
	t.Helper()
	system.Until(t, fmt.Sprintf("HPA %s at %d replicas", name, n), limit, func(ctx context.Context) (bool, string) {
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
	return drive(t, service, endpoints.Pick, request)
}

// drive starts a load driver for the test's time. what names it in the log.
func drive(t *testing.T, what string, pick func() (string, bool), request load.Request) *load.Driver {
	t.Helper()
	return suite.Drive(t, what, load.Options{Pick: pick, Request: request, Limits: load.Limits{
		Requests: 200_000, Concurrency: 100, Duration: 10 * time.Minute, Timeout: 5 * time.Second,
	}})
}

func rate(t *testing.T, d *load.Driver, perSecond float64) {
	t.Helper()
	if err := d.SetRate(perSecond); err != nil {
		t.Fatal(err)
	}
}

// podList reads http_requests_per_second of an app's pods through kube-apiserver.
func podList(ctx context.Context, app string) (*v1beta2.MetricValueList, error) {
	data, err := system.Raw(ctx, "/apis/custom.metrics.k8s.io/v1beta2/namespaces/"+lab.RemindMeNamespace+
		"/pods/*/http_requests_per_second?labelSelector=app.kubernetes.io%2Fname%3D"+app)
	if err != nil {
		return nil, err
	}
	list := &v1beta2.MetricValueList{}
	return list, json.Unmarshal(data, list)
}

// podMetrics is podList in milli-units by pod.
func podMetrics(ctx context.Context, app string) (map[string]int64, error) {
	list, err := podList(ctx, app)
	if err != nil {
		return nil, err
	}
	out := map[string]int64{}
	for _, item := range list.Items {
		out[item.DescribedObject.Name] = item.Value.MilliValue()
	}
	return out, nil
}

// depthPath is what the HPA of the workers reads.
const depthPath = "/apis/external.metrics.k8s.io/v1beta1/namespaces/" + lab.RemindMeNamespace + "/reminder_queue_depth?labelSelector=queue%3Dreminders"

// queueDepth reads depthPath through kube-apiserver.
func queueDepth(ctx context.Context) (depth int64, evaluated time.Time, err error) {
	data, err := system.Raw(ctx, depthPath)
	if err != nil {
		return 0, time.Time{}, err
	}
	var list v1beta1.ExternalMetricValueList
	if err := json.Unmarshal(data, &list); err != nil {
		return 0, time.Time{}, err
	}
	if len(list.Items) != 1 {
		return 0, time.Time{}, fmt.Errorf("%d values, want 1: %s", len(list.Items), data)
	}
	return list.Items[0].Value.MilliValue() / 1000, list.Items[0].Timestamp.Time, nil
}

// prometheusValues asks the lab's Prometheus itself: the value of each series by
// one of its labels.
func prometheusValues(ctx context.Context, label, query string) (map[string]float64, error) {
	base, err := system.PrometheusURL(ctx)
	if err != nil {
		return nil, err
	}
	client, err := api.NewClient(api.Config{Address: base})
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	answer, _, _, err := promv1.NewAPI(client).Query(ctx, query, time.Time{})
	if err != nil {
		return nil, err
	}
	vector, ok := answer.(model.Vector)
	if !ok {
		return nil, fmt.Errorf("%s: a %s, want a vector", query, answer.Type())
	}
	out := map[string]float64{}
	for _, s := range vector {
		out[string(s.Metric[model.LabelName(label)])] = float64(s.Value)
	}
	return out, nil
}
