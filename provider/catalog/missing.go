package catalog

import (
	"context"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/loadline/loadline/provider/metric"
)

// Wait returns when discovery has been tried once, well or badly, or with ctx.
// Before that nothing is known of any metric.
func (c *Catalog) Wait(ctx context.Context) {
	select {
	case <-c.tried.ch:
	case <-ctx.Done():
	}
}

// Listed is closed after the first relist in which the source answered for every
// rule; a refusal is an answer. Readiness waits for it, within its own bound: a
// replica that counted a failed start as listed would be ready without having
// evaluated anything, and take over from one that has. So a source that is away
// delays a start by that bound; it never makes a replica unready that was ready.
func (c *Catalog) Listed() <-chan struct{} { return c.listed.ch }

func (c *Catalog) isListed() bool {
	select {
	case <-c.listed.ch:
		return true
	default:
		return false
	}
}

// Wake asks for a relist soon, because a metric was wanted that is not known.
func (c *Catalog) Wake() {
	select {
	case c.woken <- struct{}{}:
	default:
	}
}

// Trouble says why a metric that is not in the catalog may exist all the same:
// the series of some rule could not be discovered, or not yet. Nil where the
// catalog is complete.
func (c *Catalog) Trouble() error { return *c.trouble.Load() }

// note remembers the first failure of a relist.
func (c *Catalog) note(findings []finding) {
	var trouble error
	for _, f := range findings {
		if f.err != nil {
			trouble = fmt.Errorf("%s: %w", f.rule.ID(), f.err)
			break
		}
	}
	c.trouble.Store(&trouble)
}

// Missing is why there is no metric n, which the catalog does not have: a
// *metric.Error with reason SourceFailed while the catalog may be incomplete, and
// else Undefined. It asks for a relist.
func (c *Catalog) Missing(n Name) error {
	c.Wake()
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
// the rule, if any, that names a resource in vain for this metric.
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
