package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestEnds(t *testing.T) {
	pod := func(policy corev1.RestartPolicy, statuses ...corev1.ContainerStatus) *corev1.Pod {
		for i := range statuses {
			statuses[i].Name = []string{"web", "proxy"}[i]
		}
		return &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Namespace: "a", Name: "p"},
			Spec:       corev1.PodSpec{RestartPolicy: policy},
			Status:     corev1.PodStatus{ContainerStatuses: statuses},
		}
	}
	running := corev1.ContainerStatus{State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}}
	ended := func(id string, code, signal int32) corev1.ContainerStatus {
		return corev1.ContainerStatus{State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ContainerID: id, ExitCode: code, Signal: signal}}}
	}
	again := func(s corev1.ContainerStatus) corev1.ContainerStatus {
		return corev1.ContainerStatus{State: running.State, LastTerminationState: s.State}
	}
	leaving := pod(corev1.RestartPolicyAlways, ended("1", 0, 0))
	leaving.DeletionTimestamp = &metav1.Time{}
	const always = corev1.RestartPolicyAlways
	const rest = "; the node starts it again; its log: kubectl -n a logs p -c "
	for name, tc := range map[string]struct {
		before, now *corev1.Pod
		want        []string
	}{
		"starts":                       {pod(always), pod(always, running), nil},
		"killed":                       {pod(always, running), pod(always, ended("1", 137, 9)), []string{"container web of pod a/p ended by signal 9" + rest + "web"}},
		"ends by itself":               {pod(always, running), pod(always, ended("1", 0, 0)), []string{"container web of pod a/p ended with exit code 0" + rest + "web"}},
		"seen when it runs again":      {pod(always, running), pod(always, again(ended("1", 1, 0))), []string{"container web of pod a/p ended with exit code 1" + rest + "web"}},
		"runs again, said before":      {pod(always, ended("1", 1, 0)), pod(always, again(ended("1", 1, 0))), nil},
		"ends once more":               {pod(always, again(ended("1", 1, 0))), pod(always, ended("2", 1, 0)), []string{"container web of pod a/p ended with exit code 1" + rest + "web"}},
		"one of two":                   {pod(always, running, running), pod(always, running, ended("1", 2, 0)), []string{"container proxy of pod a/p ended with exit code 2" + rest + "proxy"}},
		"the pod is deleted":           {pod(always, running), leaving, nil},
		"a task, which is to end once": {pod(corev1.RestartPolicyOnFailure, running), pod(corev1.RestartPolicyOnFailure, ended("1", 1, 0)), nil},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, ends(tc.before, tc.now)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
