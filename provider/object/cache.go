package object

import (
	"context"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/metadata"
	"k8s.io/klog/v2"

	"github.com/loadline/loadline/provider/metric"
)

// Resources resolves a group and resource to the version the API server serves.
type Resources interface {
	ResourceFor(schema.GroupVersionResource) (schema.GroupVersionResource, error)
}

// idleAfter is how long a kind is watched that nobody asks about any more. What
// an HPA references is asked about at every evaluation.
const idleAfter = 10 * time.Minute

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

// NewCache returns a cache whose watches end with ctx. retry is the longest
// pause after a failed list or watch; 0 means 5 s.
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
// The first call for a kind, and the first after nobody asked for idleAfter,
// waits for its list, as long as ctx allows. Errors are *metric.Error with reason
// Forbidden, Undefined or ObjectsUnknown.
func (c *Cache) Names(ctx context.Context, gr schema.GroupResource, namespace string, sel labels.Selector, key string) ([]string, error) {
	k, err := c.ready(ctx, gr)
	if err != nil {
		return nil, err
	}
	return k.index.names(namespace, sel, key), nil
}

// Has says whether the object is live, in the sense of Names. Where RBAC forbids us the list
// of its kind it counts as live: whoever names an object needs no list of them, and
// prometheus-adapter's rights, with which HPAs on Ingresses and the like work there, have none.
// Errors are those of Names but for Forbidden.
func (c *Cache) Has(ctx context.Context, gr schema.GroupResource, namespace, name string) (bool, error) {
	k, err := c.ready(ctx, gr)
	if metric.ReasonOf(err) == metric.Forbidden {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	return k.index.has(namespace, name), nil
}

// List returns the live objects of gr in namespace, or in all where that is empty, whose
// labels sel matches, in no particular order. It waits as Names does.
func (c *Cache) List(ctx context.Context, gr schema.GroupResource, namespace string, sel labels.Selector) ([]metric.Object, error) {
	k, err := c.ready(ctx, gr)
	if err != nil {
		return nil, err
	}
	return k.index.list(namespace, sel), nil
}

// Count returns how many live objects of a kind there are in a namespace, or in all where
// that is empty. It does not wait: ok is false where the kind is not listed yet.
func (c *Cache) Count(gr schema.GroupResource, namespace string) (n int, ok bool) {
	ctx, cancel := context.WithCancel(c.ctx)
	cancel()
	k, err := c.ready(ctx, gr)
	if err != nil {
		return 0, false
	}
	if namespace == "" {
		return k.index.count(), true
	}
	return k.index.countIn(namespace), true
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

// Forbidden returns the number of kinds that were asked about lately and that RBAC forbids us
// to list.
func (c *Cache) Forbidden() (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, k := range c.kinds {
		if metric.ReasonOf(k.unusable()) == metric.Forbidden {
			n++
		}
	}
	return n
}

// Wait returns when all watches have ended, which they do with the context.
func (c *Cache) Wait() { c.wg.Wait() }

func (c *Cache) ready(ctx context.Context, gr schema.GroupResource) (*kind, error) {
	gvr, err := c.resources.ResourceFor(gr.WithVersion(""))
	if err != nil {
		if meta.IsNoMatchError(err) {
			return nil, metric.Because(metric.Undefined, err, "the API server knows no resource %q", gr)
		}
		return nil, metric.Because(metric.ObjectsUnknown, err, "the resource %q cannot be looked up", gr)
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

// kind returns the watch of a kind, and begins it where there is none.
func (c *Cache) kind(gvr schema.GroupVersionResource) *kind {
	c.mu.Lock()
	defer c.mu.Unlock()
	k := c.kinds[gvr]
	if k == nil {
		k = &kind{index: newIndex(), tried: make(chan struct{})}
		c.kinds[gvr] = k
		c.wg.Go(func() { c.keep(gvr, k) })
	}
	k.used = time.Now()
	return k
}

// keep watches k for as long as somebody asks about it.
func (c *Cache) keep(gvr schema.GroupVersionResource, k *kind) {
	log := klog.FromContext(c.ctx).WithValues("resource", gvr.GroupResource().String())
	ctx, cancel := context.WithCancel(klog.NewContext(c.ctx, log))
	var watching sync.WaitGroup
	watching.Go(func() { k.watch(ctx, c.client, gvr, c.retry) })
	defer watching.Wait()
	defer cancel()
	for {
		left := c.drop(gvr, k)
		if left <= 0 {
			log.V(2).Info("Nobody asks about these objects any more; the watch ends")
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(left):
		}
	}
}

// drop forgets k if it is idle; otherwise it returns for how long it cannot be.
// Whoever asks next begins a new watch.
func (c *Cache) drop(gvr schema.GroupVersionResource, k *kind) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	left := idleAfter - time.Since(k.used)
	if left <= 0 {
		delete(c.kinds, gvr)
	}
	return left
}
