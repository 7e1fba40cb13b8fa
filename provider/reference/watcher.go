package reference

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
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
}

const (
	resync   = 5 * time.Minute // references that did not fit or resolve are tried again
	deadline = 5 * time.Second // of one scale read
	workers  = 4
)

// Watcher follows the cluster's HPAs. See New.
type Watcher struct {
	opts   Options
	queue  workqueue.TypedRateLimitingInterface[string]
	known  cache.SharedIndexInformer
	synced chan struct{}
	once   sync.Once

	mu      sync.Mutex
	initial map[string]bool // HPAs of the first list that are still to do
}

// New returns a watcher that does nothing until Run.
func New(o Options) *Watcher {
	return &Watcher{
		opts:   o,
		queue:  workqueue.NewTypedRateLimitingQueue(workqueue.DefaultTypedControllerRateLimiter[string]()),
		synced: make(chan struct{}),
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
	informer := autoscalinginformers.NewHorizontalPodAutoscalerInformer(w.opts.Client, metav1.NamespaceAll, resync,
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

// allowed waits until HPAs may be listed; false when ctx ended.
func (w *Watcher) allowed(ctx context.Context) bool {
	log := klog.FromContext(ctx)
	said := false
	for {
		err := w.probe(ctx)
		if err == nil {
			return true
		}
		wait := 5 * time.Second
		if apierrors.IsForbidden(err) {
			wait = resync
			if !said {
				log.Info("HPAs may not be listed: prewarming is off, a metric is evaluated from its first read on", "reason", err.Error())
				said = true
			}
			w.finish()
		} else {
			log.Error(err, "Cannot list HPAs")
		}
		select {
		case <-ctx.Done():
			return false
		case <-time.After(wait):
		}
	}
}

func (w *Watcher) probe(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, deadline)
	defer cancel()
	_, err := w.opts.Client.AutoscalingV2().HorizontalPodAutoscalers(metav1.NamespaceAll).List(ctx, metav1.ListOptions{Limit: 1})
	return err
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
// status of every HPA again and again, and each reconciliation reads a scale. A
// resync, which repeats the version, counts.
func (w *Watcher) update(before, now any) {
	a, isA := before.(*autoscalingv2.HorizontalPodAutoscaler)
	b, isB := now.(*autoscalingv2.HorizontalPodAutoscaler)
	if isA && isB && a.ResourceVersion != b.ResourceVersion && equality.Semantic.DeepEqual(a.Spec, b.Spec) {
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
	if err := w.reconcile(ctx, key); err != nil && ctx.Err() == nil {
		klog.FromContext(ctx).V(2).Info("References of an HPA are incomplete; trying again", "hpa", key, "err", err)
		w.queue.AddRateLimited(key)
	} else {
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

func (w *Watcher) reconcile(ctx context.Context, key string) error {
	obj, exists, err := w.known.GetStore().GetByKey(key)
	if err != nil {
		return err
	}
	if !exists {
		_, err := w.opts.Registry.Reference(key, nil)
		return err
	}
	hpa := obj.(*autoscalingv2.HorizontalPodAutoscaler)
	ids, err := w.identifiers(ctx, hpa)
	added, limit := w.opts.Registry.Reference(key, ids)
	if len(added) > 0 {
		w.opts.Added(added...)
	}
	if limit != nil {
		klog.FromContext(ctx).Error(limit, "Demand is at its limit")
	}
	return err
}

// identifiers returns what hpa references. While the scale cannot be read these
// are the metrics that need no pods: they must not go with the others.
func (w *Watcher) identifiers(ctx context.Context, hpa *autoscalingv2.HorizontalPodAutoscaler) ([]metric.Identifier, error) {
	if !NeedsPods(hpa) {
		return Identifiers(hpa, "", w.opts.Kinds)
	}
	selector, scaleErr := w.selector(ctx, hpa)
	if scaleErr != nil {
		hpa = withoutPods(hpa)
	}
	ids, err := Identifiers(hpa, selector, w.opts.Kinds)
	return ids, errors.Join(scaleErr, err)
}

func (w *Watcher) selector(ctx context.Context, hpa *autoscalingv2.HorizontalPodAutoscaler) (string, error) {
	ref := hpa.Spec.ScaleTargetRef
	gv, err := schema.ParseGroupVersion(ref.APIVersion)
	if err != nil {
		return "", fmt.Errorf("scaleTargetRef: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, deadline)
	defer cancel()
	selector, err := w.opts.Selector(ctx, hpa.Namespace, gv.WithKind(ref.Kind).GroupKind(), ref.Name)
	if err != nil {
		return "", fmt.Errorf("the scale of %s %s: %w", ref.Kind, ref.Name, err)
	}
	return selector, nil
}
