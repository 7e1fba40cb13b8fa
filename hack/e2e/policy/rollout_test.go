//go:build e2e

package policy

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/loadline/loadline/policy/api/v1alpha1"
	"github.com/loadline/loadline/policy/controller"
	"github.com/loadline/loadline/policy/decide"
)

// running is a pod template whose pods run: Remind Me's web, which needs nobody to be
// ready.
func running(name, version string) corev1.PodTemplateSpec {
	return corev1.PodTemplateSpec{
		ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"app": name}},
		Spec: corev1.PodSpec{
			TerminationGracePeriodSeconds: ptr.To(int64(1)),
			Containers: []corev1.Container{{
				Name: "web", Image: "remindmeweb:" + version, ImagePullPolicy: corev1.PullIfNotPresent,
				Env: []corev1.EnvVar{
					{Name: "LISTEN_HOST", ValueFrom: &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{FieldPath: "status.podIP"}}},
					{Name: "API_URL", Value: "http://127.0.0.1:1"},
				},
				ReadinessProbe: &corev1.Probe{
					PeriodSeconds: 1,
					ProbeHandler:  corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: "/healthz", Port: intstr.FromInt32(9090)}},
				},
			}},
		},
	}
}

// rolling makes a Deployment whose pods run and whose rollouts take some seconds.
func rolling(t *testing.T, namespace, name string, replicas int32) *appsv1.Deployment {
	t.Helper()
	d := create(t, &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec: appsv1.DeploymentSpec{
			Replicas: ptr.To(replicas), Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": name}},
			MinReadySeconds: 3, Template: running(name, "v1"),
			Strategy: appsv1.DeploymentStrategy{RollingUpdate: &appsv1.RollingUpdateDeployment{MaxUnavailable: ptr.To(intstr.FromInt32(0)), MaxSurge: ptr.To(intstr.FromInt32(1))}},
		},
	})
	served(t, namespace, name, replicas)
	return d
}

func served(t *testing.T, namespace, name string, n int32) {
	t.Helper()
	system.Until(t, fmt.Sprintf("%s has %d pods that serve", name, n), 90*time.Second, func(ctx context.Context) (bool, string) {
		d := &appsv1.Deployment{}
		err := kube.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, d)
		return err == nil && d.Status.AvailableReplicas == n, fmt.Sprintf("%d, %v", d.Status.AvailableReplicas, err)
	})
}

// conditioned waits until a condition of a policy begins with a text.
func conditioned(t *testing.T, namespace, name, of, want string, limit time.Duration) {
	t.Helper()
	system.Until(t, want, limit, func(ctx context.Context) (bool, string) {
		p, err := getPolicy(ctx, namespace, name)
		if err != nil {
			return false, err.Error()
		}
		c := condition(p, of)
		return strings.HasPrefix(c, of+"="+want), c
	})
}

// What becomes of scaling while pods are replaced, each in a namespace of its own. A
// rollout's hold outlasts it by the metrics' window, which is short here.
func TestP11Rollouts(t *testing.T) {
	alone(t)
	m := startMetricAPI(t)
	local(t, nil, func(o *controller.Options) { o.MetricWindow = 5 * time.Second })
	// Together, so that what is local goes on until all are done.
	t.Run("side by side", func(t *testing.T) {
		for name, test := range map[string]func(*testing.T, *metricAPI){"Held": heldRollout, "Paused": pausedRollout, "Partition": partition, "Undone": undoneRollout, "Unmetered": unmeteredRollout} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				test(t, m)
			})
		}
	})
}

// While a revision is rolled out and the load falls, the HPA does not scale in below
// the size at which the rollout began; on a policy that allows it, it does. Afterwards
// both come down.
func heldRollout(t *testing.T, m *metricAPI) {
	ns := namespace(t)
	load := m.of(ns)
	load.value.Store(40)
	for _, name := range []string{"held", "free"} {
		rolling(t, ns, name, 4)
		create(t, newPolicy(ns, name, external, func(p *v1alpha1.AutoscalingPolicy) {
			p.Spec.TargetRef.Name = name
			if name == "free" {
				p.Spec.Rollout = &v1alpha1.Rollout{ScaleIn: v1alpha1.Allow}
			}
		}))
		goodMetrics(t, ns, name)
		size(t, ns, name, 4, 30*time.Second)
	}
	conditioned(t, ns, "held", v1alpha1.RollingOut, "False "+decide.AtRest, soon)

	for _, name := range []string{"held", "free"} {
		edit(t, &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: name}}, func(d *appsv1.Deployment) {
			d.Spec.Template.Spec.Containers[0].Image = "remindmeweb:v2"
		})
	}
	minimum(t, ns, "held", 4, soon)
	load.value.Store(5)
	conditioned(t, ns, "held", v1alpha1.RollingOut, "True "+string(v1alpha1.Progressing), soon)
	conditioned(t, ns, "held", v1alpha1.Held, "True "+decide.HeldByRollout, soon)
	size(t, ns, "free", 2, time.Minute)
	lowest := int32(4)
	system.Until(t, "the held rollout is complete", 2*time.Minute, func(ctx context.Context) (bool, string) {
		n, err := replicasOf(ctx, ns, "held")
		if err != nil {
			return false, err.Error()
		}
		lowest = min(lowest, n)
		p, err := getPolicy(ctx, ns, "held")
		if err != nil {
			return false, err.Error()
		}
		c := condition(p, v1alpha1.RollingOut)
		return strings.HasPrefix(c, "RollingOut=False") || strings.Contains(c, string(v1alpha1.Settling)), c
	})
	if lowest < 4 {
		t.Errorf("scaled in to %d during the rollout", lowest)
	}
	minimum(t, ns, "held", 2, time.Minute)
	size(t, ns, "held", 2, time.Minute)
}

