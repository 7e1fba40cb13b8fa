// Package follow keeps what is scraped in step with the cluster: it watches pods and the
// endpoints of exporters' Services, is told which pods HPAs scale and what is wanted of them,
// and hands the targets on. What is decided is decided in packages target and wanted.
package follow

import (
	"context"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	coreinformers "k8s.io/client-go/informers/core/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"

	"github.com/loadline/loadline/provider/endpoint"
	"github.com/loadline/loadline/provider/metric"
	"github.com/loadline/loadline/provider/rule"
	"github.com/loadline/loadline/provider/source/embedded/target"
	"github.com/loadline/loadline/provider/source/embedded/wanted"
)

const (
	// gather is how long is waited for more after a change, so that a rollout is some changes
	// and not hundreds.
	gather = 250 * time.Millisecond
	// look is how often it is looked at what is wanted, of which nobody tells.
	look = time.Second
	// patience is how long the start waits for what the API server says of Services.
	patience = 5 * time.Second
)

// Demand says what is wanted; *demand.Registry is one.
type Demand interface {
	Wanted() []metric.Identifier
	Referenced(metric.Identifier) bool
}

// Options of a Follower.
type Options struct {
	Client kubernetes.Interface
	Demand Demand
	// Rules are those in use, with their exporters, and Queries the PromQL of queries that no rule gives; nil if
	// there are none.
	Rules   func() *rule.Set
	Queries func() []string
	// Fence is what must not be reached besides the nodes that pods are on and the API servers
	// that the Service default/kubernetes has.
	Fence target.Fence
	// Set takes what is to be scraped.
	Set func([]target.Target, target.Fence, wanted.Filter)
}

// Follower follows the cluster. See New.
type Follower struct {
	opts    Options
	changed chan struct{}
	synced  chan struct{}

	mu         sync.Mutex
	selections map[string]target.Selection // of the scale target of each HPA
	refused    []target.Refusal

	// Of Run alone.
	wanted    map[wanted.Want]bool
	before    map[wanted.Want]bool // only its room is used
	queries   []string
	rules     *rule.Set
	filters   wanted.Maker
	filter    wanted.Filter
	exporters []endpoint.Exporter
	services  services
}

// New returns a follower that does nothing until Run.
func New(o Options) *Follower {
	if o.Queries == nil {
		o.Queries = func() []string { return nil }
	}
	f := &Follower{opts: o, changed: make(chan struct{}, 1), synced: make(chan struct{}), selections: map[string]target.Selection{}, wanted: map[wanted.Want]bool{}, before: map[wanted.Want]bool{}}
	f.services = services{client: o.Client, changed: f.change, watches: map[service]*watch{}}
	return f
}

// Select notes which pods the scale target of an HPA has; none if the selector is empty.
func (f *Follower) Select(hpa, namespace, selector string) {
	parsed, err := labels.Parse(selector)
	f.mu.Lock()
	if selector == "" || err != nil {
		delete(f.selections, hpa)
	} else {
		f.selections[hpa] = target.Selection{Namespace: namespace, Selector: parsed}
	}
	f.mu.Unlock()
	f.change()
}

// Refused are the pods that are wanted, and the exporters, that are not scraped.
func (f *Follower) Refused() []target.Refusal {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.refused)
}

// Synced is closed when the pods that were there at the start are known.
func (f *Follower) Synced() <-chan struct{} { return f.synced }

func (f *Follower) change() {
	select {
	case f.changed <- struct{}{}:
	default:
	}
}

// Run follows until ctx ends. While the API server is away, what was scraped last is scraped
// on.
func (f *Follower) Run(ctx context.Context) {
	informer := coreinformers.NewFilteredPodInformer(f.opts.Client, metav1.NamespaceAll, 0, cache.Indexers{}, func(o *metav1.ListOptions) {
		o.FieldSelector = "status.phase=" + string(corev1.PodRunning)
	})
	_ = informer.SetTransform(slim) // fails only after the start
	handler, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: func(any) { f.change() }, UpdateFunc: func(any, any) { f.change() }, DeleteFunc: func(any) { f.change() },
	})
	if err != nil {
		klog.FromContext(ctx).Error(err, "Cannot watch pods")
		return
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	defer f.services.running.Wait()
	wg.Go(func() { informer.RunWithContext(ctx) })
	f.wants(ctx)
	if !cache.WaitForCacheSync(ctx.Done(), handler.HasSynced) || !f.awaitServices(ctx) {
		return
	}
	f.follow(ctx, func() []target.Pod {
		var pods []target.Pod
		for _, obj := range informer.GetStore().List() {
			if p, ok := obj.(*corev1.Pod); ok {
				pods = append(pods, target.FromPod(p))
			}
		}
		return pods
	})
}

