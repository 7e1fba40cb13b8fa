package node

import (
	"net"
	"slices"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
)

// sliceBackends returns the addresses behind a port of a service: the ready
// ones, or, if there is none, those that still serve while they terminate, as
// kube-proxy has it. The list is sorted and without repetition.
func sliceBackends(slicesOf []*discoveryv1.EndpointSlice, portName string) []string {
	var ready, leaving []string
	for _, s := range slicesOf {
		if s.AddressType != discoveryv1.AddressTypeIPv4 {
			continue
		}
		port := slicePort(s, portName)
		if port == "" {
			continue
		}
		for _, e := range s.Endpoints {
			if len(e.Addresses) == 0 {
				continue
			}
			addr := net.JoinHostPort(e.Addresses[0], port)
			c := e.Conditions
			switch {
			case c.Ready == nil || *c.Ready:
				ready = append(ready, addr)
			case c.Serving != nil && *c.Serving && c.Terminating != nil && *c.Terminating:
				leaving = append(leaving, addr)
			}
		}
	}
	if len(ready) == 0 {
		ready = leaving
	}
	slices.Sort(ready)
	return slices.Compact(ready)
}

func slicePort(s *discoveryv1.EndpointSlice, name string) string {
	for _, p := range s.Ports {
		tcp := p.Protocol == nil || *p.Protocol == corev1.ProtocolTCP
		same := p.Name == nil && name == "" || p.Name != nil && *p.Name == name
		if tcp && same && p.Port != nil {
			return strconv.Itoa(int(*p.Port))
		}
	}
	return ""
}

// podBackends does the same from pods, for a machine where EndpointSlices
// refuse the pods' addresses. As there, a terminating pod counts as serving while
// its readiness probe succeeds.
func podBackends(pods []*corev1.Pod, port corev1.ServicePort) []string {
	var ready, leaving []string
	for _, pod := range pods {
		number := targetPort(pod, port)
		if number == 0 || pod.Status.PodIP == "" || !isReady(pod) {
			continue
		}
		addr := net.JoinHostPort(pod.Status.PodIP, strconv.Itoa(number))
		if pod.DeletionTimestamp == nil {
			ready = append(ready, addr)
		} else {
			leaving = append(leaving, addr)
		}
	}
	if len(ready) == 0 {
		ready = leaving
	}
	slices.Sort(ready)
	return ready
}

func targetPort(pod *corev1.Pod, port corev1.ServicePort) int {
	if name := port.TargetPort.StrVal; name != "" {
		for _, c := range pod.Spec.Containers {
			for _, p := range c.Ports {
				if p.Name == name {
					return int(p.ContainerPort)
				}
			}
		}
		return 0
	}
	if n := port.TargetPort.IntValue(); n != 0 {
		return n
	}
	return int(port.Port)
}

func isReady(pod *corev1.Pod) bool {
	return slices.ContainsFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
	})
}
