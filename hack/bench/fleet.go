package bench

import (
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/loadline/loadline/hack/cluster"
)

const (
	// appsPerNamespace is a team's worth. Authorization is cached by namespace,
	// so this decides how many reviews a read costs.
	appsPerNamespace = 10
	podsPerNode      = 250
	nodePrefix       = "fake-"
	appLabel         = "app.kubernetes.io/name"
	// metricName is what the shipped rule makes of counterName.
	metricName  = "http_requests_per_second"
	counterName = "http_requests_total"
)

// App is one workload of the fleet with its HPA.
type App struct{ Namespace, Name string }

// Fleet says which apps there are.
func Fleet(hpas int) []App {
	apps := make([]App, hpas)
	for i := range apps {
		apps[i] = App{Namespace: fmt.Sprintf("team-%03d", i/appsPerNamespace), Name: fmt.Sprintf("app-%04d", i)}
	}
	return apps
}

// nodesFor is the number of fake nodes that carry so many pods.
func nodesFor(pods int) int { return (pods + podsPerNode - 1) / podsPerNode }

func nodeName(i int) string { return fmt.Sprintf("%s%03d", nodePrefix, i) }

// node is one that kwok plays; the taint keeps real pods off it.
func node(name string) *corev1.Node {
	return &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: name, Annotations: map[string]string{cluster.FakeNode: "fake"}},
		Spec:       corev1.NodeSpec{Taints: []corev1.Taint{{Key: cluster.FakeNode, Value: "fake", Effect: corev1.TaintEffectNoSchedule}}},
	}
}

// deployment names its node: no scheduler has to place ten thousand pods.
func (a App) deployment(replicas int32, node string) *appsv1.Deployment {
	labels := map[string]string{appLabel: a.Name}
	return &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Namespace: a.Namespace, Name: a.Name},
		Spec: appsv1.DeploymentSpec{
			Replicas: &replicas,
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec: corev1.PodSpec{
					NodeName:    node,
					Tolerations: []corev1.Toleration{{Key: cluster.FakeNode, Operator: corev1.TolerationOpExists}},
					Containers:  []corev1.Container{{Name: "app", Image: "fake"}},
				},
			},
		},
	}
}

// hpa may not scale: the size is what is measured.
func (a App) hpa(replicas int32) *autoscalingv2.HorizontalPodAutoscaler {
	target := resource.MustParse("1k")
	return &autoscalingv2.HorizontalPodAutoscaler{
		ObjectMeta: metav1.ObjectMeta{Namespace: a.Namespace, Name: a.Name},
		Spec: autoscalingv2.HorizontalPodAutoscalerSpec{
			ScaleTargetRef: autoscalingv2.CrossVersionObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Name: a.Name},
			MinReplicas:    &replicas,
			MaxReplicas:    replicas,
			Metrics: []autoscalingv2.MetricSpec{{
				Type: autoscalingv2.PodsMetricSourceType,
				Pods: &autoscalingv2.PodsMetricSource{
					Metric: autoscalingv2.MetricIdentifier{Name: metricName},
					Target: autoscalingv2.MetricTarget{Type: autoscalingv2.AverageValueMetricType, AverageValue: &target},
				},
			}},
		},
	}
}

// path is what the HPA controller asks for.
func (a App) path() string {
	return "/apis/custom.metrics.k8s.io/v1beta2/namespaces/" + a.Namespace + "/pods/*/" + metricName + "?labelSelector=" + appLabel + "%3D" + a.Name
}
