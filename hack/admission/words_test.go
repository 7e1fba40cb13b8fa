package admission_test

import (
	"testing"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/loadline/loadline/policy/guard"
)

// Admission and lint take the same names for those of a backlog: who is warned by one of
// them would otherwise be at a loss with the other.
func TestBacklogNames(t *testing.T) {
	s := serve(t, append(manifests(t), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "shop"}}))
	for name, want := range map[string]bool{
		"queueDepth": true, "jobs_waiting": true, "sqs_messages": true, "kafkaConsumerLag": true, "reminder_queue_depth": true,
		"rabbitmq_queue_messages_ready": true, "BACKLOG": true, "tasks-outstanding": true, "queue": true,
		"consumer_lag_seconds": false, "queue_wait_seconds": false, "queue_latency_p99": false, "queueWaitMs": false,
		"queue_messages_per_second": false, "jobs_rate": false, "depthless": false, "storage_used": false, "http_requests": false,
	} {
		value := resource.MustParse("10")
		h := &autoscalingv2.HorizontalPodAutoscaler{
			TypeMeta: metav1.TypeMeta{APIVersion: "autoscaling/v2", Kind: "HorizontalPodAutoscaler"}, ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web"},
			Spec: autoscalingv2.HorizontalPodAutoscalerSpec{
				ScaleTargetRef: autoscalingv2.CrossVersionObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Name: "web"}, MaxReplicas: 6,
				Metrics: []autoscalingv2.MetricSpec{{Type: autoscalingv2.ExternalMetricSourceType, External: &autoscalingv2.ExternalMetricSource{
					Metric: autoscalingv2.MetricIdentifier{Name: name}, Target: autoscalingv2.MetricTarget{Type: autoscalingv2.ValueMetricType, Value: &value},
				}}},
			},
		}
		warned := len(s.judged(t, write{object: h, user: "somebody"})) > 0
		r, err := guard.Evaluate(guard.Snapshot{Source: guard.Manifests, Gathered: map[guard.Kind]bool{guard.HorizontalPodAutoscaler: true}, HPAs: []*autoscalingv2.HorizontalPodAutoscaler{h}}, guard.Options{})
		if err != nil {
			t.Fatal(err)
		}
		found := false
		for _, f := range r.Findings {
			found = found || f.ID == 26
		}
		if warned != want || found != want {
			t.Errorf("%s: admission %v, lint %v, want %v", name, warned, found, want)
		}
	}
}
