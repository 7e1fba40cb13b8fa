package arithmetic

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	autoscalingv1 "k8s.io/api/autoscaling/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	custommetrics "k8s.io/metrics/pkg/apis/custom_metrics/v1beta2"
	externalmetrics "k8s.io/metrics/pkg/apis/external_metrics/v1beta1"
	metricsapi "k8s.io/metrics/pkg/apis/metrics/v1beta1"

	"github.com/loadline/loadline/policy/arithmetic"
)

const (
	namespace = "shop"
	name      = "web"
	selector  = "app=web"
)

// world is what the API servers of a cluster would answer, with one HPA in it.
type world struct {
	hpa   *autoscalingv2.HorizontalPodAutoscaler
	scale autoscalingv1.Scale
	// pods has some that the selector does not find.
	pods []*corev1.Pod
	// usage is what metrics.k8s.io answers; custom and external by the metric's name.
	usage    answer[metricsapi.PodMetrics]
	custom   map[string]answer[custommetrics.MetricValue]
	external map[string]answer[externalmetrics.ExternalMetricValue]
	// rival: another HPA's target has the same selector.
	rival bool
}

type answer[T any] struct {
	items []T
	err   error
}

// dice are random numbers of a kind that finds edges.
type dice struct {
	*rand.Rand
	now time.Time
}

// in says yes once in n times.
func (d dice) in(n int) bool { return d.IntN(n) == 0 }

func pick[T any](d dice, of ...T) T { return of[d.IntN(len(of))] }

// ago is a time before now at, or a second beside, what the controller compares with.
func (d dice) ago() metav1.Time {
	by := pick(d, 0, time.Second, 15*time.Second, 30*time.Second, time.Minute, 5*time.Minute, 5*time.Minute+30*time.Second, time.Hour)
	return metav1.NewTime(d.now.Add(-by + pick(d, -time.Second, 0, 0, time.Second, 0)))
}

// near is a value about target, at the edges of tolerances among others, or far from it.
func (d dice) near(target int64) int64 {
	switch d.IntN(12) {
	case 0:
		return 0
	case 1:
		return target
	case 2, 3:
		return int64(float64(target) * pick(d, 0.9, 1.1, 0.899, 1.101, 0.95, 1.05, 1.25, 0.75))
	case 4:
		return d.Int64N(math.MaxInt64 >> d.IntN(63))
	case 5:
		return -d.Int64N(target + 2)
	case 6, 7, 8: // with pods that are not counted in full, what is near is decided by them
		return int64(float64(target) * (0.7 + 0.6*d.Float64()))
	}
	return int64(float64(target) * 3 * d.Float64())
}

func (d dice) positive() int64 {
	return pick(d, 1, 10, 100, 1000, 1500, 7777, 100_000, 1_000_000, 1+d.Int64N(1_000_000), 1+d.Int64N(math.MaxInt32))
}

func milli(n int64) *resource.Quantity { return resource.NewMilliQuantity(n, resource.DecimalSI) }

// newWorld is a world with up to metrics metrics.
func newWorld(d dice, metrics int) *world {
	w := &world{custom: map[string]answer[custommetrics.MetricValue]{}, external: map[string]answer[externalmetrics.ExternalMetricValue]{}}
	w.hpa = &autoscalingv2.HorizontalPodAutoscaler{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, Generation: 1, UID: "1", ResourceVersion: "1"}}
	w.hpa.Spec.ScaleTargetRef = autoscalingv2.CrossVersionObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Name: name}
	w.hpa.Spec.Behavior = d.behavior()
	w.makePods(d)
	found := int32(len(w.found()))
	around := func() int32 {
		return max(0, pick(d, found, found, found+1, found-1, d.Int32N(12), d.Int32N(12), 0))
	}
	w.scale = autoscalingv1.Scale{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
	w.scale.Spec.Replicas, w.scale.Status.Replicas, w.scale.Status.Selector = around(), around(), selector
	least := pick(d, 0, 1, 1, 1, 2, d.Int32N(8))
	w.hpa.Spec.MinReplicas = &least
	w.hpa.Spec.MaxReplicas = max(1, least) + pick(d, 0, 1, 10, 10, 100, d.Int32N(20))
	for i := range 1 + d.IntN(metrics) {
		w.hpa.Spec.Metrics = append(w.hpa.Spec.Metrics, d.metric(fmt.Sprint("m", i)))
	}
	w.measure(d)
	return w
}

// found are the pods that the target's selector finds.
func (w *world) found() []corev1.Pod {
	var found []corev1.Pod
	for _, p := range w.pods {
		if p.Labels["app"] == name {
			found = append(found, *p)
		}
	}
	return found
}

