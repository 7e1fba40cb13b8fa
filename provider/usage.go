package provider

import (
	"cmp"
	"context"
	"slices"
	"time"

	metainternalversion "k8s.io/apimachinery/pkg/apis/meta/internalversion"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/registry/rest"
	"k8s.io/klog/v2"

	"github.com/loadline/loadline/provider/catalog"
	"github.com/loadline/loadline/provider/metric"
	"github.com/loadline/loadline/provider/store"
)

// Usage is what containers and nodes use of CPU and memory, by the queries of
// resourceRules. PodUsage and NodeUsage serve it as metrics.k8s.io.
//
// It is evaluated by namespace. The HPA controller asks with the selector of each scale
// target, and all targets of a namespace are one read for us.
type Usage struct {
	Reader  *Reader
	Catalog UsageCatalog
	Objects Lister
	Metrics *Metrics
	Log     klog.Logger
}

// UsageCatalog knows the rules of usage.
type UsageCatalog interface {
	Of(metric.Identifier) (catalog.Entry, bool)
	// UsageWindow is what they say of the values' window; 0 for the query's own.
	UsageWindow() time.Duration
}

// Lister lists live objects, with their labels. Namespace is empty for all.
type Lister interface {
	List(ctx context.Context, gr schema.GroupResource, namespace string, sel labels.Selector) ([]metric.Object, error)
}

// usageStorage is all by which metrics-server's storage serves metrics.k8s.io.
type usageStorage interface {
	rest.Storage
	rest.KindProvider
	rest.Scoper
	rest.Getter
	rest.Lister
	rest.SingularNameProvider
}

// live are the live objects that a list is about, in the order of the API server's lists:
// by namespace and name. Fields are those of metadata alone, of which the server lets
// metadata.name and metadata.namespace through.
func (u *Usage) live(ctx context.Context, resource, namespace string, options *metainternalversion.ListOptions) ([]metric.Object, error) {
	label, field := labels.Everything(), fields.Everything()
	if options != nil && options.LabelSelector != nil {
		label = options.LabelSelector
	}
	if options != nil && options.FieldSelector != nil {
		field = options.FieldSelector
	}
	found, err := u.Objects.List(ctx, schema.GroupResource{Resource: resource}, namespace, label)
	if err != nil {
		return nil, err
	}
	if !field.Empty() {
		found = slices.DeleteFunc(found, func(o metric.Object) bool {
			return !field.Matches(fields.Set{"metadata.name": o.Name, "metadata.namespace": o.Namespace})
		})
	}
	slices.SortFunc(found, func(a, b metric.Object) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	return found, nil
}

// answer is what is known of some objects: how many are live, and those that of has
// something of. An error has the code that statusError gives it.
func answer[T any](ctx context.Context, u *Usage, resource, namespace string, options *metainternalversion.ListOptions, of func(context.Context, []metric.Object) ([]T, error)) (live int, items []T, err error) {
	// One bound for the list of the objects and the first evaluation.
	ctx, cancel := context.WithTimeout(ctx, u.Reader.Patience)
	defer cancel()
	objects, err := u.live(ctx, resource, namespace, options)
	if err != nil {
		return 0, nil, statusError(err)
	}
	if items, err = of(ctx, objects); err != nil {
		return 0, nil, statusError(err)
	}
	return len(objects), items, nil
}

// named chooses one object.
func named(name string) *metainternalversion.ListOptions {
	return &metainternalversion.ListOptions{FieldSelector: fields.OneTermEqualSelector("metadata.name", name)}
}

// used is what is known of CPU and memory of some objects. Either is nil where its error
// is set.
type used struct {
	cpu, memory       *store.Data
	cpuErr, memoryErr error
}

// usageOf is the metric of a resource, of the pods of a namespace or of all nodes.
func usageOf(resource, objects, namespace string) metric.Identifier {
	return metric.Identifier{API: metric.Resource, Metric: resource, Namespace: namespace, Resource: schema.GroupResource{Resource: objects}}
}

// want has the usage in some namespaces evaluated, all at once.
func (u *Usage) want(objects string, namespaces ...string) {
	var ids []metric.Identifier
	for _, ns := range namespaces {
		for _, resource := range []string{metric.CPU, metric.Memory} {
			if id := usageOf(resource, objects, ns); u.given(id) {
				ids = append(ids, id)
			}
		}
	}
	u.Reader.Want(ids...)
}

// given says whether the configuration has a query for a metric.
func (u *Usage) given(id metric.Identifier) bool {
	_, ok := u.Catalog.Of(id)
	return ok
}

func (u *Usage) read(ctx context.Context, objects, namespace string) (d used) {
	d.cpu, d.cpuErr = u.one(ctx, usageOf(metric.CPU, objects, namespace))
	d.memory, d.memoryErr = u.one(ctx, usageOf(metric.Memory, objects, namespace))
	return d
}

func (u *Usage) one(ctx context.Context, id metric.Identifier) (data *store.Data, err error) {
	began := u.Reader.Now()
	defer func() { u.Metrics.read(metric.Resource, id.Metric, true, err, u.Reader.Now().Sub(began)) }()
	if !u.given(id) {
		return nil, catalog.NoUsage(id)
	}
	return u.Reader.Read(ctx, id, id.Namespace)
}

// window is what the API says of values from these.
func (u *Usage) window(d used) time.Duration {
	if w := u.Catalog.UsageWindow(); w > 0 {
		return w
	}
	var w time.Duration
	for _, one := range []*store.Data{d.cpu, d.memory} {
		if one != nil {
			w = max(w, one.Window)
		}
	}
	return w
}

// earliest is the earlier of two times, of which one may not be there.
func earliest(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
