package arithmetic

import (
	"context"
	"math"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	autoscalingv1 "k8s.io/api/autoscaling/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	autoscalingclient "k8s.io/client-go/kubernetes/typed/autoscaling/v2"
	coreclient "k8s.io/client-go/kubernetes/typed/core/v1"
	autoscalinglisters "k8s.io/client-go/listers/autoscaling/v2"
	corelisters "k8s.io/client-go/listers/core/v1"
	scaleclient "k8s.io/client-go/scale"
	"k8s.io/client-go/tools/cache"
	"k8s.io/kubernetes/pkg/controller/podautoscaler"

	"github.com/loadline/loadline/policy/arithmetic"
)

// server plays the API server for one HorizontalController, with what is in a world.
type server struct {
	*world
	hpas, pods cache.Indexer
	handler    cache.ResourceEventHandler
}

// start runs the controller over a world. It looks at the HPA only when sync says so.
func start(t *testing.T, w *world) *server {
	t.Helper()
	s := &server{world: w, hpas: cache.NewIndexer(cache.MetaNamespaceKeyFunc, cache.Indexers{cache.NamespaceIndex: cache.MetaNamespaceIndexFunc}), pods: podIndex(w.pods)}
	mapper := meta.NewDefaultRESTMapper([]schema.GroupVersion{{Group: "apps", Version: "v1"}})
	mapper.Add(schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "Deployment"}, meta.RESTScopeNamespace)
	ctx, cancel := context.WithCancel(context.Background())
	set := arithmetic.DefaultSettings()
	controller := podautoscaler.NewHorizontalController(
		ctx, events{}, scales{s: s}, hpas{s: s}, mapper, client(w), hpaInformer{s}, podInformer{s},
		1e6*time.Hour, // nothing by itself
		set.DownscaleStabilization, set.Tolerance, set.CPUInitializationPeriod, set.InitialReadinessDelay,
	)
	done := make(chan struct{})
	go func() {
		defer close(done)
		controller.Run(ctx, 1)
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	time.Sleep(5 * time.Second)
	synctest.Wait()
	if w.rival {
		s.meet(t)
	}
	return s
}

// rival is an HPA of another target, whose selector is the same.
const rival = "rival"

// meet has the controller learn of the rival.
func (s *server) meet(t *testing.T) {
	t.Helper()
	r := s.hpa.DeepCopy()
	r.Name, r.UID, r.Spec.ScaleTargetRef.Name = rival, rival, rival
	r.Spec.MinReplicas, r.Spec.MaxReplicas = new(int32), math.MaxInt32
	if err := s.hpas.Add(r); err != nil {
		t.Fatal(err)
	}
	s.handler.OnAdd(r, false)
	synctest.Wait()
}

// sync has the controller look at the world as it is, and waits until it has acted. No time
// passes.
func (s *server) sync(t *testing.T) {
	t.Helper()
	at := time.Now()
	s.publish(s.hpa)
	if err := s.pods.Replace(nil, ""); err != nil {
		t.Fatal(err)
	}
	for _, p := range s.world.pods {
		if err := s.pods.Add(p); err != nil {
			t.Fatal(err)
		}
	}
	s.handler.OnAdd(s.hpa, false)
	synctest.Wait()
	if now := time.Now(); !now.Equal(at) {
		t.Fatalf("the clock went on by %s in a sync", now.Sub(at))
	}
}

// publish gives the HPA a new version.
func (s *server) publish(h *autoscalingv2.HorizontalPodAutoscaler) {
	version, err := strconv.Atoi(s.hpa.ResourceVersion)
	if err != nil {
		panic(err)
	}
	s.hpa = h.DeepCopy()
	s.hpa.ResourceVersion = strconv.Itoa(version + 1)
	if err := s.hpas.Update(s.hpa); err != nil {
		panic(err)
	}
}

// hpas is the API of HPAs.
type hpas struct {
	autoscalingclient.HorizontalPodAutoscalerInterface // the rest is not called
	s                                                  *server
}

func (h hpas) HorizontalPodAutoscalers(string) autoscalingclient.HorizontalPodAutoscalerInterface {
	return h
}

func (h hpas) UpdateStatus(_ context.Context, of *autoscalingv2.HorizontalPodAutoscaler, _ metav1.UpdateOptions) (*autoscalingv2.HorizontalPodAutoscaler, error) {
	if of.Name == rival {
		return of, nil
	}
	kept := h.s.hpa.DeepCopy()
	of.Status.DeepCopyInto(&kept.Status)
	if last := kept.Status.LastScaleTime; last != nil {
		*last = last.Rfc3339Copy() // its JSON has whole seconds
	}
	h.s.publish(kept)
	return h.s.hpa.DeepCopy(), nil
}

// scales is the API of scale subresources.
type scales struct {
	scaleclient.ScaleInterface // the rest is not called
	s                          *server
}

func (c scales) Scales(string) scaleclient.ScaleInterface { return c }

func (c scales) Get(_ context.Context, _ schema.GroupResource, of string, _ metav1.GetOptions) (*autoscalingv1.Scale, error) {
	scale := c.s.scale.DeepCopy()
	if scale.Name = of; of == rival { // of a size at which the metrics are read
		scale.Spec.Replicas, scale.Status.Selector = 1, selector
	}
	return scale, nil
}

func (c scales) Update(_ context.Context, _ schema.GroupResource, to *autoscalingv1.Scale, _ metav1.UpdateOptions) (*autoscalingv1.Scale, error) {
	if to.Name != rival {
		c.s.scale.Spec = to.Spec
	}
	return c.s.scale.DeepCopy(), nil
}

// events takes Events and forgets them.
type events struct{ coreclient.EventInterface }

func (e events) Events(string) coreclient.EventInterface { return e }

func (events) CreateWithEventNamespace(of *corev1.Event) (*corev1.Event, error) { return of, nil }
func (events) UpdateWithEventNamespace(of *corev1.Event) (*corev1.Event, error) { return of, nil }
func (events) PatchWithEventNamespace(of *corev1.Event, _ []byte) (*corev1.Event, error) {
	return of, nil
}

// informer has what the controller uses of one: a store that is always up to date, and whom
// to tell.
type informer struct {
	cache.SharedIndexInformer // the rest is not called
	index                     cache.Indexer
	handler                   *cache.ResourceEventHandler
}

func (i informer) GetStore() cache.Store     { return i.index }
func (i informer) GetIndexer() cache.Indexer { return i.index }
func (informer) HasSynced() bool             { return true }

func (i informer) AddEventHandlerWithResyncPeriod(h cache.ResourceEventHandler, _ time.Duration) (cache.ResourceEventHandlerRegistration, error) {
	*i.handler = h
	return nil, nil
}

type hpaInformer struct{ s *server }

func (i hpaInformer) Informer() cache.SharedIndexInformer {
	return informer{index: i.s.hpas, handler: &i.s.handler}
}

func (i hpaInformer) Lister() autoscalinglisters.HorizontalPodAutoscalerLister {
	return autoscalinglisters.NewHorizontalPodAutoscalerLister(i.s.hpas)
}

type podInformer struct{ s *server }

func (i podInformer) Informer() cache.SharedIndexInformer {
	return informer{index: i.s.pods}
}

func (i podInformer) Lister() corelisters.PodLister { return corelisters.NewPodLister(i.s.pods) }
