package floor

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
)

// at is when the tests happen.
var at = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

// A rate, a queue of two, and cpu of one container.
var (
	rate = autoscalingv2.MetricSpec{Type: autoscalingv2.PodsMetricSourceType, Pods: &autoscalingv2.PodsMetricSource{Metric: autoscalingv2.MetricIdentifier{Name: "rate"}}}
	jobs = queue("jobs")
	mail = queue("mail")
	cpu  = autoscalingv2.MetricSpec{Type: autoscalingv2.ContainerResourceMetricSourceType, ContainerResource: &autoscalingv2.ContainerResourceMetricSource{Name: corev1.ResourceCPU, Container: "app"}}
)

func queue(name string) autoscalingv2.MetricSpec {
	return autoscalingv2.MetricSpec{Type: autoscalingv2.ExternalMetricSourceType, External: &autoscalingv2.ExternalMetricSource{Metric: autoscalingv2.MetricIdentifier{
		Name: "depth", Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"queue": name}},
	}}}
}

// read is what a sync stores of a metric that it could read.
func read(m autoscalingv2.MetricSpec) autoscalingv2.MetricStatus {
	s := autoscalingv2.MetricStatus{Type: m.Type}
	switch {
	case m.Pods != nil:
		s.Pods = &autoscalingv2.PodsMetricStatus{Metric: m.Pods.Metric}
	case m.External != nil:
		s.External = &autoscalingv2.ExternalMetricStatus{Metric: m.External.Metric}
	case m.ContainerResource != nil:
		s.ContainerResource = &autoscalingv2.ContainerResourceMetricStatus{Name: m.ContainerResource.Name, Container: m.ContainerResource.Container}
	case m.Object != nil:
		s.Object = &autoscalingv2.ObjectMetricStatus{Metric: m.Object.Metric, DescribedObject: m.Object.DescribedObject}
	case m.Resource != nil:
		s.Resource = &autoscalingv2.ResourceMetricStatus{Name: m.Resource.Name}
	}
	return s
}

// unread is what it stores of one that it could not.
var unread = autoscalingv2.MetricStatus{}

func hpaWith(metrics []autoscalingv2.MetricSpec, current []autoscalingv2.MetricStatus, conditions ...autoscalingv2.HorizontalPodAutoscalerCondition) *autoscalingv2.HorizontalPodAutoscaler {
	h := &autoscalingv2.HorizontalPodAutoscaler{}
	h.Generation, h.Status.ObservedGeneration = 3, ptr.To(int64(3))
	h.Spec.Metrics, h.Status.CurrentMetrics, h.Status.Conditions = metrics, current, conditions
	return h
}

func says(of autoscalingv2.HorizontalPodAutoscalerConditionType, status corev1.ConditionStatus, reason string) autoscalingv2.HorizontalPodAutoscalerCondition {
	return autoscalingv2.HorizontalPodAutoscalerCondition{Type: of, Status: status, Reason: reason, Message: "in its words", LastTransitionTime: metav1.NewTime(at)}
}

