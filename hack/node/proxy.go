package node

import (
	"context"
	"log/slog"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"sync"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/labels"
	corelisters "k8s.io/client-go/listers/core/v1"
	discoverylisters "k8s.io/client-go/listers/discovery/v1"
)

// proxy answers TCP ports of services on this machine, as kube-proxy does with
// rules of the kernel: on their cluster IPs if those are local, else on free
// ports of 127.0.0.1. Session affinity and UDP are not served.
type proxy struct {
	isolated bool
	api      endpoint
	cidr     netip.Prefix
	log      *slog.Logger
	changed  chan struct{}

	services corelisters.ServiceLister
	slices   discoverylisters.EndpointSliceLister
	pods     corelisters.PodLister

	mu    sync.Mutex
	ports map[servicePort]*forwarder
	ended bool
}

// servicePort names a port of a service; a service that is made again under
// another cluster IP is another one.
type servicePort struct {
	Namespace, Service, Port string
	Number                   int32
	IP                       string
}

func newProxy(opts Options, api endpoint) *proxy {
	return &proxy{
		isolated: opts.Isolated, api: api, cidr: opts.ServiceCIDR, log: opts.Log,
		changed: make(chan struct{}, 1), ports: map[servicePort]*forwarder{},
	}
}

// run keeps one listener for each service port until ctx ends, and closes all
// listeners and connections then.
func (p *proxy) run(ctx context.Context) {
	poke(p.changed)
	for {
		select {
		case <-ctx.Done():
			p.mu.Lock()
			p.ended = true
			old := slices.Collect(maps.Values(p.ports))
			clear(p.ports)
			p.mu.Unlock()
			for _, f := range old {
				f.stop()
			}
			return
		case <-p.changed:
			p.reconcile()
		}
	}
}

func (p *proxy) reconcile() {
	list, err := p.services.List(labels.Everything())
	if err != nil {
		p.log.Warn("services are not listed", "err", err)
		return
	}
	want := map[servicePort]bool{}
	for _, svc := range list {
		for _, port := range svc.Spec.Ports {
			if key, ok := p.key(svc, port); ok {
				want[key] = true
				p.open(key, port)
			}
		}
	}
	p.mu.Lock()
	var old []*forwarder
	for key, f := range p.ports {
		if !want[key] {
			old = append(old, f)
			delete(p.ports, key)
		}
	}
	p.mu.Unlock()
	for _, f := range old {
		f.stop()
	}
}

// key reports false for what is not forwarded.
func (p *proxy) key(svc *corev1.Service, port corev1.ServicePort) (servicePort, bool) {
	if !hasClusterIP(svc) || port.Protocol != "" && port.Protocol != corev1.ProtocolTCP {
		return servicePort{}, false
	}
	ip, err := netip.ParseAddr(svc.Spec.ClusterIP)
	if err != nil || !p.cidr.Contains(ip) {
		return servicePort{}, false
	}
	return servicePort{svc.Namespace, svc.Name, port.Name, port.Port, svc.Spec.ClusterIP}, true
}

// open returns the forwarder of a port, made if there is none yet; nil if that
// is impossible.
func (p *proxy) open(key servicePort, port corev1.ServicePort) *forwarder {
	p.mu.Lock()
	defer p.mu.Unlock()
	if f, ok := p.ports[key]; ok || p.ended {
		return f
	}
	at := "127.0.0.1:0"
	if p.isolated {
		at = net.JoinHostPort(key.IP, strconv.Itoa(int(key.Number)))
	}
	f, err := forward(at, func() []string { return p.backends(key, port) }, p.log)
	if err != nil {
		p.log.Warn("service port is not answered", "service", key.Namespace+"/"+key.Service, "port", key.Number, "err", err)
		return nil
	}
	p.ports[key] = f
	return f
}

// address says where processes of this node reach a service port.
func (p *proxy) address(svc *corev1.Service, port corev1.ServicePort) (string, int32, bool) {
	if p.isolated {
		return svc.Spec.ClusterIP, port.Port, true
	}
	key, ok := p.key(svc, port)
	if !ok {
		return "", 0, false
	}
	f := p.open(key, port)
	if f == nil {
		return "", 0, false
	}
	addr, ok := f.listener.Addr().(*net.TCPAddr)
	if !ok {
		return "", 0, false
	}
	return addr.IP.String(), int32(addr.Port), true
}

// backends looks up where a connection may go now.
func (p *proxy) backends(key servicePort, port corev1.ServicePort) []string {
	if key.Namespace == "default" && key.Service == "kubernetes" {
		return []string{net.JoinHostPort(p.api.Host, p.api.Port)}
	}
	if !p.isolated {
		svc, err := p.services.Services(key.Namespace).Get(key.Service)
		if err != nil || len(svc.Spec.Selector) == 0 {
			return nil
		}
		pods, err := p.pods.Pods(key.Namespace).List(labels.SelectorFromSet(svc.Spec.Selector))
		if err != nil {
			return nil
		}
		return podBackends(pods, port)
	}
	of := labels.SelectorFromSet(labels.Set{discoveryv1.LabelServiceName: key.Service})
	list, err := p.slices.EndpointSlices(key.Namespace).List(of)
	if err != nil {
		return nil
	}
	return sliceBackends(list, key.Port)
}
