package object

import (
	"context"
	"fmt"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"

	"github.com/loadline/loadline/provider/metric"
)

// Resources resolves a group and resource to the version the API server serves.
type Resources interface {
	ResourceFor(schema.GroupVersionResource) (schema.GroupVersionResource, error)
}

// Cache answers which objects of a kind are live. See NewCache.
type Cache struct {
	ctx       context.Context // ends the watches
	client    metadata.Interface
	resources Resources
	retry     time.Duration

	mu    sync.Mutex
	kinds map[schema.GroupVersionResource]*kind
	wg    sync.WaitGroup
}

// kind is the watch of one kind.
type kind struct {
	index *index
	tried chan struct{} // closed after the first list, complete or failed
	once  sync.Once

	mu     sync.Mutex
	listed bool  // there was a complete list
	err    error // why the newest list failed; nil while it works
}

// NewCache returns a cache whose watches end with ctx. retry is the pause after
// a failed list; 0 means 5 s.
func NewCache(ctx context.Context, client metadata.Interface, r Resources, retry time.Duration) *Cache {
	if retry == 0 {
		retry = 5 * time.Second
	}
	return &Cache{ctx: ctx, client: client, resources: r, retry: retry, kinds: map[schema.GroupVersionResource]*kind{}}
}

// Names returns the sorted names of the live objects of gr in namespace (empty
// for root-scoped kinds) whose labels sel matches; for pods only those that are
// Running and not terminating. key is sel in canonical form. The result must not
// be changed.
//
// The first call for a kind waits for its list, as long as ctx allows. Errors
// are *metric.Error with reason Forbidden, Undefined or ObjectsUnknown.
func (c *Cache) Names(ctx context.Context, gr schema.GroupResource, namespace string, sel labels.Selector, key string) ([]string, error) {
	k, err := c.ready(ctx, gr)
	if err != nil {
		return nil, err
	}
	return k.index.names(namespace, sel, key), nil
}

// Has says whether the object is live, in the sense of Names.
func (c *Cache) Has(ctx context.Context, gr schema.GroupResource, namespace, name string) (bool, error) {
	k, err := c.ready(ctx, gr)
	if err != nil {
		return false, err
	}
	return k.index.has(namespace, name), nil
}

// Held returns the number of objects held.
func (c *Cache) Held() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	total := 0
	for _, k := range c.kinds {
		total += k.index.count()
	}
	return total
}

// Wait returns when all watches have ended, which they do with the context.
func (c *Cache) Wait() { c.wg.Wait() }

func (c *Cache) ready(ctx context.Context, gr schema.GroupResource) (*kind, error) {
	gvr, err := c.resources.ResourceFor(gr.WithVersion(""))
	if err != nil {
		return nil, metric.Because(metric.Undefined, err, "the API server knows no resource %q", gr)
	}
	k := c.kind(gvr)
	select {
	case <-k.tried:
		return k, k.unusable()
	default:
	}
	select {
	case <-k.tried:
		return k, k.unusable()
	case <-ctx.Done():
		return nil, metric.Because(metric.ObjectsUnknown, ctx.Err(), "the list of %s is not there yet", gr)
	}
}

func (c *Cache) kind(gvr schema.GroupVersionResource) *kind {
	c.mu.Lock()
	defer c.mu.Unlock()
	k := c.kinds[gvr]
	if k == nil {
		k = &kind{index: newIndex(), tried: make(chan struct{})}
		c.kinds[gvr] = k
		c.wg.Go(func() { c.watch(gvr, k) })
	}
	return k
}

// watch keeps k's index current until the context ends.
func (c *Cache) watch(gvr schema.GroupVersionResource, k *kind) {
	log := klog.FromContext(c.ctx).WithValues("resource", gvr.GroupResource().String())
	store := &syncingStore{index: k.index, done: func() { k.succeed() }}
	reflector := cache.NewReflectorWithOptions(c.listWatch(gvr), &metav1.PartialObjectMetadata{}, store,
		cache.ReflectorOptions{Name: gvr.String()})
	for c.ctx.Err() == nil {
		if err := reflector.ListAndWatchWithContext(c.ctx); err != nil && c.ctx.Err() == nil {
			typed := listError(gvr.GroupResource(), err)
			if k.fail(typed) {
				log.Error(typed, "Cannot list described objects")
			}
		}
		select {
		case <-c.ctx.Done():
		case <-time.After(c.retry):
		}
	}
}

func (c *Cache) listWatch(gvr schema.GroupVersionResource) cache.ListerWatcher {
	narrow := func(o *metav1.ListOptions) {
		// Metadata carries no phase, so the API server filters: a pod that
		// leaves Running leaves the watch as if it were deleted.
		if gvr.Group == "" && gvr.Resource == "pods" {
			o.FieldSelector = "status.phase=Running"
		}
	}
	return cache.ToListWatcherWithWatchListSemantics(&cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
			narrow(&o)
			return c.client.Resource(gvr).List(ctx, o)
		},
		WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
			narrow(&o)
			return c.client.Resource(gvr).Watch(ctx, o)
		},
	}, c.client)
}

// syncingStore tells when the first complete list arrived.
type syncingStore struct {
	*index
	done func()
}

func (s *syncingStore) Replace(objs []any, rv string) error {
	if err := s.index.Replace(objs, rv); err != nil {
		return err
	}
	s.done()
	return nil
}

func (k *kind) succeed() {
	k.mu.Lock()
	k.listed, k.err = true, nil
	k.mu.Unlock()
	k.once.Do(func() { close(k.tried) })
}

// fail records err and says whether it is news.
func (k *kind) fail(err error) bool {
	k.mu.Lock()
	news := k.err == nil || k.err.Error() != err.Error()
	k.err = err
	k.mu.Unlock()
	k.once.Do(func() { close(k.tried) })
	return news
}

// unusable is why the index must not be used. A list that fails for a passing
// reason leaves the objects known last; one that RBAC forbids will not come back
// by itself.
func (k *kind) unusable() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.listed && metric.ReasonOf(k.err) != metric.Forbidden {
		return nil
	}
	return k.err
}

func listError(gr schema.GroupResource, err error) error {
	if apierrors.IsForbidden(err) {
		return metric.Errorf(metric.Forbidden, "the adapter may not list %s: add a ClusterRole labelled loadline.dev/aggregate-to-adapter=true with apiGroups [%q], resources [%q], verbs [list, watch]", gr, gr.Group, gr.Resource)
	}
	return metric.Because(metric.ObjectsUnknown, err, "cannot list %s", fmt.Sprint(gr))
}