func (d dice) behavior() *autoscalingv2.HorizontalPodAutoscalerBehavior {
	if d.in(3) {
		return nil
	}
	rules := func() *autoscalingv2.HPAScalingRules {
		choice := pick(d, autoscalingv2.MaxChangePolicySelect, autoscalingv2.MaxChangePolicySelect, autoscalingv2.MinChangePolicySelect, autoscalingv2.DisabledPolicySelect)
		window := pick[int32](d, 0, 0, 15, 60, 300, 3600)
		r := &autoscalingv2.HPAScalingRules{SelectPolicy: &choice, StabilizationWindowSeconds: &window}
		for range 1 + d.IntN(3) {
			r.Policies = append(r.Policies, autoscalingv2.HPAScalingPolicy{
				Type:  pick(d, autoscalingv2.PodsScalingPolicy, autoscalingv2.PercentScalingPolicy),
				Value: pick[int32](d, 1, 2, 4, 10, 50, 100, 900, 1+d.Int32N(200), math.MaxInt32), PeriodSeconds: pick[int32](d, 15, 60, 300, 1800),
			})
		}
		if d.in(2) {
			r.Tolerance = milli(pick[int64](d, 0, 0, 10, 50, 100, 250, 1000))
		}
		return r
	}
	b := &autoscalingv2.HorizontalPodAutoscalerBehavior{ScaleUp: rules(), ScaleDown: rules()}
	if d.in(4) {
		b.ScaleDown.StabilizationWindowSeconds = nil // the controller's own
	}
	return b
}

// metric is any that the API server takes, and now and then one with a selector that it would
// not.
func (d dice) metric(id string) autoscalingv2.MetricSpec {
	of := autoscalingv2.MetricIdentifier{Name: id}
	if d.in(50) {
		of.Selector = &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "a", Operator: "Like"}}}
	}
	value := autoscalingv2.MetricTarget{Type: autoscalingv2.ValueMetricType, Value: milli(d.positive())}
	average := autoscalingv2.MetricTarget{Type: autoscalingv2.AverageValueMetricType, AverageValue: milli(d.positive())}
	share := autoscalingv2.MetricTarget{Type: average.Type, AverageValue: milli(pick(d, 50, 100, 250, 333, 500, d.positive()))}
	percent := pick[int32](d, 1, 50, 80, 100, 150, 1+d.Int32N(300))
	utilization := autoscalingv2.MetricTarget{Type: autoscalingv2.UtilizationMetricType, AverageUtilization: &percent}
	which := pick(d, corev1.ResourceCPU, corev1.ResourceCPU, corev1.ResourceMemory)
	switch d.IntN(5) {
	case 0:
		return autoscalingv2.MetricSpec{Type: autoscalingv2.ResourceMetricSourceType, Resource: &autoscalingv2.ResourceMetricSource{
			Name: which, Target: pick(d, share, utilization),
		}}
	case 1:
		return autoscalingv2.MetricSpec{Type: autoscalingv2.ContainerResourceMetricSourceType, ContainerResource: &autoscalingv2.ContainerResourceMetricSource{
			Name: which, Container: pick(d, "app", "app", "app", "side"), Target: pick(d, share, utilization),
		}}
	case 2:
		return autoscalingv2.MetricSpec{Type: autoscalingv2.PodsMetricSourceType, Pods: &autoscalingv2.PodsMetricSource{Metric: of, Target: average}}
	case 3:
		about := autoscalingv2.CrossVersionObjectReference{APIVersion: "v1", Kind: pick(d, "Service", "Namespace"), Name: name}
		return autoscalingv2.MetricSpec{Type: autoscalingv2.ObjectMetricSourceType, Object: &autoscalingv2.ObjectMetricSource{
			Metric: of, DescribedObject: about, Target: pick(d, value, average),
		}}
	}
	return autoscalingv2.MetricSpec{Type: autoscalingv2.ExternalMetricSourceType, External: &autoscalingv2.ExternalMetricSource{Metric: of, Target: pick(d, value, average)}}
}

var errAPI = errors.New("the server is currently unable to handle the request")

