package reference

import (
	"context"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	autoscalinginformers "k8s.io/client-go/informers/autoscaling/v2"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/klog/v2"

	"github.com/loadline/loadline/provider/metric"
)

// Registry takes the references of one HPA; *demand.Registry is one.
type Registry interface {
	Reference(key string, ids []metric.Identifier) (added []metric.Identifier, err error)
}

// SelectorFunc returns status.selector of the scale of an object.
type SelectorFunc func(ctx context.Context, namespace string, target schema.GroupKind, name string) (string, error)

// Options of a Watcher.
type Options struct {
	Client   kubernetes.Interface
	Kinds    Kinds
	Selector SelectorFunc
	Registry Registry
	// Added is told what nobody wanted before.
	Added func(...metric.Identifier)
	// Usage says whether CPU and memory are served, too.
	Usage bool
	// Pods is told which pods the scale target of an HPA on our metrics selects, by status.selector of
	// its scale; empty if there is none any more. Nil if nobody has to know: then scales are
	// read only where a metric needs them.
	Pods func(hpa, namespace, selector string)
}

const (
	// refresh is how often an HPA's references are looked at again: its target may
	// have been made anew with other labels, and what did not fit may fit now.
	refresh  = 5 * time.Minute
	deadline = 5 * time.Second // of one scale read
	workers  = 16              // so that scale reads of up to 30 ms keep up with scaleQPS
)

// Watcher follows the cluster's HPAs. See New.
type Watcher struct {
	opts   Options
	queue  workqueue.TypedRateLimitingInterface[string]
	known  cache.SharedIndexInformer
	synced chan struct{}
	once   sync.Once

	mu      sync.Mutex
	initial map[string]bool   // HPAs of the first list that are still to do
	targets map[string]target // as they were read last, by HPA
}

// New returns a watcher that does nothing until Run.
func New(o Options) *Watcher {
	return &Watcher{
		opts: o,
		// Only each HPA's own pauses. The default lets ten retries a second through
		// in all: 10,000 HPAs that failed at the start would take 17 minutes.
		queue:  workqueue.NewTypedRateLimitingQueue(workqueue.NewTypedItemExponentialFailureRateLimiter[string](time.Second, refresh)),
		synced: make(chan struct{}), targets: map[string]target{},
	}
}

// Synced is closed when the references of all HPAs that were there at the start
// are registered, or when HPAs may not be watched.
func (w *Watcher) Synced() <-chan struct{} { return w.synced }

// Run follows the HPAs until ctx ends. Where RBAC forbids it, metrics are
// evaluated from their first read on; that is said once and tried again.
func (w *Watcher) Run(ctx context.Context) {
	defer w.queue.ShutDown()
	if !w.allowed(ctx) {
		return
	}
	informer := autoscalinginformers.NewHorizontalPodAutoscalerInformer(w.opts.Client, metav1.NamespaceAll, 0,
		cache.Indexers{cache.NamespaceIndex: cache.MetaNamespaceIndexFunc})
	_ = informer.SetTransform(slim) // fails only after the start
	w.known = informer
	handler, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    w.enqueue,
		UpdateFunc: w.update,
		DeleteFunc: w.enqueue,
	})
	if err != nil {
		klog.FromContext(ctx).Error(err, "Cannot watch HPAs")
		w.finish()
		return
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() { informer.RunWithContext(ctx) })
	if !cache.WaitForCacheSync(ctx.Done(), handler.HasSynced) {
		return
	}
	w.begin(informer.GetStore().ListKeys())
	for range workers {
		wg.Go(func() {
			for w.next(ctx) {
			}
		})
	}
	<-ctx.Done()
	w.queue.ShutDown()
}

// slim keeps what references need: with thousands of HPAs their status and
// managed fields would be most of our memory.
func slim(obj any) (any, error) {
	hpa, ok := obj.(*autoscalingv2.HorizontalPodAutoscaler)
	if !ok {
		return obj, nil
	}
	return &autoscalingv2.HorizontalPodAutoscaler{
		ObjectMeta: metav1.ObjectMeta{Name: hpa.Name, Namespace: hpa.Namespace, UID: hpa.UID, ResourceVersion: hpa.ResourceVersion, Generation: hpa.Generation},
		Spec:       autoscalingv2.HorizontalPodAutoscalerSpec{ScaleTargetRef: hpa.Spec.ScaleTargetRef, Metrics: hpa.Spec.Metrics},
	}, nil
}

func (w *Watcher) enqueue(obj any) {
	if key, err := cache.DeletionHandlingMetaNamespaceKeyFunc(obj); err == nil {
		w.queue.Add(key)
	}
}

// update leaves out what changes nothing for us: the HPA controller writes the
// status of every HPA again and again, and each reconciliation reads a scale.
func (w *Watcher) update(before, now any) {
	a, isA := before.(*autoscalingv2.HorizontalPodAutoscaler)
	b, isB := now.(*autoscalingv2.HorizontalPodAutoscaler)
	if isA && isB && equality.Semantic.DeepEqual(a.Spec, b.Spec) {
		return
	}
	w.enqueue(now)
}

func (w *Watcher) begin(keys []string) {
	w.mu.Lock()
	w.initial = map[string]bool{}
	for _, k := range keys {
		w.initial[k] = true
	}
	empty := len(w.initial) == 0
	w.mu.Unlock()
	if empty {
		w.finish()
	}
}

func (w *Watcher) finish() { w.once.Do(func() { close(w.synced) }) }

func (w *Watcher) next(ctx context.Context) bool {
	key, shutdown := w.queue.Get()
	if shutdown {
		return false
	}
	defer w.queue.Done(key)
	exists, err := w.reconcile(ctx, key)
	switch {
	case err != nil && ctx.Err() == nil:
		klog.FromContext(ctx).V(2).Info("References of an HPA are incomplete; trying again", "hpa", key, "err", err)
		w.queue.AddRateLimited(key)
	case exists:
		w.queue.Forget(key)
		// Each at its own time: all at once would keep a new HPA waiting.
		w.queue.AddAfter(key, refresh/2+rand.N(refresh))
	default:
		w.queue.Forget(key)
	}
	w.mu.Lock()
	delete(w.initial, key)
	done := w.initial != nil && len(w.initial) == 0
	w.mu.Unlock()
	if done {
		w.finish()
	}
	return true
}

// reconcile registers what the HPA references, and says whether there is one.
func (w *Watcher) reconcile(ctx context.Context, key string) (bool, error) {
	obj, exists, err := w.known.GetStore().GetByKey(key)
	if err != nil {
		return false, err
	}
	if !exists {
		w.forget(key)
		namespace, _, _ := strings.Cut(key, "/")
		w.selects(key, namespace, "")
		_, err := w.opts.Registry.Reference(key, nil)
		return false, err
	}
	hpa := obj.(*autoscalingv2.HorizontalPodAutoscaler)
	ids, err := w.identifiers(ctx, key, hpa)
	if w.opts.Usage {
		ids = append(ids, Usage(hpa)...)
	}
	added, limit := w.opts.Registry.Reference(key, ids)
	if len(added) > 0 {
		w.opts.Added(added...)
	}
	if limit != nil {
		klog.FromContext(ctx).Error(limit, "Demand is at its limit")
	}
	return true, err
}
