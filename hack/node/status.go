package node

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// observation is what is true of a pod's processes at one moment.
type observation struct {
	At       placement
	Started  metav1.Time // when the node took the pod
	Init     []corev1.ContainerStatus
	Main     []corev1.ContainerStatus
	Finished bool // nothing runs and nothing will be started again
}

// podStatus returns the status the API server should hold. Conditions of others
// (PodScheduled, DisruptionTarget, readiness gates) stay as they are in pod, and
// a condition that did not change keeps its transition time.
func podStatus(pod *corev1.Pod, o observation, now metav1.Time) corev1.PodStatus {
	s := *pod.Status.DeepCopy()
	s.ObservedGeneration = pod.Generation
	s.Phase = phase(pod.Spec.RestartPolicy, o)
	s.HostIP, s.HostIPs = o.At.HostIP, []corev1.HostIP{{IP: o.At.HostIP}}
	if o.At.PodIP != "" {
		s.PodIP, s.PodIPs = o.At.PodIP, []corev1.PodIP{{IP: o.At.PodIP}}
	}
	started := o.Started
	s.StartTime = &started
	s.InitContainerStatuses, s.ContainerStatuses = o.Init, o.Main

	finished := s.Phase == corev1.PodSucceeded || s.Phase == corev1.PodFailed
	s.Conditions = setCondition(s.Conditions, initialized(o), now)
	ready := containersReady(o, finished, s.Phase)
	s.Conditions = setCondition(s.Conditions, ready, now)
	s.Conditions = setCondition(s.Conditions, podReady(pod, ready), now)
	return s
}

// phase follows the definition in the pod lifecycle documentation: what runs or
// will be restarted is Running, what never started is Pending.
func phase(policy corev1.RestartPolicy, o observation) corev1.PodPhase {
	failed := false
	for _, c := range slices.Concat(o.Init, o.Main) {
		failed = failed || c.State.Terminated != nil && c.State.Terminated.ExitCode != 0
	}
	if o.Finished {
		for _, c := range o.Main { // what was never started has not succeeded
			failed = failed || c.State.Terminated == nil
		}
		if failed || !initDone(o) {
			return corev1.PodFailed
		}
		return corev1.PodSucceeded
	}
	if !initDone(o) {
		return corev1.PodPending
	}
	ran, stopped := 0, 0
	for _, c := range o.Main {
		if c.State.Running != nil || c.State.Terminated != nil || c.LastTerminationState.Terminated != nil {
			ran++
		}
		if c.State.Terminated != nil && (c.State.Terminated.ExitCode == 0 || policy == corev1.RestartPolicyNever) {
			stopped++
		}
	}
	switch {
	case ran < len(o.Main):
		return corev1.PodPending
	case stopped < len(o.Main) || policy == corev1.RestartPolicyAlways || policy == "":
		return corev1.PodRunning
	case failed:
		return corev1.PodFailed
	}
	return corev1.PodSucceeded
}

func initDone(o observation) bool {
	for _, c := range o.Init {
		if c.State.Terminated == nil || c.State.Terminated.ExitCode != 0 {
			return false
		}
	}
	return true
}

func initialized(o observation) corev1.PodCondition {
	if initDone(o) {
		return corev1.PodCondition{Type: corev1.PodInitialized, Status: corev1.ConditionTrue}
	}
	var names []string
	for _, c := range o.Init {
		if c.State.Terminated == nil || c.State.Terminated.ExitCode != 0 {
			names = append(names, c.Name)
		}
	}
	return corev1.PodCondition{Type: corev1.PodInitialized, Status: corev1.ConditionFalse, Reason: "ContainersNotInitialized",
		Message: fmt.Sprintf("containers with incomplete status: [%s]", strings.Join(names, " "))}
}

func containersReady(o observation, finished bool, p corev1.PodPhase) corev1.PodCondition {
	c := corev1.PodCondition{Type: corev1.ContainersReady, Status: corev1.ConditionFalse}
	var unready []string
	for _, status := range o.Main {
		if !status.Ready {
			unready = append(unready, status.Name)
		}
	}
	switch {
	case finished && p == corev1.PodSucceeded:
		c.Reason = "PodCompleted"
	case finished:
		c.Reason = "PodFailed"
	case len(unready) > 0:
		c.Reason = "ContainersNotReady"
		c.Message = fmt.Sprintf("containers with unready status: [%s]", strings.Join(unready, " "))
	default:
		c.Status = corev1.ConditionTrue
	}
	return c
}

func podReady(pod *corev1.Pod, containers corev1.PodCondition) corev1.PodCondition {
	ready := containers
	ready.Type = corev1.PodReady
	if containers.Status != corev1.ConditionTrue {
		return ready
	}
	for _, gate := range pod.Spec.ReadinessGates {
		i := slices.IndexFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool { return c.Type == gate.ConditionType })
		if i < 0 || pod.Status.Conditions[i].Status != corev1.ConditionTrue {
			return corev1.PodCondition{Type: corev1.PodReady, Status: corev1.ConditionFalse, Reason: "ReadinessGatesNotReady",
				Message: fmt.Sprintf("the status of pod readiness gate %q is not True", gate.ConditionType)}
		}
	}
	return ready
}

func setCondition(list []corev1.PodCondition, c corev1.PodCondition, now metav1.Time) []corev1.PodCondition {
	c.LastTransitionTime = now
	i := slices.IndexFunc(list, func(have corev1.PodCondition) bool { return have.Type == c.Type })
	if i < 0 {
		return append(list, c)
	}
	if list[i].Status == c.Status {
		c.LastTransitionTime = list[i].LastTransitionTime
	}
	list[i] = c
	return list
}
