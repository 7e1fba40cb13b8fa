package node

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// unsupported returns the fields of a pod that a process node would have to
// ignore although they change what the pod does.
func unsupported(pod *corev1.Pod) []string {
	var found []string
	say := func(format string, args ...any) { found = append(found, fmt.Sprintf(format, args...)) }
	for i, vol := range pod.Spec.Volumes {
		src := vol.VolumeSource
		if src.EmptyDir == nil && src.ConfigMap == nil && src.Secret == nil && src.Projected == nil &&
			src.DownwardAPI == nil && src.PersistentVolumeClaim == nil {
			say("spec.volumes[%d]: this kind of volume", i)
		}
	}
	for i, c := range pod.Spec.InitContainers {
		at := fmt.Sprintf("spec.initContainers[%d]", i)
		if c.RestartPolicy != nil {
			say("%s.restartPolicy (sidecars)", at)
		}
		unsupportedContainer(at, c, say)
	}
	for i, c := range pod.Spec.Containers {
		at := fmt.Sprintf("spec.containers[%d]", i)
		if c.RestartPolicy != nil || len(c.RestartPolicyRules) > 0 {
			say("%s.restartPolicy", at)
		}
		unsupportedContainer(at, c, say)
	}
	return found
}

func unsupportedContainer(at string, c corev1.Container, say func(string, ...any)) {
	if len(c.VolumeDevices) > 0 {
		say("%s.volumeDevices", at)
	}
	for i, vm := range c.VolumeMounts {
		if vm.SubPathExpr != "" {
			say("%s.volumeMounts[%d].subPathExpr", at, i)
		}
	}
	for name, probe := range map[string]*corev1.Probe{
		"startupProbe": c.StartupProbe, "readinessProbe": c.ReadinessProbe, "livenessProbe": c.LivenessProbe,
	} {
		if probe != nil && probe.GRPC != nil {
			say("%s.%s.grpc", at, name)
		}
		if probe != nil && (probe.HTTPGet != nil && probe.HTTPGet.Host != "" || probe.TCPSocket != nil && probe.TCPSocket.Host != "") {
			say("%s.%s: a host other than the pod's IP", at, name)
		}
	}
	if c.Lifecycle == nil {
		return
	}
	if c.Lifecycle.PostStart != nil {
		say("%s.lifecycle.postStart", at)
	}
	if pre := c.Lifecycle.PreStop; pre != nil && (pre.TCPSocket != nil || pre.HTTPGet != nil && pre.HTTPGet.Host != "") {
		say("%s.lifecycle.preStop: only exec, sleep and httpGet to the pod's own IP", at)
	}
}

// refuse is nil for a pod that can run here.
func refuse(pod *corev1.Pod) error {
	found := unsupported(pod)
	if len(found) == 0 {
		return nil
	}
	return &waiting{Reason: "CreateContainerConfigError",
		Message: "a process node does not support: " + strings.Join(found, "; ")}
}
