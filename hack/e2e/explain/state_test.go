//go:build e2e

package explain

import (
	"fmt"
	"math/rand/v2"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/loadline/loadline/hack/cluster"
)

const (
	appLabel = "app.kubernetes.io/name"
	fakeNode = "fake-explain"
)

// state is a workload in a random state, with an HPA on it that may not scale yet.
type state struct {
	name string
	rand *rand.Rand

	deployment *appsv1.Deployment
	hpa        *autoscalingv2.HorizontalPodAutoscaler
}

func newState(seed, number uint64) *state {
	s := &state{name: fmt.Sprintf("state-%03d", number), rand: rand.New(rand.NewPCG(seed, number))}
	s.deployment = s.newDeployment()
	s.hpa = s.newHPA()
	return s
}

func (s *state) oneIn(n int) bool { return s.rand.IntN(n) == 0 }

// newDeployment names its node, as only kwok's plays pods that are nothing but objects. In
// one of eight a container says nothing of what it requests, which a utilization needs.
func (s *state) newDeployment() *appsv1.Deployment {
	labels := map[string]string{appLabel: s.name}
	containers := []corev1.Container{{Name: "main", Image: "fake"}, {Name: "side", Image: "fake"}}
	for i := range containers {
		if !s.oneIn(8) {
			containers[i].Resources.Requests = corev1.ResourceList{
				corev1.ResourceCPU: *resource.NewMilliQuantity(100+50*s.rand.Int64N(6), resource.DecimalSI),
			}
		}
	}
	return &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: s.name},
		Spec: appsv1.DeploymentSpec{
			Replicas: ptr.To(1 + s.rand.Int32N(6)),
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec: corev1.PodSpec{
					NodeName:    fakeNode,
					Tolerations: []corev1.Toleration{{Key: cluster.FakeNode, Operator: corev1.TolerationOpExists}},
					Containers:  containers,
				},
			},
		},
	}
}

// newHPA has the present size within its bounds, so that metrics are looked at, and allows
// no step.
func (s *state) newHPA() *autoscalingv2.HorizontalPodAutoscaler {
	replicas := *s.deployment.Spec.Replicas
	h := &autoscalingv2.HorizontalPodAutoscaler{
		ObjectMeta: metav1.ObjectMeta{Name: s.name},
		Spec: autoscalingv2.HorizontalPodAutoscalerSpec{
			ScaleTargetRef: autoscalingv2.CrossVersionObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Name: s.name},
			MinReplicas:    ptr.To(1 + s.rand.Int32N(replicas)),
			MaxReplicas:    replicas + s.rand.Int32N(8),
			Behavior:       behavior(ptr.To(autoscalingv2.DisabledPolicySelect)),
		},
	}
	for i := range 1 + s.rand.IntN(3) {
		h.Spec.Metrics = append(h.Spec.Metrics, s.metric(i))
	}
	return h
}

// behavior is one without a stabilization window; without a selection of policies any step
// is allowed.
func behavior(selects *autoscalingv2.ScalingPolicySelect) *autoscalingv2.HorizontalPodAutoscalerBehavior {
	rules := func() *autoscalingv2.HPAScalingRules {
		return &autoscalingv2.HPAScalingRules{
			StabilizationWindowSeconds: ptr.To(int32(0)), SelectPolicy: selects,
			Policies: []autoscalingv2.HPAScalingPolicy{{Type: autoscalingv2.PodsScalingPolicy, Value: 1000, PeriodSeconds: 15}},
		}
	}
	return &autoscalingv2.HorizontalPodAutoscalerBehavior{ScaleUp: rules(), ScaleDown: rules()}
}

