package node

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func running(ready bool) corev1.ContainerStatus {
	return corev1.ContainerStatus{Name: "c", Ready: ready, State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}}
}

func exited(code int32) corev1.ContainerStatus {
	return corev1.ContainerStatus{Name: "c", State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: code}}}
}

func waits(after ...int32) corev1.ContainerStatus {
	s := corev1.ContainerStatus{Name: "c", State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{}}}
	for _, code := range after {
		s.LastTerminationState = exited(code).State
	}
	return s
}

func TestPhase(t *testing.T) {
	type list = []corev1.ContainerStatus
	for name, test := range map[string]struct {
		policy corev1.RestartPolicy
		o      observation
		want   corev1.PodPhase
	}{
		"not started":               {"Always", observation{Main: list{waits()}}, "Pending"},
		"one not started":           {"Always", observation{Main: list{running(true), waits()}}, "Pending"},
		"runs unready":              {"Always", observation{Main: list{running(false)}}, "Running"},
		"crash loop":                {"Always", observation{Main: list{waits(1)}}, "Running"},
		"ended, will be restarted":  {"Always", observation{Main: list{exited(0)}}, "Running"},
		"failed, will be restarted": {"OnFailure", observation{Main: list{exited(1)}}, "Running"},
		"done":                      {"OnFailure", observation{Main: list{exited(0)}}, "Succeeded"},
		"one done, one runs":        {"Never", observation{Main: list{exited(1), running(true)}}, "Running"},
		"failed":                    {"Never", observation{Main: list{exited(1), exited(0)}}, "Failed"},
		"init runs":                 {"Always", observation{Init: list{running(false)}, Main: list{waits()}}, "Pending"},
		"init failed for good":      {"Never", observation{Init: list{exited(1)}, Main: list{waits()}, Finished: true}, "Failed"},
		"terminated well":           {"Always", observation{Main: list{exited(0)}, Finished: true}, "Succeeded"},
		"terminated by SIGTERM":     {"Always", observation{Main: list{exited(143)}, Finished: true}, "Failed"},
		"gone before it started":    {"Always", observation{Main: list{waits()}, Finished: true}, "Failed"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := phase(test.policy, test.o); got != test.want {
				t.Errorf("%s, want %s", got, test.want)
			}
		})
	}
}

func TestPodStatus(t *testing.T) {
	before, now := metav1.Unix(1000, 0), metav1.Unix(2000, 0)
	pod := &corev1.Pod{Status: corev1.PodStatus{QOSClass: "Burstable", Conditions: []corev1.PodCondition{
		{Type: corev1.PodScheduled, Status: "True", LastTransitionTime: before},
		{Type: corev1.PodInitialized, Status: "True", LastTransitionTime: before},
		{Type: corev1.PodReady, Status: "False", LastTransitionTime: before},
	}}}
	pod.Generation = 3
	pod.Spec.ReadinessGates = []corev1.PodReadinessGate{{ConditionType: "example.com/gate"}}
	o := observation{At: testAt, Started: before, Main: []corev1.ContainerStatus{running(true)}}
	want := corev1.PodStatus{
		QOSClass: "Burstable", Phase: "Running", ObservedGeneration: 3, StartTime: &before, ContainerStatuses: o.Main,
		HostIP: "10.0.0.1", HostIPs: []corev1.HostIP{{IP: "10.0.0.1"}}, PodIP: "10.0.0.9", PodIPs: []corev1.PodIP{{IP: "10.0.0.9"}},
		Conditions: []corev1.PodCondition{
			{Type: corev1.PodScheduled, Status: "True", LastTransitionTime: before},
			{Type: corev1.PodInitialized, Status: "True", LastTransitionTime: before},
			{Type: corev1.PodReady, Status: "False", LastTransitionTime: before, Reason: "ReadinessGatesNotReady",
				Message: `the status of pod readiness gate "example.com/gate" is not True`},
			{Type: corev1.ContainersReady, Status: "True", LastTransitionTime: now},
		},
	}
	old := pod.DeepCopy()
	if diff := cmp.Diff(want, podStatus(pod, o, now)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(old, pod); diff != "" {
		t.Errorf("the input was changed: %s", diff)
	}
}

func TestInherit(t *testing.T) {
	now := metav1.NewTime(time.Unix(2000, 0))
	spec := corev1.Container{Name: "c"}
	ran := running(true)
	ran.RestartCount, ran.ContainerID = 2, "process://1-1"
	for name, test := range map[string]struct {
		policy   corev1.RestartPolicy
		before   corev1.ContainerStatus
		lastCode int32 // of the termination before; 0 is none
		over     bool
	}{
		"ran and runs again":    {"Always", ran, 137, false},
		"ran and may not again": {"Never", ran, 0, true},
		"was done":              {"OnFailure", exited(0), 0, true},
		"had failed":            {"OnFailure", exited(4), 4, false},
		"had not begun":         {"Never", waits(), 0, false},
		"a pod nobody saw":      {"Never", corev1.ContainerStatus{Name: "other"}, 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			c := &container{policy: test.policy, status: inherit(spec, test.policy, []corev1.ContainerStatus{test.before}, now)}
			var code int32
			if end := c.status.LastTerminationState.Terminated; end != nil {
				code = end.ExitCode
			}
			if code != test.lastCode || c.over() != test.over {
				t.Errorf("last code %d, over %v: %+v", code, c.over(), c.status)
			}
		})
	}
}

func TestUnsupported(t *testing.T) {
	always := corev1.ContainerRestartPolicyAlways
	pod := &corev1.Pod{Spec: corev1.PodSpec{
		Volumes:        []corev1.Volume{{Name: "h", VolumeSource: corev1.VolumeSource{HostPath: &corev1.HostPathVolumeSource{}}}},
		InitContainers: []corev1.Container{{RestartPolicy: &always}},
		Containers: []corev1.Container{{
			ReadinessProbe: &corev1.Probe{ProbeHandler: corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Host: "elsewhere"}}},
			Lifecycle:      &corev1.Lifecycle{PostStart: &corev1.LifecycleHandler{}},
		}},
	}}
	want := []string{
		"spec.volumes[0]: this kind of volume",
		"spec.initContainers[0].restartPolicy (sidecars)",
		"spec.containers[0].readinessProbe: a host other than the pod's IP",
		"spec.containers[0].lifecycle.postStart",
	}
	if diff := cmp.Diff(want, unsupported(pod)); diff != "" {
		t.Error(diff)
	}
	if err := refuse(&corev1.Pod{Spec: corev1.PodSpec{Containers: []corev1.Container{{}}}}); err != nil {
		t.Error(err)
	}
}
