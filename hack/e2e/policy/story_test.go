//go:build e2e

package policy

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"github.com/loadline/loadline/policy/api/v1alpha1"
	"github.com/loadline/loadline/policy/controller"
	"github.com/loadline/loadline/policy/decide"
)

// The load of a story, all the time: requests a second, of which a pod takes 10.
const (
	storyLoad  = 28
	storyPods  = 3
	storySpan  = 60 * time.Second // in which is counted what is lost
	storySlack = 1.5              // pod·s: a look that came late on a busy machine
)

// What scales a story's workload.
const (
	nothing = "no HPA"
	bare    = "HPA alone"
	guarded = "policy"
)

// chapter is what all stories share.
type chapter struct {
	metrics  *metricAPI
	observer *observer
	mu       sync.Mutex
	lost     map[string]map[string]lack // by story and by what scales
}

// The steps of a release on Remind Me's API under a load that never changes: each with an
// HPA alone, with a policy, and where the strategy itself takes pods also with neither. What
// is lost are the ready pods behind the Service that are fewer than the load takes, times
// seconds. HPA and scrapes are three times as fast as usual, and nothing delays scaling in.
func TestP14Story(t *testing.T) {
	alone(t)
	c := &chapter{metrics: startMetricAPI(t), lost: map[string]map[string]lack{}}
	local(t, nil, func(o *controller.Options) { o.MetricWindow, o.HPASync = 3*scrapeEvery, hpaSync })
	c.observer = follow(t, storyPods)
	stories := []struct {
		name string
		run  func(t *testing.T, c *chapter, by string) lack
		by   []string
	}{
		{"StatefulSet", rolledOut("statefulset", nil), []string{nothing, bare, guarded}},
		{"Deployment, rolling update", rolledOut("deployment", surging()), []string{nothing, bare, guarded}},
		{"Deployment, Recreate", rolledOut("deployment", &appsv1.DeploymentStrategy{Type: appsv1.RecreateDeploymentStrategyType}), []string{nothing, bare, guarded}},
		{"blue/green", flipped, []string{bare, guarded}},
		{"ReplicationController", succeeded, []string{bare, guarded}},
	}
	t.Run("side by side", func(t *testing.T) {
		for _, s := range stories {
			c.lost[s.name] = map[string]lack{}
			for _, by := range s.by {
				t.Run(s.name+", "+by, func(t *testing.T) {
					t.Parallel()
					lost := s.run(t, c, by)
					c.mu.Lock()
					defer c.mu.Unlock()
					c.lost[s.name][by] = lost
				})
			}
		}
	})
	if t.Failed() {
		return
	}
	var taken float64
	var table strings.Builder
	w := tabwriter.NewWriter(&table, 0, 0, 3, ' ', 0)
	fmt.Fprintf(w, "pod·s lost in %.0f s\t%s\t%s\t%s\n", storySpan.Seconds(), bare, guarded, nothing)
	for _, s := range stories {
		lost := c.lost[s.name]
		own := "-"
		if v, ok := lost[nothing]; ok {
			own = fmt.Sprintf("%.0f", v.lost)
		}
		fmt.Fprintf(w, "%s\t%.0f\t%.0f\t%s\n", s.name, lost[bare].lost, lost[guarded].lost, own)
		// What the strategy takes is longer in one run than in the other, if the machine is busy.
		if most := 2*lost[nothing].lost + storySlack; lost[guarded].lost > most {
			t.Errorf("%s: %.1f pod·s are lost with a policy, more than the %.1f that are the strategy's", s.name, lost[guarded].lost, most)
		}
		if n := lost[guarded].unwanted; n != 0 {
			t.Errorf("%s: with a policy it was asked to have fewer pods than the load takes, %.1f pod·s", s.name, n)
		}
		// Of one rollout the HPA may see too little, if it is slow. Of all it sees enough.
		_, rollout := lost[nothing]
		if n := lost[bare].unwanted; rollout {
			taken += n
		} else if n == 0 {
			t.Errorf("%s: with an HPA alone it was never asked to have fewer pods than the load takes: there was nothing to guard", s.name)
		}
	}
	if taken == 0 {
		t.Error("in no rollout an HPA alone asked for fewer pods than the load takes: there was nothing to guard")
	}
	w.Flush()
	t.Logf("ready pods fewer than the load takes (%d for %d requests a second), times seconds:\n%s", storyPods, storyLoad, &table)
}

