package target

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"

	"k8s.io/apimachinery/pkg/labels"
)

// Exporter is a program that speaks for others, such as that of a queue, as the administrator
// lists it: what it exports is believed.
type Exporter struct {
	Name      string
	Namespace string
	// Pods or Service says which pods it is. Of a Service these are the ready endpoints that
	// are pods.
	Pods    labels.Selector
	Service string
	// Port is the name or the number of a port of the pods; "metrics" if it is empty. Path
	// and Scheme are as in a pod's annotations.
	Port, Path, Scheme string
	// HonorLabels keeps the labels that it exports, namespace and pod among them.
	HonorLabels bool
}

// Validate says what is wrong with an exporter; nil if nothing is.
func (e *Exporter) Validate() error {
	_, _, _, err := e.compile()
	switch {
	case e.Name == "":
		return fmt.Errorf("an exporter has no name")
	case e.Namespace == "":
		return fmt.Errorf("exporter %s: namespace is missing", e.Name)
	case (e.Pods == nil || e.Pods.Empty()) == (e.Service == ""):
		return fmt.Errorf("exporter %s: give either a selector of pods or a service", e.Name)
	case err != nil:
		return fmt.Errorf("exporter %s: %w", e.Name, err)
	}
	return nil
}

// compile reads port, path and scheme. A port is a number, or else a name.
func (e *Exporter) compile() (number uint16, path, scheme string, err error) {
	if _, isNumber := strconv.Atoi(e.Port); isNumber == nil {
		if number, err = parsePort(e.Port); err != nil {
			return 0, "", "", fmt.Errorf("port %s is no number from 1 to 65535", clip(e.Port))
		}
	}
	if path, err = parsePath(e.Path); err != nil {
		return 0, "", "", fmt.Errorf("path %s %w", clip(e.Path), err)
	}
	if scheme, err = parseScheme(e.Scheme); err != nil {
		return 0, "", "", fmt.Errorf("scheme %s %w", clip(e.Scheme), err)
	}
	return number, path, scheme, nil
}

// Endpoint is one address of a Service, of an EndpointSlice. Whoever may write those can
// name any address and any pod, so neither is believed: it counts if there is such a pod, it
// runs, and the address is its own.
type Endpoint struct {
	Namespace, Service string
	Pod, UID           string // of targetRef; empty if that is no pod
	Address            netip.Addr
}

// exporter adds the pods of an exporter.
func (l *lister) exporter(e Exporter) {
	number, path, scheme, err := e.compile()
	if err != nil {
		l.refused = append(l.refused, Refusal{Namespace: e.Namespace, Exporter: e.Name, Reason: err.Error()})
		return
	}
	name := e.Port
	if name == "" {
		name = PortName
	}
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
		ports := []uint16{number}
		if number == 0 {
			if ports = p.named(name); len(ports) == 0 {
				l.refuse(p, e.Name, "it has no container port of the name %s", clip(name))
				continue
			}
		}
		ip, err := l.reachable(p)
		if err != nil {
			l.refuse(p, e.Name, "%s", err)
			continue
		}
		for _, port := range ports {
			l.add(Target{
				Namespace: p.Namespace, Pod: p.Name, Node: p.Node, UID: p.UID, Address: netip.AddrPortFrom(ip, port), Scheme: scheme, Path: path,
				Exporter: e.Name, Honor: e.HonorLabels,
			})
		}
	}
	if !found {
		l.refused = append(l.refused, Refusal{Namespace: e.Namespace, Exporter: e.Name, Reason: "no pod is chosen by it"})
	}
}

// speaksFor says whether a pod is one of an exporter's.
func (l *lister) speaksFor(e *Exporter, p *Pod) bool {
	if e.Service == "" {
		return e.Pods != nil && !e.Pods.Empty() && e.Pods.Matches(labels.Set(p.Labels))
	}
	return slices.ContainsFunc(l.Endpoints, func(at Endpoint) bool {
		return at.Namespace == e.Namespace && at.Service == e.Service && at.Pod == p.Name && (at.UID == "" || at.UID == p.UID) &&
			slices.Contains(p.IPs, at.Address.Unmap())
	})
}
