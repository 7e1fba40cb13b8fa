package eval

import (
	"context"

	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/loadline/loadline/provider/catalog"
	"github.com/loadline/loadline/provider/metric"
	"github.com/loadline/loadline/provider/plan"
)

// Catalog finds the rule of a metric.
type Catalog interface {
	Custom(catalog.Name) (catalog.Entry, bool)
	External(string) (catalog.Entry, bool)
	Wake()
}

// Objects finds live objects.
type Objects interface {
	Names(ctx context.Context, gr schema.GroupResource, namespace string, sel labels.Selector, key string) ([]string, error)
}

// resolve joins an identifier with its rule and its live objects.
func (e *Evaluator) resolve(ctx context.Context, id metric.Identifier) (plan.Want, error) {
	w := plan.Want{ID: id}
	entry, ok := e.opts.Catalog.External(id.Metric)
	if id.API == metric.Custom {
		entry, ok = e.opts.Catalog.Custom(catalog.Name{Resource: id.Resource, Metric: id.Metric})
	}
	if !ok {
		e.opts.Catalog.Wake()
		return w, metric.Errorf(metric.Undefined, "no rule gives a metric %q from a series that the source holds", id.Metric)
	}
	w.Rule, w.Series = entry.Rule, entry.Series

	var err error
	if w.MetricSelector, err = labels.Parse(id.MetricSelector); err != nil {
		return w, metric.Because(metric.Invalid, err, "metric selector")
	}
	switch {
	case id.API == metric.External:
	case id.Name != "":
		w.Names = []string{id.Name}
	default:
		selector, err := labels.Parse(id.Selector)
		if err != nil {
			return w, metric.Because(metric.Invalid, err, "selector")
		}
		if w.Names, err = e.opts.Objects.Names(ctx, id.Resource, id.Namespace, selector, id.Selector); err != nil {
			return w, err
		}
	}
	return w, nil
}