func surging() *appsv1.DeploymentStrategy {
	return &appsv1.DeploymentStrategy{RollingUpdate: &appsv1.RollingUpdateDeployment{MaxUnavailable: ptr.To(intstr.FromInt32(0)), MaxSurge: ptr.To(intstr.FromInt32(1))}}
}

// telling is a pod template of Remind Me's API, whose first page needs no queue.
func telling(name, version string) corev1.PodTemplateSpec {
	pod := running(name, version)
	pod.Labels[tale], pod.Labels["part"] = "yes", "web"
	pod.Spec.TerminationGracePeriodSeconds = ptr.To(int64(5))
	first := &pod.Spec.Containers[0]
	first.Image = "remindmeapi:" + version
	first.Env = append(first.Env, corev1.EnvVar{Name: "QUEUE_URL", Value: "nats://127.0.0.1:1"}, corev1.EnvVar{Name: "DRAIN", Value: "500ms"})
	return pod
}

// front makes the Service of a namespace, puts the load on it once its pods serve, and has
// the metric be what they say of it.
func (c *chapter) front(t *testing.T, ns, key, value string) {
	t.Helper()
	create(t, &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "web", Labels: map[string]string{tale: "yes"}},
		Spec:       corev1.ServiceSpec{Selector: map[string]string{key: value}, Ports: []corev1.ServicePort{{Name: "http", Port: 80, TargetPort: intstr.FromInt32(8080)}}},
	})
	c.observer.begin(ns)
	system.Until(t, "pods that serve", 2*time.Minute, func(context.Context) (bool, string) {
		n := c.observer.missing(ns)
		return n == 0, fmt.Sprintf("%d are missing", n)
	})
	drive(t, ns, storyLoad)
	known(t, c.observer, ns, storyPods)
	c.metrics.of(ns).measure(func() int64 { return c.observer.rate(ns) })
}

// scaled has a target be scaled by a policy, an HPA alone, or nothing.
func (c *chapter) scaled(t *testing.T, ns, by string, target v1alpha1.TargetReference, edit ...func(*v1alpha1.AutoscalingPolicy)) {
	t.Helper()
	switch by {
	case bare:
		create(t, &autoscalingv2.HorizontalPodAutoscaler{
			ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "web"},
			Spec: autoscalingv2.HorizontalPodAutoscalerSpec{
				ScaleTargetRef: autoscalingv2.CrossVersionObjectReference{APIVersion: target.APIVersion, Kind: target.Kind, Name: target.Name},
				MinReplicas:    ptr.To(int32(1)), MaxReplicas: 6, Behavior: quick(),
				Metrics: []autoscalingv2.MetricSpec{{Type: autoscalingv2.ExternalMetricSourceType, External: &autoscalingv2.ExternalMetricSource{
					Metric: autoscalingv2.MetricIdentifier{Name: "load"},
					Target: autoscalingv2.MetricTarget{Type: autoscalingv2.AverageValueMetricType, AverageValue: ptr.To(resource.MustParse("10"))},
				}}},
			},
		})
	case guarded:
		create(t, newPolicy(ns, "web", append([]func(*v1alpha1.AutoscalingPolicy){external, func(p *v1alpha1.AutoscalingPolicy) {
			p.Spec.TargetRef, p.Spec.Replicas = target, v1alpha1.Replicas{Min: 1, Max: 6}
		}}, edit...)...))
		goodMetrics(t, ns, "web")
		conditioned(t, ns, "web", v1alpha1.RollingOut, "False "+decide.AtRest, soon)
	default:
		return
	}
	system.Until(t, "the HPA decides", 30*time.Second, func(ctx context.Context) (bool, string) {
		h, err := getHPA(ctx, ns, "web")
		return err == nil && h.Status.DesiredReplicas == storyPods, fmt.Sprintf("%d, %v", h.Status.DesiredReplicas, err)
	})
}

// told is what was lost of the load since a moment, once the span is over.
func (c *chapter) told(t *testing.T, ns string, began time.Time) lack {
	t.Helper()
	t.Logf("the steps took %s", time.Since(began).Round(100*time.Millisecond))
	system.Pause(t, max(0, time.Until(began.Add(storySpan))))
	return c.observer.lost(ns)
}

// prompt runs kubectl, as the reader of the chapter does, and fails the test where that fails.
func prompt(t *testing.T, ns string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	out, err := plugin(ctx, ns, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("kubectl %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	t.Logf("$ kubectl %s\n%s", strings.Join(args, " "), out)
	return string(out)
}
