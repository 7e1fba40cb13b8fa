package arithmetic_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"

	"github.com/loadline/loadline/policy/arithmetic"
)

// TestRequests: calculateRequests in replica_calculator.go, and PodRequests in helpers.go for
// pods that have requests of their own.
func TestRequests(t *testing.T) {
	sidecar := func(name string, requests ...string) corev1.Container {
		c := container(name, requests...)
		c.RestartPolicy = ptr.To(corev1.ContainerRestartPolicyAlways)
		return c
	}
	two := []corev1.Container{container("app", "cpu", "300m"), container("log", "cpu", "50m")}
	for name, tc := range map[string]struct {
		spec      corev1.PodSpec
		container string
		want      int64
		fails     string
	}{
		"all containers":                        {corev1.PodSpec{Containers: two}, "", 350, ""},
		"one of them":                           {corev1.PodSpec{Containers: two}, "log", 50, ""},
		"none of that name":                     {corev1.PodSpec{Containers: two}, "web", 0, "pod a has no container web"},
		"sidecars, and no other init container": {corev1.PodSpec{Containers: two, InitContainers: []corev1.Container{container("init", "cpu", "9"), sidecar("proxy", "cpu", "7m")}}, "", 357, ""},
		"a sidecar by name":                     {corev1.PodSpec{Containers: two, InitContainers: []corev1.Container{sidecar("proxy", "cpu", "7m")}}, "proxy", 7, ""},
		"one that requests nothing":             {corev1.PodSpec{Containers: append(two, container("mute"))}, "", 0, "container mute of pod a requests no cpu"},
		"beside the one that is asked for":      {corev1.PodSpec{Containers: append(two, container("mute"))}, "app", 300, ""},
		"each is rounded up to thousandths":     {corev1.PodSpec{Containers: []corev1.Container{container("app", "cpu", "1500u"), container("log", "cpu", "1500u")}}, "", 4, ""},
		"the pod's own":                         {corev1.PodSpec{Containers: two, Resources: &corev1.ResourceRequirements{Requests: list("cpu", "2")}}, "", 2000, ""},
		"a container goes before the pod":       {corev1.PodSpec{Containers: two, Resources: &corev1.ResourceRequirements{Requests: list("cpu", "2")}}, "app", 300, ""},
		"with the overhead": {
			corev1.PodSpec{Containers: two, Overhead: list("cpu", "100m"), Resources: &corev1.ResourceRequirements{Requests: list("cpu", "2")}}, "", 2100, "",
		},
		"no overhead without requests of the pod": {corev1.PodSpec{Containers: two, Overhead: list("cpu", "100m")}, "", 350, ""},
		"of another resource: what the containers need at most": {
			corev1.PodSpec{
				Containers:     two,
				InitContainers: []corev1.Container{sidecar("proxy", "cpu", "7m"), container("init", "cpu", "900m"), sidecar("late", "cpu", "1m")},
				Resources:      &corev1.ResourceRequirements{Requests: list("memory", "1Gi")},
			}, "", 907, "",
		},
		"of another resource: nothing": {
			corev1.PodSpec{Containers: []corev1.Container{container("app")}, Resources: &corev1.ResourceRequirements{Requests: list("memory", "1Gi")}}, "", 0,
			"pod a, which has requests of its own, requests no cpu",
		},
	} {
		t.Run(name, func(t *testing.T) {
			m := usage("cpu", utilization(50))
			fails := arithmetic.FailedGetResourceMetric
			if tc.container != "" {
				m, fails = usageOf(tc.container, "cpu", utilization(50)), arithmetic.FailedGetContainerResourceMetric
			}
			p := arithmetic.Propose(state(1, m, samples("a", 100), pod("a", func(p *corev1.Pod) { p.Spec = tc.spec })), 0)
			if tc.fails != "" {
				if diff := cmp.Diff(&arithmetic.Failure{Reason: fails, Message: tc.fails}, p.Failure); diff != "" {
					t.Error(diff)
				}
				return
			}
			if diff := cmp.Diff(&tc.want, p.Pods[0].Request); diff != "" {
				t.Error(diff)
			}
		})
	}
}
