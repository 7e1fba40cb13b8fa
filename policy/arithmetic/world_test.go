package arithmetic_test

import (
	"fmt"
	"strings"
	"time"

	autoscalingv1 "k8s.io/api/autoscaling/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/loadline/loadline/policy/arithmetic"
)

var noon = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

func ago(d time.Duration) metav1.Time { return metav1.NewTime(noon.Add(-d)) }

func quantity(text string) *resource.Quantity { return ptr.To(resource.MustParse(text)) }

// pod is one that has been ready for long and requests one CPU and 100 bytes of memory.
func pod(name string, and ...func(*corev1.Pod)) corev1.Pod {
	p := corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name}}
	p.Spec.Containers = []corev1.Container{container("app", "cpu", "1", "memory", "100")}
	start := ago(time.Hour)
	p.Status = corev1.PodStatus{Phase: corev1.PodRunning, StartTime: &start, Conditions: []corev1.PodCondition{
		{Type: corev1.PodReady, Status: corev1.ConditionTrue, LastTransitionTime: ago(time.Hour - 20*time.Second)},
	}}
	for _, f := range and {
		f(&p)
	}
	return p
}

func container(name string, requests ...string) corev1.Container {
	c := corev1.Container{Name: name}
	c.Resources.Requests = list(requests...)
	return c
}

func list(of ...string) corev1.ResourceList {
	l := corev1.ResourceList{}
	for i := 0; i < len(of); i += 2 {
		l[corev1.ResourceName(of[i])] = resource.MustParse(of[i+1])
	}
	return l
}

func phase(of corev1.PodPhase) func(*corev1.Pod) {
	return func(p *corev1.Pod) { p.Status.Phase = of }
}

func terminating(p *corev1.Pod) { p.DeletionTimestamp = ptr.To(ago(time.Second)) }

// started sets when a pod started and when its readiness became what it is.
func started(start, turned time.Duration, ready corev1.ConditionStatus) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		p.Status.StartTime = ptr.To(ago(start))
		p.Status.Conditions[0].Status, p.Status.Conditions[0].LastTransitionTime = ready, ago(turned)
	}
}

// samples are name, thousandths, name, thousandths…, all measured just now.
func samples(of ...any) arithmetic.Reading {
	r := arithmetic.Reading{Pods: map[string]arithmetic.Sample{}}
	for i := 0; i < len(of); i += 2 {
		r.Pods[of[i].(string)] = arithmetic.Sample{Milli: int64(of[i+1].(int)), Timestamp: noon, Window: 15 * time.Second}
	}
	return r
}

func average(of string) autoscalingv2.MetricTarget {
	return autoscalingv2.MetricTarget{Type: autoscalingv2.AverageValueMetricType, AverageValue: quantity(of)}
}

func value(of string) autoscalingv2.MetricTarget {
	return autoscalingv2.MetricTarget{Type: autoscalingv2.ValueMetricType, Value: quantity(of)}
}

func utilization(of int32) autoscalingv2.MetricTarget {
	return autoscalingv2.MetricTarget{Type: autoscalingv2.UtilizationMetricType, AverageUtilization: &of}
}

func rps(target string) autoscalingv2.MetricSpec {
	return autoscalingv2.MetricSpec{Type: autoscalingv2.PodsMetricSourceType, Pods: &autoscalingv2.PodsMetricSource{
		Metric: autoscalingv2.MetricIdentifier{Name: "rps"}, Target: average(target),
	}}
}

func usage(of corev1.ResourceName, target autoscalingv2.MetricTarget) autoscalingv2.MetricSpec {
	return autoscalingv2.MetricSpec{Type: autoscalingv2.ResourceMetricSourceType, Resource: &autoscalingv2.ResourceMetricSource{Name: of, Target: target}}
}