// makePods makes pods in all conditions, a few of which request nothing.
func (w *world) makePods(d dice) {
	w.pods = nil
	odd := pick(d, 2, 5, 20, 1000)    // once in how many a pod is out of the ordinary
	lacks := pick(d, 20, 1000, 1000)  // once in how many a container requests nothing
	layered := pick(d, 3, 1000, 1000) // or a pod has requests of its own
	for i := range pick(d, 0, 1, 1+d.IntN(3), 1+d.IntN(9), 1+d.IntN(9), 1+d.IntN(9)) {
		w.pods = append(w.pods, d.pod(fmt.Sprint("web-", i), odd, lacks, layered))
	}
	if d.in(4) {
		other := d.pod("other-0", odd, lacks, layered)
		other.Labels["app"] = "other"
		w.pods = append(w.pods, other)
	}
}

func (d dice) pod(id string, odd, lacks, layered int) *corev1.Pod {
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: id, Labels: map[string]string{"app": name}}}
	list := func() corev1.ResourceList {
		of := corev1.ResourceList{}
		for _, r := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory} {
			if !d.in(lacks) {
				of[r] = *milli(pick[int64](d, 100, 250, 1000, 1, 333, d.Int64N(1_000_000)))
				if d.in(30) {
					of[r] = *milli(0)
				}
				if d.in(30) {
					of[r] = resource.MustParse("1500u") // is rounded up to thousandths
				}
			}
		}
		return of
	}
	add := func(c string) corev1.Container {
		return corev1.Container{Name: c, Resources: corev1.ResourceRequirements{Requests: list()}}
	}
	p.Spec.Containers = []corev1.Container{add("app")}
	if d.in(3) {
		p.Spec.Containers = append(p.Spec.Containers, add("second"))
	}
	if d.in(4) {
		p.Spec.InitContainers = append(p.Spec.InitContainers, add("init"))
	}
	if d.in(3) {
		side, always := add("side"), corev1.ContainerRestartPolicyAlways
		side.RestartPolicy = &always
		p.Spec.InitContainers = append(p.Spec.InitContainers, side)
	}
	if d.in(4) {
		p.Spec.InitContainers = append(p.Spec.InitContainers, add("late"))
	}
	if d.in(layered) {
		p.Spec.Resources = &corev1.ResourceRequirements{Requests: list()}
		if d.in(3) {
			delete(p.Spec.Resources.Requests, corev1.ResourceCPU)
		}
		if d.in(2) {
			p.Spec.Overhead = list()
		}
	}
	p.Status.Phase = corev1.PodRunning
	start := metav1.NewTime(d.now.Add(-time.Hour))
	ready := corev1.PodCondition{Type: corev1.PodReady, Status: corev1.ConditionTrue, LastTransitionTime: metav1.NewTime(start.Add(20 * time.Second))}
	if d.in(odd) {
		p.Status.Phase = pick(d, corev1.PodRunning, corev1.PodRunning, corev1.PodPending, corev1.PodFailed, corev1.PodSucceeded, corev1.PodUnknown)
		start = d.ago()
		ready.Status = pick(d, corev1.ConditionTrue, corev1.ConditionFalse, corev1.ConditionFalse, corev1.ConditionUnknown)
		ready.LastTransitionTime = pick(d, d.ago(), metav1.NewTime(start.Add(pick(d, 0, 29*time.Second, 30*time.Second, 31*time.Second, time.Minute))))
	}
	if !d.in(4 * odd) {
		p.Status.StartTime = &start
	}
	if !d.in(4 * odd) {
		p.Status.Conditions = []corev1.PodCondition{{Type: corev1.ContainersReady, Status: corev1.ConditionTrue}, ready}
	}
	if d.in(2 * odd) {
		at := d.ago()
		p.DeletionTimestamp = &at
	}
	return p
}

// measure makes all metrics anew.
func (w *world) measure(d dice) {
	w.usage = answer[metricsapi.PodMetrics]{}
	if d.in(25) {
		w.usage.err = errAPI
	}
	lost := pick(d, 3, 10, 1000, 1000) // once in how many a sample is missing
	names := []string{}
	for _, p := range w.pods {
		if !d.in(lost) {
			names = append(names, p.Name)
		}
	}
	if d.in(8) {
		names = append(names, "web-gone")
	}
	if d.in(40) {
		names = nil
	}
	// What the pods use in relation to what they request, the same for all, or by each.
	share, wild := pick(d, 2*d.Float64(), 0.5+d.Float64()), d.in(4)
	for _, id := range names {
		m := metricsapi.PodMetrics{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: id}, Timestamp: d.ago(), Window: metav1.Duration{Duration: pick(d, 0, 15*time.Second, time.Minute)}}
		for _, c := range w.containers(id) {
			use := corev1.ResourceList{}
			for _, r := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory} {
				q := c.Resources.Requests[r]
				used := int64(share * float64(q.MilliValue()))
				if wild {
					used = d.near(1 + q.MilliValue())
				}
				if !d.in(10 * lost) {
					use[r] = *milli(max(0, used))
				}
			}
			m.Containers = append(m.Containers, metricsapi.ContainerMetrics{Name: c.Name, Usage: use})
		}
		w.usage.items = append(w.usage.items, m)
	}
	for i := range w.hpa.Spec.Metrics {
		w.measureOne(d, &w.hpa.Spec.Metrics[i], names)
	}
}

