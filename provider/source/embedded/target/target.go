package target

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/loadline/loadline/provider/endpoint"
)

// Target is one place to scrape.
type Target struct {
	// Namespace, Pod and Node are the labels that all its series get, whatever it says.
	Namespace, Pod, Node string
	// UID is that of the pod, for Events. It is not part of what tells targets apart.
	UID          string
	Address      netip.AddrPort
	Scheme, Path string
	// Exporter is the name of the administrator's exporter that it is; empty for a pod that
	// speaks for itself.
	Exporter string
	// Honor keeps the labels that it exports, where they are those of discovery as well. Only
	// an exporter may have that.
	Honor bool
}

// ID tells targets apart, and is what they are called in messages.
func (t Target) ID() string {
	return fmt.Sprintf("%s/%s %s://%s%s", t.Namespace, t.Pod, t.Scheme, t.Address, t.Path)
}

// PodOf is the pod of a target by its ID.
func PodOf(id string) (namespace, pod string) {
	of, _, _ := strings.Cut(id, " ") // neither name has one, or a slash
	namespace, pod, _ = strings.Cut(of, "/")
	return namespace, pod
}

// AddressOf is the address and port of a target by its ID. The path behind it is what the pod
// says.
func AddressOf(id string) string {
	_, text, _ := strings.Cut(id, " ")
	if u, err := url.Parse(text); err == nil {
		return u.Host
	}
	return ""
}

// Refusal is a pod that is wanted, or a part of an exporter, and that is not scraped.
type Refusal struct {
	Namespace, Pod string
	Exporter       string // empty for a pod that speaks for itself
	Reason         string
}

// News are the refusals that were not there before. Of pods that HPAs scale and that have no
// metrics there may be thousands, and they are looked through with each change of a pod.
func News(before, now []Refusal) (news []Refusal) {
	known := make(map[Refusal]bool, len(before))
	for _, r := range before {
		known[r] = true
	}
	for _, r := range now {
		if !known[r] {
			news = append(news, r)
		}
	}
	return news
}

// Input is all that decides what is scraped.
type Input struct {
	Pods []Pod
	// Wanted choose the pods that speak for themselves.
	Wanted []Selection
	// Exporters are the administrator's.
	Exporters []endpoint.Exporter
	// Endpoints are those of the Services that Exporters name.
	Endpoints []Endpoint
	Fence     Fence
}

// List returns what is scraped, by ID, and what is not although it is wanted. A pod that is
// wanted by several is scraped once; one that is an exporter is not scraped for itself on
// the same port and path as well, for its series would count twice.
func List(in Input) ([]Target, []Refusal) {
	l := lister{Input: in, targets: map[string]Target{}}
	for _, e := range in.Exporters {
		l.exporter(e)
	}
	wanted := index(in.Wanted)
	for i := range in.Pods {
		if pod := &in.Pods[i]; wanted.has(pod) {
			l.pod(pod)
		}
	}
	targets := make([]Target, 0, len(l.targets))
	for _, id := range slices.Sorted(maps.Keys(l.targets)) {
		targets = append(targets, l.targets[id])
	}
	slices.SortFunc(l.refused, func(a, b Refusal) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Pod, b.Pod), cmp.Compare(a.Exporter, b.Exporter), cmp.Compare(a.Reason, b.Reason))
	})
	return targets, slices.Compact(l.refused)
}

type lister struct {
	Input
	targets map[string]Target // by ID; of exporters, which come first, and pods alike
	refused []Refusal
}

func (l *lister) refuse(p *Pod, exporter, format string, args ...any) {
	l.refused = append(l.refused, Refusal{Namespace: p.Namespace, Pod: p.Name, Exporter: exporter, Reason: fmt.Sprintf(format, args...)})
}

// add adds a target, and says which one is it already; nil if none is.
func (l *lister) add(t Target) (already *Target) {
	id := t.ID()
	if before, known := l.targets[id]; known {
		return &before
	}
	l.targets[id] = t
	return nil
}

// pod adds a pod that speaks for itself.
func (l *lister) pod(p *Pod) {
	if !p.Running { // no news: it will be, or was
		return
	}
	says, err := parseAnnotations(p.Annotations)
	if err != nil {
		l.refuse(p, "", "%s", err)
		return
	}
	if says.declines() {
		l.refuse(p, "", "its annotation %s is false", AnnotationScrape)
		return
	}
	ports, why := says.ports(p)
	if why != "" {
		l.refuse(p, "", "%s", why)
		return
	}
	ip, err := l.reachable(p)
	if err != nil {
		l.refuse(p, "", "%s", err)
		return
	}
	for _, port := range ports {
		l.add(Target{Namespace: p.Namespace, Pod: p.Name, Node: p.Node, UID: p.UID, Address: netip.AddrPortFrom(ip, port), Scheme: says.scheme, Path: says.path})
	}
}

// ports are those of a pod that have its metrics, or why there are none.
func (s said) ports(p *Pod) (ports []uint16, why string) {
	if s.port != 0 {
		return []uint16{s.port}, ""
	}
	if ports := p.named(endpoint.PortName); len(ports) > 0 {
		return ports, ""
	}
	switch {
	case s.scrape == nil:
		return nil, fmt.Sprintf("it has neither the annotation %s: \"true\" nor a container port of the name %q", AnnotationScrape, endpoint.PortName)
	case len(p.Ports) == 1:
		return []uint16{p.Ports[0].Number}, ""
	case len(p.Ports) == 0:
		return nil, fmt.Sprintf("it declares no port: give it the annotation %s", AnnotationPort)
	}
	return nil, fmt.Sprintf("it has several ports, and none of the name %q: give it the annotation %s", endpoint.PortName, AnnotationPort)
}

// reachable is the address of a pod, or why it has none that may be reached.
func (l *lister) reachable(p *Pod) (netip.Addr, error) {
	switch {
	case len(p.IPs) == 0:
		return netip.Addr{}, fmt.Errorf("it has no address yet")
	case p.Node == "":
		// Its label would be missing, and the pod could say what it likes there.
		return netip.Addr{}, fmt.Errorf("it is on no node")
	case p.HostNetwork && !l.Fence.HostNetwork:
		return netip.Addr{}, fmt.Errorf("it has the network of its node (hostNetwork), where more listens than it: allow that for such pods to be scraped")
	}
	ip := p.IPs[0]
	fence := l.Fence
	if !p.HostNetwork {
		// What says of itself that it is a pod of its own has no node's address.
		fence.HostNetwork = false
		if slices.Contains(p.HostIPs, ip) && !(ip.IsLoopback() && fence.Loopback) {
			return netip.Addr{}, fmt.Errorf("%s is the address of its node, and it does not have the node's network", ip)
		}
	}
	return ip, fence.Check(ip)
}