func usageOf(container string, of corev1.ResourceName, target autoscalingv2.MetricTarget) autoscalingv2.MetricSpec {
	return autoscalingv2.MetricSpec{Type: autoscalingv2.ContainerResourceMetricSourceType, ContainerResource: &autoscalingv2.ContainerResourceMetricSource{
		Name: of, Container: container, Target: target,
	}}
}

func object(target autoscalingv2.MetricTarget) autoscalingv2.MetricSpec {
	return autoscalingv2.MetricSpec{Type: autoscalingv2.ObjectMetricSourceType, Object: &autoscalingv2.ObjectMetricSource{
		Metric:          autoscalingv2.MetricIdentifier{Name: "hits"},
		DescribedObject: autoscalingv2.CrossVersionObjectReference{APIVersion: "v1", Kind: "Service", Name: "web"}, Target: target,
	}}
}

func external(target autoscalingv2.MetricTarget) autoscalingv2.MetricSpec {
	return autoscalingv2.MetricSpec{Type: autoscalingv2.ExternalMetricSourceType, External: &autoscalingv2.ExternalMetricSource{
		Metric: autoscalingv2.MetricIdentifier{Name: "jobs"}, Target: target,
	}}
}

// state is an HPA of 1 to 10 replicas with one metric, whose target has size replicas.
func state(size int32, m autoscalingv2.MetricSpec, r arithmetic.Reading, pods ...corev1.Pod) *arithmetic.State {
	s := &arithmetic.State{HPA: &autoscalingv2.HorizontalPodAutoscaler{}, Pods: pods, Settings: arithmetic.DefaultSettings(), Now: noon}
	s.HPA.Generation = 3
	s.HPA.Spec.MinReplicas, s.HPA.Spec.MaxReplicas = ptr.To[int32](1), 10
	s.HPA.Spec.Metrics = []autoscalingv2.MetricSpec{m}
	s.Readings = []arithmetic.Reading{r}
	s.Scale = autoscalingv1.Scale{Spec: autoscalingv1.ScaleSpec{Replicas: size}, Status: autoscalingv1.ScaleStatus{Replicas: size, Selector: "app=web"}}
	return s
}

// asks is a state whose metric, an external one, asks for want replicas; it has the
// controller's memory if that is not nil.
func asks(size, want int32, memory *arithmetic.Memory) *arithmetic.State {
	s := state(size, external(average("1")), arithmetic.Reading{Values: []int64{int64(want) * 1000}})
	s.Memory = memory
	return s
}

// brief writes a proposal in a line.
func brief(p arithmetic.Proposal) string {
	if p.Failure != nil {
		return p.Failure.Reason + ": " + p.Failure.Message
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%d", p.Replicas)
	if p.Held != "" {
		fmt.Fprintf(&b, " %s", p.Held)
	}
	fmt.Fprintf(&b, ", ratio %.4g", p.Ratio)
	if p.Assumed != nil {
		fmt.Fprintf(&b, " then %.4g", *p.Assumed)
	}
	if p.Times != 0 {
		fmt.Fprintf(&b, " × %d", p.Times)
	}
	if p.Utilization != nil {
		fmt.Fprintf(&b, ", %d%%", *p.Utilization)
	}
	if p.Usage != nil {
		fmt.Fprintf(&b, ", %dm", *p.Usage)
	}
	for _, pod := range p.Pods {
		if pod.Role == arithmetic.Ready {
			continue
		}
		fmt.Fprintf(&b, "; %s %s", pod.Name, pod.Role)
		if pod.Assumed != nil {
			fmt.Fprintf(&b, " as %dm", *pod.Assumed)
		}
	}
	return b.String()
}

// trail writes the steps of a decision, each in a line.
func trail(d arithmetic.Decision) []string {
	var lines []string
	for _, s := range d.Steps {
		line := fmt.Sprintf("%s %s → %s", s.Rule, s.In, s.Out)
		if s.Reason != "" {
			line += " " + s.Reason
		}
		if s.NotObservable != "" {
			line += " (not observable)"
		}
		lines = append(lines, line)
	}
	return lines
}
