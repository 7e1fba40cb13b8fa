package object

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/restmapper"
	"k8s.io/klog/v2"

	"github.com/loadline/loadline/provider/metric"
)

// Mapper is a REST mapper that follows the cluster: it is renewed at an interval
// and soon after it was asked for a resource it does not know, so that a new CRD
// needs no restart. A lookup never waits for the API server; before the first
// discovery it gives a *metric.Error with reason ObjectsUnknown, and afterwards
// what does not exist gives a meta.NoMatch error.
type Mapper struct {
	discovery discovery.DiscoveryInterface
	interval  time.Duration
	gap       time.Duration // at least this long between renewals

	current atomic.Pointer[mapping] // nil before the first success
	trouble atomic.Pointer[error]   // why the newest renewal failed
	unknown *unknown
	missed  chan struct{}
	changed chan struct{}
	filled  chan struct{} // closed after the first success
	once    sync.Once
}

type mapping struct {
	meta.RESTMapper
	groups []*restmapper.APIGroupResources
	// generation is another number than that of a mapping with other groups.
	generation uint64
	// Answers for group and resource; the mapper underneath walks lists for
	// each, which is slow for something asked at every read.
	resources sync.Map // schema.GroupVersionResource → schema.GroupVersionResource
	kinds     sync.Map // schema.GroupVersionResource → schema.GroupVersionKind
}

// NewMapper returns a mapper that knows nothing until Run or Refresh.
func NewMapper(d discovery.DiscoveryInterface, interval time.Duration) *Mapper {
	m := &Mapper{
		discovery: d, interval: interval, gap: min(interval, firstPause),
		unknown: newUnknown(), missed: make(chan struct{}, 1), changed: make(chan struct{}, 1), filled: make(chan struct{}),
	}
	notYet := errors.New("the first discovery has not ended")
	m.trouble.Store(&notYet)
	return m
}

// Refresh reads the API server's discovery once. Of group versions that cannot be
// read, such as those of an aggregated server that is away, what was known stays.
func (m *Mapper) Refresh(ctx context.Context) error {
	groups, err := restmapper.GetAPIGroupResourcesWithContext(ctx, discovery.ToDiscoveryInterfaceWithContext(m.discovery))
	if err == nil && len(groups) == 0 {
		err = errors.New("the API server's discovery is empty")
	}
	if err != nil {
		m.trouble.Store(&err)
		return err
	}
	before := m.current.Load()
	if before != nil {
		keepUnread(groups, before.groups)
	}
	changed := before == nil || !equality.Semantic.DeepEqual(before.groups, groups)
	next := &mapping{RESTMapper: restmapper.NewDiscoveryRESTMapper(groups), groups: groups}
	if before != nil {
		next.generation = before.generation
	}
	if changed {
		next.generation++
	}
	m.current.Store(next)
	if before != nil && changed {
		select {
		case m.changed <- struct{}{}:
		default:
		}
	}
	m.once.Do(func() { close(m.filled) })
	return nil
}

// keepUnread fills in what was known of the versions that groups names and could
// not read: the API server lists them as long as they are registered.
func keepUnread(groups, before []*restmapper.APIGroupResources) {
	known := map[string]map[string][]metav1.APIResource{}
	for _, g := range before {
		known[g.Group.Name] = g.VersionedResources
	}
	for _, g := range groups {
		for _, v := range g.Group.Versions {
			if _, read := g.VersionedResources[v.Version]; read {
				continue
			}
			if was, ok := known[g.Group.Name][v.Version]; ok {
				g.VersionedResources[v.Version] = was
			}
		}
	}
}

// known returns the newest mapping, or why there is none yet.
func (m *Mapper) known() (*mapping, error) {
	if c := m.current.Load(); c != nil {
		return c, nil
	}
	return nil, metric.Because(metric.ObjectsUnknown, *m.trouble.Load(), "the API server's resources are not known yet")
}

// Generation is another number once a lookup may give something else.
func (m *Mapper) Generation() uint64 {
	if c := m.current.Load(); c != nil {
		return c.generation
	}
	return 0
}

// Filled is closed when the mapper knows the cluster's resources.
func (m *Mapper) Filled() <-chan struct{} { return m.filled }

// Changed gives a value after a renewal that brought other resources than the one
// before. It is for one receiver.
func (m *Mapper) Changed() <-chan struct{} { return m.changed }

// Run renews the mapping until ctx ends.
func (m *Mapper) Run(ctx context.Context) {
	retry, said := newBackoff(m.gap), ""
	for {
		wait := m.interval
		if err := m.Refresh(ctx); err != nil && ctx.Err() == nil {
			if err.Error() != said {
				said = err.Error()
				klog.FromContext(ctx).Error(err, "Cannot read API discovery; keeping what is known")
			}
			wait = retry.Step()
		} else {
			retry, said = newBackoff(m.gap), ""
		}
		if !m.pause(ctx, wait) {
			return
		}
	}
}

// pause waits, or until a miss where that is longer than the gap; false when
// ctx ended.
func (m *Mapper) pause(ctx context.Context, wait time.Duration) bool {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	floor := time.NewTimer(min(wait, m.gap))
	defer floor.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-floor.C:
	}
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
	case <-m.missed:
	}
	return true
}

// ResourceFor resolves a partial resource, singular or plural.
func (m *Mapper) ResourceFor(in schema.GroupVersionResource) (schema.GroupVersionResource, error) {
	c, err := m.known()
	if err != nil {
		return schema.GroupVersionResource{}, err
	}
	if v, ok := c.resources.Load(in); ok {
		return v.(schema.GroupVersionResource), nil
	}
	out, err := c.RESTMapper.ResourceFor(in)
	if err != nil {
		m.miss(err, in.GroupResource().String())
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
	c, err := m.known()
	if err != nil {
		return schema.GroupVersionKind{}, err
	}
	if v, ok := c.kinds.Load(in); ok {
		return v.(schema.GroupVersionKind), nil
	}
	out, err := c.RESTMapper.KindFor(in)
	if err != nil {
		m.miss(err, in.GroupResource().String())
		return out, err
	}
	c.kinds.Store(in, out)
	return out, nil
}

// RESTMapping resolves a kind to its resource and scope.
func (m *Mapper) RESTMapping(gk schema.GroupKind, versions ...string) (*meta.RESTMapping, error) {
	c, err := m.known()
	if err != nil {
		return nil, err
	}
	out, err := c.RESTMapping(gk, versions...)
	m.miss(err, gk.String())
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
	c, err := m.known()
	if err != nil {
		return "", err
	}
	return c.ResourceSingularizer(resource)
}

// miss asks for a renewal, without waiting, where err says "no match" and name
// is worth it.
func (m *Mapper) miss(err error, name string) {
	if !meta.IsNoMatchError(err) || !m.unknown.worth(name, time.Now()) {
		return
	}
	select {
	case m.missed <- struct{}{}:
	default:
	}
}
