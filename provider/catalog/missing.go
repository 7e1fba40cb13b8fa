package catalog

import (
	"context"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/loadline/loadline/provider/metric"
	"github.com/loadline/loadline/provider/rule"
)

// Wait returns when known does, asked whenever something was discovered, or when
// every rule's discovery has been tried once, well or badly, or with ctx. Before
// that, nothing is known of what known did not find.
func (c *Catalog) Wait(ctx context.Context, known func() bool) {
	for {
		now := c.current.Load()
		over := c.isTried() || ctx.Err() != nil
		if known() || over {
			return
		}
		select {
		case <-c.tried.ch:
		case <-now.replaced:
		case <-ctx.Done():
		}
	}
}

func (c *Catalog) isTried() bool {
	select {
	case <-c.tried.ch:
		return true
	default:
		return false
	}
}

// Listed waits until a source, by its name, has answered for every rule of it; a refusal
// is an answer. It is false where ctx ends before. Readiness waits for it, within its own
// bound: a replica that counted a failed start as listed would be ready without having
// evaluated anything, and take over from one that has. What was found meanwhile is served
// and evaluated all the same.
func (c *Catalog) Listed(ctx context.Context, source string) bool {
	for {
		now := c.current.Load()
		if t := now.sources[source]; t == nil || t.answered == t.rules {
			return true
		}
		select {
		case <-now.replaced:
		case <-ctx.Done():
			return false
		}
	}
}

// NoUsage is why there is no value of a metric of metrics.k8s.io that the configuration has
// no query for.
func NoUsage(id metric.Identifier) error {
	return metric.Errorf(metric.Undefined, "the configuration's resourceRules have no query for %s of %s", id.Metric, id.Resource)
}

// Wake asks for a relist soon, because a metric was wanted that is not known. Rules
// that fail keep to their own pauses.
func (c *Catalog) Wake() {
	for _, q := range c.followed() {
		select {
		case q.woken <- struct{}{}:
		default:
		}
	}
}

// Trouble says why a metric that is not in the catalog may exist all the same:
// the series of some rule could not be discovered, or not yet. Nil where the
// catalog is complete.
func (c *Catalog) Trouble() error { return c.current.Load().trouble }

// Discovery is why the newest search for the series of a rule had no answer, or not a whole
// one; nil if it had, and for a rule whose series need not be found or that is gone.
func (c *Catalog) Discovery(r *rule.Rule) error { return c.current.Load().failures[r] }

// Missing is why there is no metric n, which the catalog does not have, as Why says. It asks
// for a relist.
func (c *Catalog) Missing(n Name) error {
	c.Wake()
	return c.Why(n)
}

// Why is why there is no metric n, which the catalog does not have: a *metric.Error with
// reason SourceFailed while the catalog may be incomplete, and else Undefined.
func (c *Catalog) Why(n Name) error {
	if err := c.Trouble(); err != nil {
		return metric.Because(metric.SourceFailed, err, "whether there is a metric %q is not known, for the source's series cannot be discovered", n.Metric)
	}
	if n.Resource == (schema.GroupResource{}) {
		return metric.Errorf(metric.Undefined, "no external rule gives a metric %q from a series that the source holds: check the rules' seriesQuery, and whether the series exists", n.Metric)
	}
	if hint := c.hint(n.Metric); hint != "" {
		return metric.Errorf(metric.Undefined, "no rule gives a metric %q for %s; %s", n.Metric, n.Resource, hint)
	}
	return metric.Errorf(metric.Undefined, "no rule gives a metric %q for %s from a series that the source holds: check the rules' seriesQuery and resources, and whether the series exists", n.Metric, n.Resource)
}

// NoResource is why a metric cannot be asked for of a resource that the API
// server does not have: a *metric.Error with reason Undefined and the place of
// the rule, if any, that names a resource in vain for this metric. It asks for no
// relist: the mapper looks for the resource, and when it is there the series that
// are known are looked through again, see Options.Changed.
func (c *Catalog) NoResource(n Name, cause error) error {
	if hint := c.hint(n.Metric); hint != "" {
		return metric.Errorf(metric.Undefined, "the API server knows no resource %q; %s", n.Resource, hint)
	}
	return metric.Because(metric.Undefined, cause, "the API server knows no resource %q", n.Resource)
}

// hint is what keeps rules from giving a metric of this name, in short.
func (c *Catalog) hint(name string) string {
	lines := c.current.Load().problems[name]
	const most = 3 // a condition of an HPA has room for a few
	more := ""
	if len(lines) > most {
		lines, more = lines[:most], "; …"
	}
	return strings.Join(lines, "; ") + more
}
