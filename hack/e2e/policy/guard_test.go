//go:build e2e

package policy

import (
	"context"
	"fmt"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
)

// GUARD-27: two HPAs that follow one External metric are each sized for all of it, and
// lint says so of the live objects.
func TestG27SharedExternal(t *testing.T) {
	m := startMetricAPI(t)
	ns := namespace(t)
	m.of(ns).value.Store(40)
	for _, colour := range []string{"blue", "green"} {
		labels := map[string]string{"app": "web", "color": colour}
		// Its pods wait for a node for ever.
		create(t, &appsv1.Deployment{
			ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: colour},
			Spec: appsv1.DeploymentSpec{
				Selector: &metav1.LabelSelector{MatchLabels: labels},
				Template: corev1.PodTemplateSpec{
					ObjectMeta: metav1.ObjectMeta{Labels: labels},
					Spec:       corev1.PodSpec{NodeSelector: map[string]string{"there-is": "no-such-node"}, Containers: []corev1.Container{{Name: "app", Image: "none:local"}}},
				},
			},
		})
		create(t, &autoscalingv2.HorizontalPodAutoscaler{
			ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: colour},
			Spec: autoscalingv2.HorizontalPodAutoscalerSpec{
				ScaleTargetRef: autoscalingv2.CrossVersionObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Name: colour},
				MinReplicas:    ptr.To[int32](1), MaxReplicas: 9,
				Metrics: []autoscalingv2.MetricSpec{{Type: autoscalingv2.ExternalMetricSourceType, External: &autoscalingv2.ExternalMetricSource{
					Metric: autoscalingv2.MetricIdentifier{Name: "jobs"},
					Target: autoscalingv2.MetricTarget{Type: autoscalingv2.AverageValueMetricType, AverageValue: ptr.To(resource.MustParse("10"))},
				}}},
			},
		})
	}
	// 40 ÷ 10 are 4 pods in all; each colour gets as many.
	system.Until(t, "both colours at 4", 90*time.Second, func(ctx context.Context) (bool, string) {
		blue, err := replicasOf(ctx, ns, "blue")
		if err != nil {
			return false, err.Error()
		}
		green, err := replicasOf(ctx, ns, "green")
		if err != nil {
			return false, err.Error()
		}
		return blue == 4 && green == 4, fmt.Sprintf("blue %d, green %d", blue, green)
	})
	out, said, code := loadline(t, ns, "lint", "--live", "--fail-on", "high")
	if code != 1 || said != "" {
		t.Errorf("exit code %d: %s", code, said)
	}
	has(t, out, "HorizontalPodAutoscaler "+ns+"/green: spec.metrics[0].external.metric: ", "up to 18 pods in all")
}