func TestJudge(t *testing.T) {
	type metrics = []autoscalingv2.MetricSpec
	type current = []autoscalingv2.MetricStatus
	able := says(autoscalingv2.AbleToScale, corev1.ConditionTrue, "SucceededGetScale")
	active := says(autoscalingv2.ScalingActive, corev1.ConditionTrue, "ValidMetricFound")
	failed := says(autoscalingv2.ScalingActive, corev1.ConditionFalse, "FailedGetPodsMetric")
	// As the HPA controller writes it.
	printed := failed
	printed.Message = "unable to get external metric shop/depth/" + jobs.External.Metric.Selector.String() + ": not found"
	stale := hpaWith(metrics{rate}, current{read(rate)}, able, active)
	stale.Generation++
	older := hpaWith(metrics{rate}, current{read(rate)}, able, active)
	older.Generation, older.Status.ObservedGeneration = 0, nil
	for name, tc := range map[string]struct {
		live *autoscalingv2.HorizontalPodAutoscaler
		want Health
	}{
		"a selector, readable":   {hpaWith(metrics{jobs}, current{unread}, able, printed), Health{State: Bad, Missing: []string{"depth{queue=jobs}"}, None: true, Since: at, Text: "unable to get external metric shop/depth{queue=jobs}: not found"}},
		"no HPA":                 {nil, Health{State: Unknown, Blank: true, Text: "there is no HPA yet"}},
		"never synced":           {hpaWith(metrics{rate}, nil), Health{State: Unknown, Blank: true, Text: "the HPA controller has not looked at the HPA yet"}},
		"of an older generation": {stale, Health{State: Unknown, Blank: true, Text: "the HPA controller has not looked at the HPA yet"}},
		"without generations":    {older, Health{State: Good}},
		"all read":               {hpaWith(metrics{rate, jobs, cpu}, current{read(rate), read(jobs), read(cpu)}, able, active), Health{State: Good}},
		"read in another order":  {hpaWith(metrics{jobs, mail}, current{read(mail), read(jobs)}, able, active), Health{State: Good}},
		"one of two queues": {
			hpaWith(metrics{jobs, mail}, current{read(jobs), unread}, able, active),
			Health{State: Bad, Missing: []string{"depth{queue=mail}"}, Text: "the HPA could not read depth{queue=mail}"},
		},
		"an entry of another queue does not count": {
			hpaWith(metrics{jobs, cpu}, current{read(mail), read(cpu)}, able, active),
			Health{State: Bad, Missing: []string{"depth{queue=jobs}"}, Text: "the HPA could not read depth{queue=jobs}"},
		},
		"one is not there at all": {
			hpaWith(metrics{rate, cpu}, current{read(rate)}, able, active),
			Health{State: Bad, Missing: []string{"cpu of container app"}, Text: "the HPA could not read cpu of container app"},
		},
		"one is read and asks for less": {
			hpaWith(metrics{jobs, rate}, current{read(jobs), unread}, able, failed),
			Health{State: Bad, Missing: []string{"rate"}, Text: "in its words", Since: at},
		},
		"none is read": {
			hpaWith(metrics{rate, jobs}, current{unread, unread}, able, failed),
			Health{State: Bad, Missing: []string{"rate", "depth{queue=jobs}"}, None: true, Text: "in its words", Since: at},
		},
		"read, and good for nothing": {
			hpaWith(metrics{rate}, current{read(rate)}, able, says(autoscalingv2.ScalingActive, corev1.ConditionFalse, "FailedComputeMetricsReplicas")),
			Health{State: Bad, Missing: []string{"rate"}, None: true, Text: "in its words", Since: at},
		},
		"moved into its bounds while all is well": {
			hpaWith(metrics{rate}, nil, able, active), Health{State: Unknown, Blank: true, Text: "the HPA's last sync read no metric"},
		},
		"moved into its bounds in an outage": {
			hpaWith(metrics{rate}, nil, able, failed),
			Health{State: Bad, Missing: []string{"rate"}, None: true, Text: "in its words", Since: at, Blank: true},
		},
		"a person's zero": {
			hpaWith(metrics{rate}, nil, able, says(autoscalingv2.ScalingActive, corev1.ConditionFalse, "ScalingDisabled")),
			Health{State: Unknown, Text: "in its words", Disabled: true},
		},
		"its own zero": {
			hpaWith(metrics{jobs}, current{read(jobs)}, able, active, says(autoscalingv2.ScaledToZero, corev1.ConditionTrue, "ScaledToZero")),
			Health{State: Good, ToZero: true},
		},
		"no target": {
			hpaWith(metrics{rate}, current{read(rate)}, says(autoscalingv2.AbleToScale, corev1.ConditionFalse, "FailedGetScale"), active),
			Health{State: Unknown, Text: "in its words"},
		},
		"two HPAs for its pods": {
			hpaWith(metrics{rate}, nil, able, says(autoscalingv2.ScalingActive, corev1.ConditionFalse, "AmbiguousSelector")),
			Health{State: Unknown, Text: "in its words", Stopped: true},
		},
		"not able to write the size": {
			hpaWith(metrics{rate}, current{read(rate)}, says(autoscalingv2.AbleToScale, corev1.ConditionFalse, "FailedUpdateScale"), active),
			Health{State: Good},
		},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, Judge(tc.live)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// Metrics are told apart by all that an HPA knows them by.
func TestCurrent(t *testing.T) {
	object := func(name string) autoscalingv2.MetricSpec {
		return autoscalingv2.MetricSpec{Type: autoscalingv2.ObjectMetricSourceType, Object: &autoscalingv2.ObjectMetricSource{
			Metric: autoscalingv2.MetricIdentifier{Name: "hits"}, DescribedObject: autoscalingv2.CrossVersionObjectReference{Kind: "Service", Name: name},
		}}
	}
	resource := func(name corev1.ResourceName) autoscalingv2.MetricSpec {
		return autoscalingv2.MetricSpec{Type: autoscalingv2.ResourceMetricSourceType, Resource: &autoscalingv2.ResourceMetricSource{Name: name}}
	}
	container := cpu.DeepCopy()
	container.ContainerResource.Container = "sidecar"
	all := []autoscalingv2.MetricSpec{rate, jobs, mail, cpu, *container, object("a"), object("b"), resource("cpu"), resource("memory")}
	for i, m := range all {
		t.Run(Name(m), func(t *testing.T) {
			for j, other := range all {
				live := hpaWith(nil, []autoscalingv2.MetricStatus{unread, read(other)})
				if got := Current(live, m) != nil; got != (i == j) {
					t.Errorf("the value of %s is found: %v", Name(other), got)
				}
			}
		})
	}
}

// A size that was not read is none, and no 0.
func TestSize(t *testing.T) {
	able := func(status corev1.ConditionStatus, reason string) []autoscalingv2.HorizontalPodAutoscalerCondition {
		return []autoscalingv2.HorizontalPodAutoscalerCondition{{Type: autoscalingv2.AbleToScale, Status: status, Reason: reason}}
	}
	for name, tc := range map[string]struct {
		conditions []autoscalingv2.HorizontalPodAutoscalerCondition
		current    int32
		want       *int32
	}{
		"never looked at":            {nil, 0, nil},
		"read":                       {able("True", "ReadyForNewScale"), 3, ptr.To[int32](3)},
		"read, and set to 0":         {able("True", "SucceededGetScale"), 0, ptr.To[int32](0)},
		"read, and could not be set": {able("False", "FailedUpdateScale"), 3, ptr.To[int32](3)},
		"not read, and 3 once":       {able("False", "FailedGetScale"), 3, nil},
		"not read, and never before": {able("False", "FailedGetScale"), 0, nil},
	} {
		t.Run(name, func(t *testing.T) {
			h := &autoscalingv2.HorizontalPodAutoscaler{Status: autoscalingv2.HorizontalPodAutoscalerStatus{Conditions: tc.conditions, CurrentReplicas: tc.current}}
			if diff := cmp.Diff(tc.want, Size(h)); diff != "" {
				t.Error(diff)
			}
		})
	}
}
