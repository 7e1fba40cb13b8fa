package provider

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/metrics/pkg/apis/custom_metrics"
	cmprovider "sigs.k8s.io/custom-metrics-apiserver/pkg/provider"

	"github.com/loadline/loadline/provider/catalog"
	"github.com/loadline/loadline/provider/metric"
	"github.com/loadline/loadline/provider/store"
)

// Objects knows the live objects.
type Objects interface {
	Names(ctx context.Context, gr schema.GroupResource, namespace string, sel labels.Selector, key string) ([]string, error)
	Has(ctx context.Context, gr schema.GroupResource, namespace, name string) (bool, error)
}

// Mapper resolves resources.
type Mapper interface {
	ResourceFor(schema.GroupVersionResource) (schema.GroupVersionResource, error)
	KindFor(schema.GroupVersionResource) (schema.GroupVersionKind, error)
}

// Custom serves custom.metrics.k8s.io.
type Custom struct {
	Reader  *Reader
	Catalog *catalog.Catalog
	Objects Objects
	Mapper  Mapper
	Metrics *Metrics
}

var _ cmprovider.CustomMetricsProvider = (*Custom)(nil)

// GetMetricByName answers for one object, which must be live as far as we may know that.
func (c *Custom) GetMetricByName(ctx context.Context, name types.NamespacedName, info cmprovider.CustomMetricInfo, metricSelector labels.Selector) (*custom_metrics.MetricValue, error) {
	began := c.Reader.Now()
	known := false
	value, err := func() (*custom_metrics.MetricValue, error) {
		// One bound for all that a first read waits for: discovery, the list of the
		// objects and the first evaluation.
		ctx := newPatience(ctx, c.Reader.Patience)
		defer ctx.end()

		id, err := c.identify(ctx, info, name.Namespace, name.Name, metricSelector)
		if err != nil {
			return nil, err
		}
		known = true
		id.Name = name.Name
		live, err := c.Objects.Has(ctx, id.Resource, id.Namespace, id.Name)
		if err != nil {
			return nil, err
		}
		if !live {
			return nil, metric.Errorf(metric.NoObject, "there is no live %s %q", id.Resource, id.Name)
		}
		data, err := c.Reader.Read(ctx, id, authorized(id, name.Namespace))
		if err != nil {
			return nil, err
		}
		items, err := c.join(id, []string{id.Name}, data, metricSelector)
		if err != nil {
			return nil, err
		}
		return &items[0], nil
	}()
	c.Metrics.read(metric.Custom, info.Metric, known, err, c.Reader.Now().Sub(began))
	if err != nil {
		return nil, statusError(err)
	}
	return value, nil
}

// GetMetricBySelector answers for the live objects that selector matches. An
// object without a sample is left out. No matching object gives an empty list;
// objects of which not one has a sample are an error that says so.
func (c *Custom) GetMetricBySelector(ctx context.Context, namespace string, selector labels.Selector, info cmprovider.CustomMetricInfo, metricSelector labels.Selector) (*custom_metrics.MetricValueList, error) {
	began := c.Reader.Now()
	known := false
	list, err := func() (*custom_metrics.MetricValueList, error) {
		ctx := newPatience(ctx, c.Reader.Patience)
		defer ctx.end()

		id, err := c.identify(ctx, info, namespace, "", metricSelector)
		if err != nil {
			return nil, err
		}
		known = true
		id.Selector = selector.String()
		data, err := c.Reader.Read(ctx, id, namespace)
		if err != nil {
			return nil, err
		}
		// The objects as they are now, not as they were at the evaluation.
		names, err := c.Objects.Names(ctx, id.Resource, id.Namespace, selector, id.Selector)
		if err != nil || len(names) == 0 {
			return &custom_metrics.MetricValueList{Items: []custom_metrics.MetricValue{}}, err
		}
		items, err := c.join(id, names, data, metricSelector)
		return &custom_metrics.MetricValueList{Items: items}, err
	}()
	c.Metrics.read(metric.Custom, info.Metric, known, err, c.Reader.Now().Sub(began))
	if err != nil {
		return nil, statusError(err)
	}
	return list, nil
}

// ListAllMetrics lists what discovery shows, sorted.
func (c *Custom) ListAllMetrics() []cmprovider.CustomMetricInfo {
	infos := []cmprovider.CustomMetricInfo{}
	c.Catalog.EachCustom(func(n catalog.Name, e catalog.Entry) {
		infos = append(infos, cmprovider.CustomMetricInfo{GroupResource: n.Resource, Metric: n.Metric, Namespaced: e.Namespaced})
	})
	slices.SortFunc(infos, func(a, b cmprovider.CustomMetricInfo) int {
		return cmp.Or(cmp.Compare(a.GroupResource.String(), b.GroupResource.String()), cmp.Compare(a.Metric, b.Metric))
	})
	return infos
}