// A paused rollout holds and says why it waits; undone, it is one more, and ends.
func pausedRollout(t *testing.T, m *metricAPI) {
	ns := namespace(t)
	load := m.of(ns)
	load.value.Store(30)
	d := rolling(t, ns, "web", 3)
	create(t, newPolicy(ns, "web", external))
	goodMetrics(t, ns, "web")
	conditioned(t, ns, "web", v1alpha1.RollingOut, "False "+decide.AtRest, soon)

	edit(t, d, func(d *appsv1.Deployment) { d.Spec.Template.Spec.Containers[0].Image = "remindmeweb:v2" })
	minimum(t, ns, "web", 3, soon)
	edit(t, d, func(d *appsv1.Deployment) { d.Spec.Paused = true })
	load.value.Store(5)
	conditioned(t, ns, "web", v1alpha1.RollingOut, "True "+string(v1alpha1.Stalled)+": ", soon)
	system.Never(t, 3*hpaSync, func(ctx context.Context) (bool, string) {
		n, err := replicasOf(ctx, ns, "web")
		return err != nil || n < 3, fmt.Sprintf("%d pods while it is paused, %v", n, err)
	})
	edit(t, d, func(d *appsv1.Deployment) {
		d.Spec.Paused, d.Spec.Template.Spec.Containers[0].Image = false, "remindmeweb:v1"
	})
	conditioned(t, ns, "web", v1alpha1.RollingOut, "False "+decide.AtRest, time.Minute)
	size(t, ns, "web", 2, time.Minute)
}

// A StatefulSet that stands at its partition holds, for maxHold and no longer.
func partition(t *testing.T, m *metricAPI) {
	ns := namespace(t)
	load := m.of(ns)
	load.value.Store(30)
	s := threeOrdinals(t, ns, appsv1.StatefulSetUpdateStrategy{RollingUpdate: &appsv1.RollingUpdateStatefulSetStrategy{Partition: ptr.To(int32(2))}})
	create(t, newPolicy(ns, "api", external, func(p *v1alpha1.AutoscalingPolicy) {
		p.Spec.TargetRef.Kind = "StatefulSet"
		p.Spec.Rollout = &v1alpha1.Rollout{MaxHold: &metav1.Duration{Duration: time.Minute}}
	}))
	goodMetrics(t, ns, "api")
	conditioned(t, ns, "api", v1alpha1.RollingOut, "False "+decide.AtRest, soon)
	edit(t, s, func(s *appsv1.StatefulSet) { s.Spec.Template.Spec.Containers[0].Image = "remindmeweb:v2" })
	minimum(t, ns, "api", 3, soon)
	load.value.Store(5)
	conditioned(t, ns, "api", v1alpha1.RollingOut, "True "+string(v1alpha1.Stalled)+": ", 30*time.Second)
	system.Never(t, 2*hpaSync, func(ctx context.Context) (bool, string) {
		err := kube.Get(ctx, client.ObjectKeyFromObject(s), s)
		return err != nil || *s.Spec.Replicas < 3, fmt.Sprintf("%d pods at the partition, %v", *s.Spec.Replicas, err)
	})
	conditioned(t, ns, "api", v1alpha1.RollingOut, "True "+string(v1alpha1.GivenUp), 90*time.Second)
	minimum(t, ns, "api", 2, 30*time.Second)
}

// threeOrdinals is a StatefulSet api whose three pods serve.
func threeOrdinals(t *testing.T, ns string, strategy appsv1.StatefulSetUpdateStrategy) *appsv1.StatefulSet {
	t.Helper()
	s := create(t, &appsv1.StatefulSet{
		ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "api"},
		Spec: appsv1.StatefulSetSpec{
			Replicas: ptr.To(int32(3)), Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "api"}},
			PodManagementPolicy: appsv1.ParallelPodManagement, Template: running("api", "v1"), UpdateStrategy: strategy,
		},
	})
	ordinalsServe(t, s, 3)
	return s
}