// containers are those of a pod that run, and one for a pod that there is not.
func (w *world) containers(id string) []corev1.Container {
	for _, p := range w.pods {
		if p.Name == id {
			all := append([]corev1.Container{}, p.Spec.Containers...)
			for _, c := range p.Spec.InitContainers {
				if c.RestartPolicy != nil {
					all = append(all, c)
				}
			}
			return all
		}
	}
	return []corev1.Container{{Name: "app"}}
}

func (w *world) measureOne(d dice, m *autoscalingv2.MetricSpec, pods []string) {
	var err error
	if d.in(12) {
		err = errAPI
	}
	target := func(t autoscalingv2.MetricTarget) int64 {
		if t.Value != nil {
			return t.Value.MilliValue()
		}
		return t.AverageValue.MilliValue()
	}
	switch {
	case m.Pods != nil:
		a := answer[custommetrics.MetricValue]{err: err}
		t := target(m.Pods.Target)
		common, wild := d.near(t), d.in(2)
		for _, id := range pods {
			v := common
			if wild {
				v = d.near(t)
			}
			item := custommetrics.MetricValue{Timestamp: d.ago(), Value: *milli(v)}
			item.DescribedObject.Name = id
			if d.in(2) {
				seconds := int64(30)
				item.WindowSeconds = &seconds
			}
			a.items = append(a.items, item)
		}
		w.custom[m.Pods.Metric.Name] = a
	case m.Object != nil:
		v := d.near(target(m.Object.Target))
		if m.Object.Target.AverageValue != nil && d.in(2) {
			v *= int64(w.scale.Status.Replicas)
		}
		w.custom[m.Object.Metric.Name] = answer[custommetrics.MetricValue]{err: err, items: []custommetrics.MetricValue{{Value: *milli(v)}}}
	case m.External != nil:
		a := answer[externalmetrics.ExternalMetricValue]{err: err}
		for range pick(d, 1, 1, 2, 3, 0) {
			v := d.near(target(m.External.Target))
			if m.External.Target.AverageValue != nil && d.in(2) {
				v *= int64(w.scale.Status.Replicas)
			}
			if d.in(20) {
				v = math.MaxInt64 - d.Int64N(1000) // two are more than there are numbers
			}
			a.items = append(a.items, externalmetrics.ExternalMetricValue{Value: *milli(v)})
		}
		w.external[m.External.Metric.Name] = a
	}
}

// state is the world as policy/arithmetic takes it.
func (w *world) state(now time.Time) *arithmetic.State {
	s := &arithmetic.State{HPA: w.hpa, Scale: w.scale, Pods: w.found(), Settings: arithmetic.DefaultSettings(), Now: now}
	for i := range w.hpa.Spec.Metrics {
		s.Readings = append(s.Readings, w.reading(&w.hpa.Spec.Metrics[i]))
	}
	if w.rival && len(s.Pods) > 0 {
		s.Rivals = []string{namespace + "/" + rival}
	}
	return s
}

func (w *world) reading(m *autoscalingv2.MetricSpec) arithmetic.Reading {
	fail := func(err error) arithmetic.Reading { return arithmetic.Reading{Err: err} }
	switch {
	case m.Resource != nil:
		if w.usage.err != nil {
			return fail(w.usage.err)
		}
		return arithmetic.ResourceReading(w.usage.items, m.Resource.Name, "")
	case m.ContainerResource != nil:
		if w.usage.err != nil {
			return fail(w.usage.err)
		}
		return arithmetic.ResourceReading(w.usage.items, m.ContainerResource.Name, m.ContainerResource.Container)
	case m.Pods != nil:
		a := w.custom[m.Pods.Metric.Name]
		if a.err != nil {
			return fail(a.err)
		}
		return arithmetic.PodsReading(a.items)
	case m.Object != nil:
		a := w.custom[m.Object.Metric.Name]
		if a.err != nil {
			return fail(a.err)
		}
		return arithmetic.ObjectReading(&a.items[0])
	}
	a := w.external[m.External.Metric.Name]
	if a.err != nil {
		return fail(a.err)
	}
	return arithmetic.ExternalReading(a.items)
}