// identify makes the canonical identifier, without the objects. name is empty
// where a selector chooses them. At the start it waits for the discovery of the
// metric, which comes after that of the API server's resources.
func (c *Custom) identify(ctx context.Context, info cmprovider.CustomMetricInfo, namespace, name string, metricSelector labels.Selector) (metric.Identifier, error) {
	id := metric.Identifier{API: metric.Custom, Metric: info.Metric, Namespace: namespace, MetricSelector: metricSelector.String()}
	var entry catalog.Entry
	var found bool
	var err error
	c.Catalog.Wait(ctx, func() bool {
		var gvr schema.GroupVersionResource
		if gvr, err = c.Mapper.ResourceFor(info.GroupResource.WithVersion("")); err == nil {
			id.Resource = gvr.GroupResource()
			entry, found = c.Catalog.Custom(catalog.Name{Resource: id.Resource, Metric: id.Metric})
		}
		return found
	})
	switch {
	case meta.IsNoMatchError(err):
		return id, c.Catalog.NoResource(catalog.Name{Resource: info.GroupResource, Metric: info.Metric}, err)
	case err != nil:
		return id, metric.Because(metric.ObjectsUnknown, err, "the resource %q cannot be looked up", info.GroupResource)
	case !found:
		return id, c.Catalog.Missing(catalog.Name{Resource: id.Resource, Metric: id.Metric})
	}
	if !entry.Namespaced {
		id.Namespace = ""
		return id, withinNamespace(id.Resource, namespace, name)
	}
	instead := fmt.Sprintf("namespaces/NAMESPACE/%s", id.Resource)
	if namespace == "" {
		return id, metric.Errorf(metric.Invalid, "%s live in namespaces: ask for %s", id.Resource, instead)
	}
	return id, namespaceError(namespace, instead)
}

// withinNamespace says which root-scoped objects may be asked for inside a
// namespace, where authorization is that namespace's. The HPA controller's client
// asks so, by name, for whatever an Object metric describes. Another Namespace
// object is another tenant's, and so is what a list would tell.
func withinNamespace(gr schema.GroupResource, namespace, name string) error {
	switch {
	case namespace == "":
		return nil
	case name == "" && gr.Group == "" && gr.Resource == "namespaces":
		return metric.Errorf(metric.Invalid, "namespaces do not live in namespaces: ask for namespaces/*/metrics/METRIC")
	case name == "":
		return metric.Errorf(metric.Invalid, "%s do not live in namespaces: ask for %s/* without one", gr, gr)
	case gr.Group == "" && gr.Resource == "namespaces" && name != namespace:
		return metric.Errorf(metric.Invalid, "namespace %q cannot be asked for inside namespace %q: ask for namespaces/%s/metrics/METRIC", name, namespace, name)
	}
	return namespaceError(namespace, fmt.Sprintf("%s/%s", gr, name))
}

// authorized is the namespace for which the read of one object in namespace was
// authorized. That of a Namespace object is for the namespace itself, though the
// library hands it over without one.
func authorized(id metric.Identifier, namespace string) string {
	if id.Resource == (schema.GroupResource{Resource: "namespaces"}) {
		return id.Name
	}
	return namespace
}

// join makes the items of names, in their order.
func (c *Custom) join(id metric.Identifier, names []string, data *store.Data, metricSelector labels.Selector) ([]custom_metrics.MetricValue, error) {
	gvk, err := c.Mapper.KindFor(id.Resource.WithVersion(""))
	if err != nil {
		return nil, metric.Because(metric.Undefined, err, "the kind of %s", id.Resource)
	}
	selector, err := labelSelector(metricSelector)
	if err != nil {
		return nil, err
	}
	window := seconds(data.Window)
	items := make([]custom_metrics.MetricValue, 0, len(names))
	for _, name := range names {
		if err := data.Bad[name]; err != nil {
			return nil, metric.Because(metric.ReasonOf(err), err, "%s of %s %s", id.Metric, id.Resource, name)
		}
		v, ok := data.Objects[name]
		if !ok {
			continue
		}
		items = append(items, custom_metrics.MetricValue{
			DescribedObject: custom_metrics.ObjectReference{
				Kind: gvk.Kind, APIVersion: gvk.GroupVersion().String(), Namespace: id.Namespace, Name: name,
			},
			Metric:        custom_metrics.MetricIdentifier{Name: id.Metric, Selector: selector},
			Timestamp:     metav1.Time{Time: v.Time},
			WindowSeconds: window,
			Value:         v.Quantity,
		})
	}
	switch {
	case len(items) > 0:
		return items, nil
	case data.PromQL == "":
		return nil, metric.Errorf(metric.Absent, "no sample yet for any of %d %s: there was none of them at the last evaluation", len(names), id.Resource)
	}
	return nil, metric.Errorf(metric.Absent, "no sample for any of %d %s (absence is not zero); asked%s: %s", len(names), id.Resource, ofSource(data.Source), data.PromQL)
}