// ordinalsServe waits until so many pods of a StatefulSet's newest revision are there, and
// all three serve.
func ordinalsServe(t *testing.T, s *appsv1.StatefulSet, updated int32) {
	t.Helper()
	system.Until(t, "three pods serve", time.Minute, func(ctx context.Context) (bool, string) {
		err := kube.Get(ctx, client.ObjectKeyFromObject(s), s)
		st := s.Status
		return err == nil && st.ObservedGeneration >= s.Generation && st.AvailableReplicas == 3 && st.UpdatedReplicas == updated, fmt.Sprintf("%+v, %v", st, err)
	})
}

// A StatefulSet that is undone halfway says that it is at its revision at once: the size is
// held until its pods are, too.
func undoneRollout(t *testing.T, m *metricAPI) {
	ns := namespace(t)
	load := m.of(ns)
	load.value.Store(30)
	s := threeOrdinals(t, ns, appsv1.StatefulSetUpdateStrategy{Type: appsv1.OnDeleteStatefulSetStrategyType})
	create(t, newPolicy(ns, "api", external, func(p *v1alpha1.AutoscalingPolicy) { p.Spec.TargetRef.Kind = "StatefulSet" }))
	goodMetrics(t, ns, "api")
	conditioned(t, ns, "api", v1alpha1.RollingOut, "False "+decide.AtRest, soon)

	replaced := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "api-2"}}
	edit(t, s, func(s *appsv1.StatefulSet) { s.Spec.Template.Spec.Containers[0].Image = "remindmeweb:v2" })
	minimum(t, ns, "api", 3, soon)
	must(t, kube.Delete(t.Context(), replaced))
	ordinalsServe(t, s, 1)
	edit(t, s, func(s *appsv1.StatefulSet) { s.Spec.Template.Spec.Containers[0].Image = "remindmeweb:v1" })
	ordinalsServe(t, s, 2)
	load.value.Store(5)
	system.Never(t, 4*hpaSync, func(ctx context.Context) (bool, string) {
		p, err := getPolicy(ctx, ns, "api")
		if err != nil {
			return true, err.Error()
		}
		c := condition(p, v1alpha1.RollingOut)
		return !strings.HasPrefix(c, v1alpha1.RollingOut+"=True"), c
	})
	if err := kube.Get(t.Context(), client.ObjectKeyFromObject(s), s); err != nil || *s.Spec.Replicas != 3 {
		t.Errorf("%d pods while one of them is of the other revision, %v", *s.Spec.Replicas, err)
	}
	must(t, kube.Delete(t.Context(), replaced))
	conditioned(t, ns, "api", v1alpha1.RollingOut, "False "+decide.AtRest, time.Minute)
	minimum(t, ns, "api", 2, 30*time.Second)
}

// A new revision whose pods have no metric is noticed while it is rolled out, and holds the
// size beyond it; undone, all ends.
func unmeteredRollout(t *testing.T, m *metricAPI) {
	ns := namespace(t)
	m.of(ns).value.Store(50) // for each pod, as many as it may have
	d := rolling(t, ns, "web", 3)
	create(t, newPolicy(ns, "web", func(p *v1alpha1.AutoscalingPolicy) {
		p.Spec.Objectives = []v1alpha1.Objective{{RequestRate: &v1alpha1.RequestRate{PerPod: resource.MustParse("50")}}}
	}))
	goodMetrics(t, ns, "web")
	conditioned(t, ns, "web", v1alpha1.RollingOut, "False "+decide.AtRest, soon)

	edit(t, d, func(d *appsv1.Deployment) { d.Spec.Template.Labels[unmetered] = "yes" })
	conditioned(t, ns, "web", v1alpha1.RollingOut, "True "+decide.Unmetered+": ", time.Minute)
	system.Until(t, "an Event", soon, func(ctx context.Context) (bool, string) {
		n, err := eventsOf(ctx, ns, decide.EventUnmetered)
		return err == nil && n > 0, fmt.Sprintf("%d, %v", n, err)
	})
	served(t, ns, "web", 3)
	minimum(t, ns, "web", 3, soon)
	system.Never(t, 3*hpaSync, func(ctx context.Context) (bool, string) {
		p, err := getPolicy(ctx, ns, "web")
		if err != nil {
			return true, err.Error()
		}
		c := condition(p, v1alpha1.RollingOut)
		return !strings.HasPrefix(c, v1alpha1.RollingOut+"=True"), c
	})
	edit(t, d, func(d *appsv1.Deployment) { delete(d.Spec.Template.Labels, unmetered) })
	conditioned(t, ns, "web", v1alpha1.RollingOut, "False "+decide.AtRest, time.Minute)
}

// eventsOf counts the Events of a reason in a namespace.
func eventsOf(ctx context.Context, ns, reason string) (n int, err error) {
	var all corev1.EventList
	if err := kube.List(ctx, &all, client.InNamespace(ns)); err != nil {
		return 0, err
	}
	for _, e := range all.Items {
		if e.Reason == reason {
			n++
		}
	}
	return n, nil
}
