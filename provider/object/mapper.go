package object

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/restmapper"
	"k8s.io/klog/v2"
)

// Mapper is a REST mapper that follows the cluster: it is renewed at an interval
// and soon after it was asked for a resource it does not know, so that a new CRD
// needs no restart. A lookup never waits for the API server.
type Mapper struct {
	discovery discovery.DiscoveryInterface
	interval  time.Duration
	gap       time.Duration // at least this long between renewals

	current atomic.Pointer[mapping]
	missed  chan struct{}
	filled  chan struct{} // closed after the first success
	once    sync.Once
}

type mapping struct {
	meta.RESTMapper
	// Answers for group and resource; the mapper underneath walks lists for
	// each, which is slow for something asked at every read.
	resources sync.Map // schema.GroupVersionResource → schema.GroupVersionResource
	kinds     sync.Map // schema.GroupVersionResource → schema.GroupVersionKind
}

// NewMapper returns a mapper that knows nothing until Run or Refresh.
func NewMapper(d discovery.DiscoveryInterface, interval time.Duration) *Mapper {
	m := &Mapper{discovery: d, interval: interval, gap: min(interval, 5*time.Second), missed: make(chan struct{}, 1), filled: make(chan struct{})}
	m.current.Store(&mapping{RESTMapper: meta.MultiRESTMapper{}})
	return m
}

// Refresh reads the API server's discovery once. Groups that cannot be read,
// such as those of an aggregated server that is away, are left out.
func (m *Mapper) Refresh() error {
	groups, err := restmapper.GetAPIGroupResources(m.discovery)
	if err != nil {
		return err
	}
	if len(groups) == 0 {
		return errors.New("the API server's discovery is empty")
	}
	m.current.Store(&mapping{RESTMapper: restmapper.NewDiscoveryRESTMapper(groups)})
	m.once.Do(func() { close(m.filled) })
	return nil
}

// Filled is closed when the mapper knows the cluster's resources.
func (m *Mapper) Filled() <-chan struct{} { return m.filled }

// Run renews the mapping until ctx ends.
func (m *Mapper) Run(ctx context.Context) {
	for {
		wait := m.interval
		if err := m.Refresh(); err != nil {
			klog.FromContext(ctx).Error(err, "Cannot read API discovery; keeping what is known")
			wait = m.gap
		}
		timer := time.NewTimer(wait)
		floor := time.After(m.gap)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		case <-m.missed:
			timer.Stop()
			select {
			case <-floor:
			case <-ctx.Done():
				return
			}
		}
	}
}

// ResourceFor resolves a partial resource, singular or plural.
func (m *Mapper) ResourceFor(in schema.GroupVersionResource) (schema.GroupVersionResource, error) {
	c := m.current.Load()
	if v, ok := c.resources.Load(in); ok {
		return v.(schema.GroupVersionResource), nil
	}
	out, err := c.RESTMapper.ResourceFor(in)
	if err != nil {
		m.miss(err)
		return out, err
	}
	// Readers choose the spelling, and any mix of cases resolves: only one of them
	// is worth remembering.
	if in.Resource == strings.ToLower(in.Resource) {
		c.resources.Store(in, out)
	}
	return out, nil
}

// KindFor returns the kind of a resource.
func (m *Mapper) KindFor(in schema.GroupVersionResource) (schema.GroupVersionKind, error) {
	c := m.current.Load()
	if v, ok := c.kinds.Load(in); ok {
		return v.(schema.GroupVersionKind), nil
	}
	out, err := c.RESTMapper.KindFor(in)
	if err != nil {
		m.miss(err)
		return out, err
	}
	c.kinds.Store(in, out)
	return out, nil
}

// RESTMapping resolves a kind to its resource and scope.
func (m *Mapper) RESTMapping(gk schema.GroupKind, versions ...string) (*meta.RESTMapping, error) {
	out, err := m.current.Load().RESTMapping(gk, versions...)
	m.miss(err)
	return out, err
}

// Namespaced says whether objects of gr live in namespaces.
func (m *Mapper) Namespaced(gr schema.GroupResource) (bool, error) {
	gvk, err := m.KindFor(gr.WithVersion(""))
	if err != nil {
		return false, err
	}
	mapping, err := m.RESTMapping(gvk.GroupKind(), gvk.Version)
	if err != nil {
		return false, err
	}
	return mapping.Scope.Name() == meta.RESTScopeNameNamespace, nil
}

// ResourceSingularizer returns the singular of a plural resource.
func (m *Mapper) ResourceSingularizer(resource string) (string, error) {
	return m.current.Load().ResourceSingularizer(resource)
}

// miss asks for a renewal, without waiting, where err says "no match".
func (m *Mapper) miss(err error) {
	if meta.IsNoMatchError(err) {
		select {
		case m.missed <- struct{}{}:
		default:
		}
	}
}
