package target

import (
	"net/netip"
	"slices"

	corev1 "k8s.io/api/core/v1"
)

// Pod is what scraping needs to know of a pod.
type Pod struct {
	Namespace, Name, UID string
	Labels               map[string]string
	Annotations          map[string]string // those of annotations only
	Node                 string
	// IPs are status.podIPs, and HostIPs those of its node; none before they are known.
	IPs, HostIPs []netip.Addr
	HostNetwork  bool
	// Running: it has begun, has not ended, and is not told to.
	Running bool
	// Ports are those of TCP that its containers declare.
	Ports []Port
}

// Port is one that a container declares.
type Port struct {
	Name   string
	Number uint16
}

// FromPod takes what is needed of a pod, of which it keeps no part but the labels.
func FromPod(p *corev1.Pod) Pod {
	out := Pod{
		Namespace: p.Namespace, Name: p.Name, UID: string(p.UID), Labels: p.Labels, Node: p.Spec.NodeName,
		HostNetwork: p.Spec.HostNetwork,
		Running:     p.Status.Phase == corev1.PodRunning && p.DeletionTimestamp == nil,
	}
	for _, name := range annotations() {
		if value, ok := p.Annotations[name]; ok {
			if out.Annotations == nil {
				out.Annotations = map[string]string{}
			}
			out.Annotations[name] = value
		}
	}
	out.IPs = appendAddress(out.IPs, p.Status.PodIP)
	for _, ip := range p.Status.PodIPs {
		out.IPs = appendAddress(out.IPs, ip.IP)
	}
	out.HostIPs = appendAddress(out.HostIPs, p.Status.HostIP)
	for _, ip := range p.Status.HostIPs {
		out.HostIPs = appendAddress(out.HostIPs, ip.IP)
	}
	// Sidecars are init containers that go on; of the others nobody listens any more.
	for _, c := range slices.Concat(p.Spec.InitContainers, p.Spec.Containers) {
		for _, port := range c.Ports {
			if (port.Protocol == corev1.ProtocolTCP || port.Protocol == "") && port.ContainerPort > 0 && port.ContainerPort <= 65535 {
				out.Ports = append(out.Ports, Port{Name: port.Name, Number: uint16(port.ContainerPort)})
			}
		}
	}
	return out
}

// appendAddress appends an IP address, if it is one and not there yet.
func appendAddress(to []netip.Addr, text string) []netip.Addr {
	a, err := netip.ParseAddr(text)
	if err != nil || slices.Contains(to, a.Unmap()) {
		return to
	}
	return append(to, a.Unmap())
}

func (p *Pod) named(name string) (ports []uint16) {
	for _, port := range p.Ports {
		if port.Name == name && !slices.Contains(ports, port.Number) {
			ports = append(ports, port.Number)
		}
	}
	return ports
}
