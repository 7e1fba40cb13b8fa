package load

import (
	"fmt"
	"net"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// servicePort returns the target of the Service's port of that name.
func servicePort(svc *corev1.Service, name string) (intstr.IntOrString, error) {
	if len(svc.Spec.Selector) == 0 {
		return intstr.IntOrString{}, fmt.Errorf("service %s/%s: has no selector, so it has no pods", svc.Namespace, svc.Name)
	}
	for _, p := range svc.Spec.Ports {
		if p.Name != name {
			continue
		}
		if p.TargetPort.Type == intstr.Int && p.TargetPort.IntVal == 0 {
			return intstr.FromInt32(p.Port), nil // the default
		}
		return p.TargetPort, nil
	}
	return intstr.IntOrString{}, fmt.Errorf("service %s/%s: no port is named %q", svc.Namespace, svc.Name, name)
}

// podAddresses returns the addresses of pods that run, are ready and are not
// about to end.
func podAddresses(pods []*corev1.Pod, target intstr.IntOrString) []string {
	var out []string
	for _, p := range pods {
		if p.DeletionTimestamp != nil || p.Status.Phase != corev1.PodRunning || p.Status.PodIP == "" || !ready(p) {
			continue
		}
		if port, ok := containerPort(p, target); ok {
			out = append(out, net.JoinHostPort(p.Status.PodIP, strconv.Itoa(int(port))))
		}
	}
	return out
}

func ready(p *corev1.Pod) bool {
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}

func containerPort(p *corev1.Pod, target intstr.IntOrString) (int32, bool) {
	if target.Type == intstr.Int {
		return target.IntVal, true
	}
	for _, c := range p.Spec.Containers {
		for _, cp := range c.Ports {
			if cp.Name == target.StrVal {
				return cp.ContainerPort, true
			}
		}
	}
	return 0, false
}
