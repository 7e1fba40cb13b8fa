package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"reflect"
	"sync"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"

	"github.com/loadline/loadline/policy/api/v1alpha1"
)

// pace is how often changes are printed at most: an HPA and its policy change together.
const pace = 500 * time.Millisecond

// watch prints the rows of a scope, and again those that change, until ctx ends.
func (c *cluster) watch(ctx context.Context, s scope, to *table) error {
	changed := make(chan struct{}, 1)
	trouble := &trouble{to: c.said}
	policies, readPolicies := follow[v1alpha1.AutoscalingPolicy](c, policiesResource(), s, changed, trouble)
	hpas, readHPAs := follow[autoscalingv2.HorizontalPodAutoscaler](c, hpasResource(), s, changed, trouble)
	stop, synced := read(ctx, readPolicies, readHPAs)
	defer stop()
	if !synced {
		return nil // interrupted
	}
	var last map[string]row
	for {
		rows := newRows(held[v1alpha1.AutoscalingPolicy](policies), held[autoscalingv2.HorizontalPodAutoscaler](hpas))
		var news []row
		news, last = changes(last, rows)
		if len(news) > 0 {
			if err := to.print(news); err != nil {
				return err
			}
		}
		// What comes right after a change is printed with the next one.
		if !waitFor(ctx, changed) || !waitFor(ctx, time.After(pace)) {
			return nil
		}
	}
}

// read runs readers until stop, which waits for them; synced is false if ctx ended before
// all had everything.
func read(ctx context.Context, readers ...cache.Controller) (stop func(), synced bool) {
	// What they would log in their own format is trouble's to tell.
	ctx, cancel := context.WithCancel(klog.NewContext(ctx, klog.Logger{}))
	var running sync.WaitGroup
	var all []cache.InformerSynced
	for _, r := range readers {
		running.Go(func() { r.RunWithContext(ctx) })
		all = append(all, r.HasSynced)
	}
	return func() { cancel(); running.Wait() }, cache.WaitForCacheSync(ctx.Done(), all...)
}

// waitFor is false if ctx ended first.
func waitFor[T any](ctx context.Context, c <-chan T) bool {
	select {
	case <-ctx.Done():
		return false
	case <-c:
		return true
	}
}

// follow keeps a store of the objects of a scope and says when it changes.
func follow[T any](c *cluster, resource schema.GroupVersionResource, s scope, changed chan<- struct{}, trouble *trouble) (cache.Store, cache.Controller) {
	tell := func(any) {
		select {
		case changed <- struct{}{}:
		default: // it is known already
		}
	}
	objects := c.client.Resource(resource).Namespace(s.namespace)
	selected := func(o metav1.ListOptions) metav1.ListOptions {
		o.FieldSelector = s.options().FieldSelector
		return o
	}
	return cache.NewInformerWithOptions(cache.InformerOptions{
		ListerWatcher: &cache.ListWatch{
			ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
				all, err := objects.List(ctx, selected(o))
				return all, trouble.about(ctx, explain(err, resource))
			},
			WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
				w, err := objects.Watch(ctx, selected(o))
				if unsent := (*url.Error)(nil); err == nil || errors.As(err, &unsent) {
					return w, trouble.about(ctx, explain(err, resource))
				}
				return w, err // an answer, after which the reflector lists
			},
		},
		ObjectType: &unstructured.Unstructured{},
		Handler: cache.ResourceEventHandlerFuncs{
			AddFunc: tell, DeleteFunc: tell,
			UpdateFunc: func(_, now any) { tell(now) },
		},
		Transform: func(object any) (any, error) {
			u, ok := object.(*unstructured.Unstructured)
			if !ok {
				return object, nil // a mark of deletion
			}
			return typed[T](u)
		},
	})
}

// trouble tells why the cluster cannot be followed, a reason once until that is over:
// informers try again and again.
type trouble struct {
	to   io.Writer
	mu   sync.Mutex
	last string
}

// about returns err.
func (t *trouble) about(ctx context.Context, err error) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case ctx.Err() != nil: // interrupted
	case err == nil:
		t.last = ""
	case err.Error() != t.last:
		t.last = err.Error()
		fmt.Fprintf(t.to, "error: %s; trying again\n", oneLine(t.last))
	}
	return err
}

// held returns what is in a store.
func held[T any](store cache.Store) []T {
	var all []T
	for _, object := range store.List() {
		if o, ok := object.(*T); ok {
			all = append(all, *o)
		}
	}
	return all
}

// changes returns the rows that are not as they were, those that are gone last, and all
// rows by name for the next time.
func changes(last map[string]row, rows []row) (news []row, now map[string]row) {
	now = make(map[string]row, len(rows))
	for _, r := range rows {
		key := fmt.Sprintf("%s/%s", r.Namespace, r.Name)
		now[key] = r
		if was, ok := last[key]; !ok || !reflect.DeepEqual(was, r) {
			news = append(news, r)
		}
	}
	for key, was := range last {
		if _, there := now[key]; !there {
			was.State, was.Ready, was.Remarks = "Deleted", false, nil
			news = append(news, was)
		}
	}
	return news, now
}