// metric is one of any kind. What it aims at is about what there is on average, so that each
// direction is as likely, and the tolerance has its cases.
func (s *state) metric(i int) autoscalingv2.MetricSpec {
	part := fmt.Sprint(i)
	average := func() autoscalingv2.MetricTarget {
		return autoscalingv2.MetricTarget{Type: autoscalingv2.AverageValueMetricType, AverageValue: resource.NewMilliQuantity(5_000+s.rand.Int64N(10_000), resource.DecimalSI)}
	}
	value := func() autoscalingv2.MetricTarget {
		return autoscalingv2.MetricTarget{Type: autoscalingv2.ValueMetricType, Value: resource.NewMilliQuantity(5_000+s.rand.Int64N(10_000), resource.DecimalSI)}
	}
	utilization := func() autoscalingv2.MetricTarget {
		if s.oneIn(3) {
			return autoscalingv2.MetricTarget{Type: autoscalingv2.AverageValueMetricType, AverageValue: resource.NewMilliQuantity(100+s.rand.Int64N(200), resource.DecimalSI)}
		}
		return autoscalingv2.MetricTarget{Type: autoscalingv2.UtilizationMetricType, AverageUtilization: ptr.To(40 + s.rand.Int32N(90))}
	}
	either := func() autoscalingv2.MetricTarget {
		if s.oneIn(2) {
			return average()
		}
		return value()
	}
	selector := func(name string) autoscalingv2.MetricIdentifier {
		return autoscalingv2.MetricIdentifier{Name: name, Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": s.name, "part": part}}}
	}
	switch s.rand.IntN(5) {
	case 0:
		return autoscalingv2.MetricSpec{Type: autoscalingv2.ResourceMetricSourceType, Resource: &autoscalingv2.ResourceMetricSource{Name: corev1.ResourceCPU, Target: utilization()}}
	case 1:
		return autoscalingv2.MetricSpec{Type: autoscalingv2.ContainerResourceMetricSourceType, ContainerResource: &autoscalingv2.ContainerResourceMetricSource{Name: corev1.ResourceCPU, Container: "side", Target: utilization()}}
	case 2:
		return autoscalingv2.MetricSpec{Type: autoscalingv2.ObjectMetricSourceType, Object: &autoscalingv2.ObjectMetricSource{
			DescribedObject: autoscalingv2.CrossVersionObjectReference{APIVersion: "v1", Kind: "Service", Name: s.name},
			Metric:          selector("e2e_object"), Target: either(),
		}}
	case 3:
		return autoscalingv2.MetricSpec{Type: autoscalingv2.ExternalMetricSourceType, External: &autoscalingv2.ExternalMetricSource{Metric: selector("e2e_external"), Target: either()}}
	default:
		return autoscalingv2.MetricSpec{Type: autoscalingv2.PodsMetricSourceType, Pods: &autoscalingv2.PodsMetricSource{Metric: selector("e2e_pods"), Target: average()}}
	}
}

// lines are what is exported of the state: in one of eight cases nothing for a metric, and in
// one of six nothing for a pod.
func (s *state) lines(namespace string, pods []corev1.Pod) string {
	var out strings.Builder
	at := fmt.Sprintf("namespace=%q,app=%q", namespace, s.name)
	amount := func(around int64) float64 { return float64(s.rand.Int64N(2*around*1000)) / 1000 }
	for i, m := range s.hpa.Spec.Metrics {
		if s.oneIn(8) {
			continue
		}
		part := fmt.Sprintf("%s,part=\"%d\"", at, i)
		around := int64(10)
		if averaged(&m) {
			around *= int64(len(pods)) // what all pods share
		}
		switch {
		case m.Pods != nil:
			for _, p := range pods {
				if !s.oneIn(6) {
					fmt.Fprintf(&out, "e2e_pods{%s,pod=%q} %v\n", part, p.Name, amount(10))
				}
			}
		case m.Object != nil:
			fmt.Fprintf(&out, "e2e_object{%s,service=%q} %v\n", part, s.name, amount(around))
		case m.External != nil:
			fmt.Fprintf(&out, "e2e_external{%s} %v\n", part, amount(around))
		}
	}
	for _, p := range pods {
		if s.oneIn(6) {
			continue
		}
		for _, c := range p.Spec.Containers {
			fmt.Fprintf(&out, "e2e_cpu{namespace=%q,pod=%q,container=%q} %v\n", namespace, p.Name, c.Name, float64(s.rand.Int64N(300))/1000)
			fmt.Fprintf(&out, "e2e_memory{namespace=%q,pod=%q,container=%q} %d\n", namespace, p.Name, c.Name, 1<<20)
		}
	}
	return out.String()
}

// averaged says whether an amount is divided by the number of pods.
func averaged(m *autoscalingv2.MetricSpec) bool {
	return m.Object != nil && m.Object.Target.AverageValue != nil || m.External != nil && m.External.Target.AverageValue != nil
}
