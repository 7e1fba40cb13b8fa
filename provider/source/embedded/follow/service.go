package follow

import (
	"context"
	"errors"
	"io"
	"sync"
	"sync/atomic"

	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	discoveryinformers "k8s.io/client-go/informers/discovery/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"
)

// service names a Service.
type service struct{ namespace, name string }

// apiServer is the Service of the API servers themselves.
func apiServer() service { return service{metav1.NamespaceDefault, "kubernetes"} }

// services watches the EndpointSlices of some Services, and of no other: each by a watch of
// its own, which ends when it is not wanted any more. Its methods are for one goroutine.
type services struct {
	client  kubernetes.Interface
	changed func()
	watches map[service]*watch
	running sync.WaitGroup
}

// watch is that of one Service.
type watch struct {
	informer cache.SharedIndexInformer
	handler  cache.ResourceEventHandlerRegistration
	failed   atomic.Pointer[error] // why the newest attempt failed, if nothing came since
	stop     context.CancelFunc
}

// follow watches these Services, until ctx ends or it is called with others.
func (s *services) follow(ctx context.Context, wanted map[service]bool) {
	for of, w := range s.watches {
		if !wanted[of] {
			w.stop()
			delete(s.watches, of)
		}
	}
	for of := range wanted {
		if s.watches[of] == nil {
			s.watches[of] = s.watch(ctx, of)
		}
	}
}

// watch begins the watch of a Service.
func (s *services) watch(ctx context.Context, of service) *watch {
	selector := labels.Set{discoveryv1.LabelServiceName: of.name}.String()
	w := &watch{informer: discoveryinformers.NewFilteredEndpointSliceInformer(s.client, of.namespace, 0, cache.Indexers{}, func(o *metav1.ListOptions) {
		o.LabelSelector = selector
	})}
	news := func() { w.failed.Store(nil); s.changed() }
	// Both fail only after the start.
	w.handler, _ = w.informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: func(any) { news() }, UpdateFunc: func(any, any) { news() }, DeleteFunc: func(any) { news() },
	})
	_ = w.informer.SetWatchErrorHandlerWithContext(func(ctx context.Context, _ *cache.Reflector, err error) {
		if ctx.Err() != nil || apierrors.IsResourceExpired(err) || apierrors.IsGone(err) || errors.Is(err, io.EOF) {
			return // every watch ends so at times
		}
		if before := w.failed.Swap(&err); before == nil || (*before).Error() != err.Error() {
			klog.FromContext(ctx).Error(err, "Cannot watch the EndpointSlices of a Service", "namespace", of.namespace, "service", of.name)
		}
		s.changed()
	})
	ctx, w.stop = context.WithCancel(ctx)
	s.running.Go(func() { w.informer.RunWithContext(ctx) })
	s.running.Go(func() {
		select {
		case <-ctx.Done():
		case <-w.handler.HasSyncedChecker().Done():
			s.changed() // if only that there is none
		}
	})
	return w
}

// slices are the EndpointSlices of a Service that is followed. They are not known before the
// first answer; until then err is why there is none, if it is overdue.
func (s *services) slices(of service) (all []*discoveryv1.EndpointSlice, known bool, err error) {
	w := s.watches[of]
	if !w.handler.HasSynced() {
		if failed := w.failed.Load(); failed != nil {
			err = *failed
		}
		return nil, false, err
	}
	for _, obj := range w.informer.GetStore().List() {
		if one, ok := obj.(*discoveryv1.EndpointSlice); ok {
			all = append(all, one)
		}
	}
	return all, true, nil
}

// answered says whether of each Service it is known what it has, or why that is not known.
func (s *services) answered() bool {
	for of := range s.watches {
		if _, known, err := s.slices(of); !known && err == nil {
			return false
		}
	}
	return true
}
