package node

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// inherit is the status a container begins with. A node that comes back finds
// what it last reported: restarts go on counting, and a process that ran then is
// known to be dead now, because processes die with their node.
func inherit(spec corev1.Container, policy corev1.RestartPolicy, before []corev1.ContainerStatus, now metav1.Time) corev1.ContainerStatus {
	down := false
	s := corev1.ContainerStatus{Name: spec.Name, Image: spec.Image, Started: &down,
		State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "ContainerCreating"}}}
	i := slices.IndexFunc(before, func(b corev1.ContainerStatus) bool { return b.Name == spec.Name })
	if i < 0 {
		return s
	}
	old := before[i].DeepCopy()
	s.RestartCount, s.ContainerID, s.ImageID, s.LastTerminationState = old.RestartCount, old.ContainerID, old.ImageID, old.LastTerminationState
	end := old.State
	if run := end.Running; run != nil {
		end = corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{
			ExitCode: 137, Reason: "ContainerStatusUnknown", Message: "the process died with its node",
			StartedAt: run.StartedAt, FinishedAt: now, ContainerID: old.ContainerID}}
	}
	switch {
	case end.Terminated == nil:
	case restarts(policy, end.Terminated.ExitCode):
		s.LastTerminationState = end
	default:
		s.State = end
	}
	return s
}

// over reports whether the container ended before and is not to run again.
func (c *container) over() bool {
	end := c.snapshot().State.Terminated
	return end != nil && !restarts(c.policy, end.ExitCode)
}
