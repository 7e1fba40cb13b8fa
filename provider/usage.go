package provider

import (
	"context"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/klog/v2"

	"github.com/loadline/loadline/provider/catalog"
	"github.com/loadline/loadline/provider/metric"
	"github.com/loadline/loadline/provider/store"
)

// Usage serves metrics.k8s.io: what containers and nodes use of CPU and memory, by the
// queries of resourceRules. It implements metrics-server's api.MetricsGetter, whose methods
// have no context: the reader's patience bounds each.
//
// It is evaluated by namespace. The HPA controller asks with the selector of each scale
// target, and all targets of a namespace are one read for us.
type Usage struct {
	Reader  *Reader
	Catalog UsageCatalog
	Metrics *Metrics
	Log     klog.Logger
}

// UsageCatalog knows the rules of usage.
type UsageCatalog interface {
	Of(metric.Identifier) (catalog.Entry, bool)
	// UsageWindow is what they say of the values' window; 0 for the query's own.
	UsageWindow() time.Duration
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
