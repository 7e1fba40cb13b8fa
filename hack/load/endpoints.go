package load

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
)

// Source says where the addresses of a Service's pods come from.
type Source int

const (
	// Slices are EndpointSlices: what kube-proxy reads.
	Slices Source = iota
	// Pods are the ready pods that the Service selects: for a cluster whose
	// pod addresses EndpointSlices do not accept (127.0.0.0/8).
	Pods
)

// Endpoints is the changing set of addresses behind one port of a Service.
type Endpoints struct {
	mu    sync.RWMutex
	addrs []string // IP:PORT, sorted
	next  atomic.Uint64
}

// syncTimeout bounds the wait for the first list.
const syncTimeout = 30 * time.Second

// Watch follows the endpoints of a Service's port (by name; "" is the name of
// an unnamed port) until ctx ends. It returns once the first list is there;
// the list may be empty.
func Watch(ctx context.Context, client kubernetes.Interface, namespace, service, port string, from Source) (*Endpoints, error) {
	e := &Endpoints{}
	var inf cache.SharedIndexInformer
	var addresses func(objects []any) []string
	selector := discoveryv1.LabelServiceName + "=" + service
	if from == Pods {
		svc, err := client.CoreV1().Services(namespace).Get(ctx, service, metav1.GetOptions{})
		if err != nil {
			return nil, fmt.Errorf("service %s/%s: %w", namespace, service, err)
		}
		target, err := servicePort(svc, port)
		if err != nil {
			return nil, err
		}
		selector = labels.SelectorFromSet(svc.Spec.Selector).String()
		addresses = func(objects []any) []string { return podAddresses(typed[*corev1.Pod](objects), target) }
	} else {
		addresses = func(objects []any) []string {
			return sliceAddresses(typed[*discoveryv1.EndpointSlice](objects), port)
		}
	}
	factory := informers.NewSharedInformerFactoryWithOptions(client, 0, informers.WithNamespace(namespace),
		informers.WithTweakListOptions(func(o *metav1.ListOptions) { o.LabelSelector = selector }))
	if from == Pods {
		inf = factory.Core().V1().Pods().Informer()
	} else {
		inf = factory.Discovery().V1().EndpointSlices().Informer()
	}
	update := func() { e.set(addresses(inf.GetStore().List())) }
	handle, err := inf.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(any) { update() },
		UpdateFunc: func(any, any) { update() },
		DeleteFunc: func(any) { update() },
	})
	if err != nil {
		return nil, err
	}
	running, stop := context.WithCancel(ctx)
	go inf.RunWithContext(running)
	first, cancel := context.WithTimeout(ctx, syncTimeout)
	defer cancel()
	if !cache.WaitForCacheSync(first.Done(), handle.HasSynced) {
		stop()
		return nil, fmt.Errorf("endpoints of service %s/%s: no list from the API server: %w", namespace, service, first.Err())
	}
	context.AfterFunc(ctx, stop)
	return e, nil
}

func typed[T any](objects []any) []T {
	out := make([]T, 0, len(objects))
	for _, o := range objects {
		if t, ok := o.(T); ok {
			out = append(out, t)
		}
	}
	return out
}

func (e *Endpoints) set(addrs []string) {
	slices.Sort(addrs)
	e.mu.Lock()
	defer e.mu.Unlock()
	e.addrs = slices.Compact(addrs)
}

// Addresses returns the current addresses, sorted.
func (e *Endpoints) Addresses() []string {
	e.mu.RLock()
	defer e.mu.RUnlock()
	return slices.Clone(e.addrs)
}

// Pick returns the addresses in turn; false if there is none.
func (e *Endpoints) Pick() (string, bool) {
	e.mu.RLock()
	defer e.mu.RUnlock()
	if len(e.addrs) == 0 {
		return "", false
	}
	return e.addrs[(e.next.Add(1)-1)%uint64(len(e.addrs))], true
}

// sliceAddresses returns the ready endpoints, or, as kube-proxy does, those
// that are terminating but still serve if no other is left.
func sliceAddresses(all []*discoveryv1.EndpointSlice, port string) []string {
	var ready, serving []string
	for _, s := range all {
		number := int32(0)
		for _, p := range s.Ports {
			if p.Name != nil && *p.Name == port && p.Port != nil {
				number = *p.Port
			}
		}
		if number == 0 {
			continue
		}
		for _, ep := range s.Endpoints {
			c := ep.Conditions
			for _, ip := range ep.Addresses {
				addr := net.JoinHostPort(ip, strconv.Itoa(int(number)))
				switch {
				case c.Ready == nil || *c.Ready: // unset means ready
					ready = append(ready, addr)
				case c.Serving != nil && *c.Serving && c.Terminating != nil && *c.Terminating:
					serving = append(serving, addr)
				}
			}
		}
	}
	if len(ready) > 0 {
		return ready
	}
	return serving
}
