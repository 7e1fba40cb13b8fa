package target

import (
	"fmt"
	"net/netip"
	"slices"

	"k8s.io/apimachinery/pkg/labels"

	"github.com/loadline/loadline/provider/endpoint"
)

// Endpoint is one address of a Service, of an EndpointSlice. Whoever may write those can
// name any address and any pod, so neither is believed: it counts if there is such a pod, it
// runs, and the address is its own.
type Endpoint struct {
	Namespace, Service string
	Pod, UID           string // of targetRef; empty if that is no pod
	Address            netip.Addr
}

// exporter adds the pods of an exporter.
func (l *lister) exporter(e endpoint.Exporter) {
	found := false
	for i := range l.Pods {
		p := &l.Pods[i]
		if p.Namespace != e.Namespace || !l.speaksFor(&e, p) {
			continue
		}
		found = true
		if !p.Running {
			continue
		}
		if says, err := parseAnnotations(p.Annotations); err == nil && says.declines() {
			l.refuse(p, e.Name, "its annotation %s is false", AnnotationScrape)
			continue
		}
		ports := []uint16{e.Port}
		if e.Port == 0 {
			if ports = p.named(e.PortName); len(ports) == 0 {
				l.refuse(p, e.Name, "it has no container port of the name %q", e.PortName)
				continue
			}
		}
		ip, err := l.reachable(p)
		if err != nil {
			l.refuse(p, e.Name, "%s", err)
			continue
		}
		for _, port := range ports {
			already := l.add(Target{
				Namespace: p.Namespace, Pod: p.Name, Node: p.Node, UID: p.UID, Address: netip.AddrPortFrom(ip, port), Scheme: e.Scheme, Path: e.Path,
				Exporter: e.Name, Honor: e.HonorLabels,
			})
			if already != nil {
				l.refuse(p, e.Name, "port %d and path %s of it are those of the exporter %s already", port, e.Path, already.Exporter)
			}
		}
	}
	if !found {
		l.refused = append(l.refused, Refusal{Namespace: e.Namespace, Exporter: e.Name, Reason: nobody(&e)})
	}
}

// nobody is why an exporter has no pod.
func nobody(e *endpoint.Exporter) string {
	if e.Service != "" {
		return "no running pod is a ready endpoint of the Service " + e.Service
	}
	return fmt.Sprintf("no running pod has the labels %s", e.Pods)
}

// speaksFor says whether a pod is one of an exporter's.
func (l *lister) speaksFor(e *endpoint.Exporter, p *Pod) bool {
	if e.Service == "" {
		return e.Pods != nil && !e.Pods.Empty() && e.Pods.Matches(labels.Set(p.Labels))
	}
	return slices.ContainsFunc(l.Endpoints, func(at Endpoint) bool {
		return at.Namespace == e.Namespace && at.Service == e.Service && at.Pod == p.Name && (at.UID == "" || at.UID == p.UID) &&
			slices.Contains(p.IPs, at.Address.Unmap())
	})
}