// awaitServices waits until Services have been answered for, or cannot be, and says whether
// there is time left. Nothing is scraped before the API servers are known; but what would
// never be known must not stop everything.
func (f *Follower) awaitServices(ctx context.Context) bool {
	overdue := time.After(patience)
	for !f.services.answered() {
		select {
		case <-ctx.Done():
			return false
		case <-overdue:
			klog.FromContext(ctx).Info("The API server does not say which EndpointSlices there are; pods are scraped nevertheless", "waited", patience)
			return true
		case <-f.changed:
		}
	}
	return ctx.Err() == nil
}

// follow hands on what is to be scraped, when it has changed.
func (f *Follower) follow(ctx context.Context, pods func() []target.Pod) {
	ticker := time.NewTicker(look)
	defer ticker.Stop()
	f.wants(ctx)
	f.hand(ctx, pods())
	close(f.synced)
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			if !f.wants(ctx) {
				continue
			}
		case <-f.changed:
			select {
			case <-ctx.Done():
				return
			case <-time.After(gather):
			}
			f.wants(ctx)
		}
		f.hand(ctx, pods())
	}
}

// wants looks at what is wanted, and says whether other series are to be kept, or other
// exporters may be there. What is only read counts as little as it does for which pods are
// scraped: a reader must not choose what the adapter does all the time.
func (f *Follower) wants(ctx context.Context) bool {
	var ids []metric.Identifier
	wants := f.before // whose room does for thousands, once a second
	clear(wants)
	for _, id := range f.opts.Demand.Wanted() {
		if f.opts.Demand.Referenced(id) {
			ids = append(ids, id)
			wants[wanted.WantOf(id)] = true
		}
	}
	rules, queries := f.opts.Rules(), f.opts.Queries()
	slices.Sort(queries)
	if rules == f.rules && maps.Equal(wants, f.wanted) && slices.Equal(queries, f.queries) {
		return false
	}
	reloaded := rules != f.rules
	if reloaded {
		f.exporters = rules.Exporters
		f.services.follow(ctx, servicesOf(f.exporters))
	}
	f.rules, f.queries = rules, queries
	f.wanted, f.before = wants, f.wanted
	was := f.filter
	f.filter = f.filters.Of(rules, ids, queries)
	return reloaded || !f.filter.Same(was)
}

// hand gives on what is to be scraped now.
func (f *Follower) hand(ctx context.Context, pods []target.Pod) {
	fence := f.opts.Fence
	fence.Denied = f.denied()
	fence.Nodes = map[netip.Addr]bool{}
	for i := range pods {
		for _, ip := range pods[i].HostIPs {
			fence.Nodes[ip] = true
		}
	}
	f.mu.Lock()
	selections := slices.Collect(maps.Values(f.selections))
	f.mu.Unlock()
	exporters, endpoints, unknown := f.answered()
	targets, refused := target.List(target.Input{Pods: pods, Wanted: selections, Exporters: exporters, Endpoints: endpoints, Fence: fence})
	refused = append(refused, unknown...)
	f.opts.Set(targets, fence, f.filter)
	f.mu.Lock()
	known := f.refused
	f.refused = refused
	f.mu.Unlock()
	for _, r := range target.News(known, refused) {
		if r.Exporter != "" {
			klog.FromContext(ctx).Info("An exporter is not scraped", "exporter", r.Exporter, "namespace", r.Namespace, "pod", r.Pod, "reason", r.Reason)
		} else {
			klog.FromContext(ctx).Info("A pod that an HPA scales is not scraped", "namespace", r.Namespace, "pod", r.Pod, "reason", r.Reason)
		}
	}
}

// slim keeps of a pod what scraping needs: the rest of the cluster's pods would be most of
// our memory.
func slim(obj any) (any, error) {
	p, ok := obj.(*corev1.Pod)
	if !ok {
		return obj, nil
	}
	containers := func(of []corev1.Container) (out []corev1.Container) {
		for _, c := range of {
			if len(c.Ports) > 0 {
				out = append(out, corev1.Container{Ports: c.Ports})
			}
		}
		return out
	}
	kept := target.FromPod(p)
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: p.Namespace, Name: p.Name, UID: p.UID, ResourceVersion: p.ResourceVersion, Labels: p.Labels,
			Annotations: kept.Annotations, DeletionTimestamp: p.DeletionTimestamp,
		},
		Spec:   corev1.PodSpec{NodeName: p.Spec.NodeName, HostNetwork: p.Spec.HostNetwork, InitContainers: containers(p.Spec.InitContainers), Containers: containers(p.Spec.Containers)},
		Status: corev1.PodStatus{Phase: p.Status.Phase, PodIP: p.Status.PodIP, PodIPs: p.Status.PodIPs, HostIP: p.Status.HostIP, HostIPs: p.Status.HostIPs},
	}, nil
}
