package adapter

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/loadline/loadline/provider/catalog"
	"github.com/loadline/loadline/provider/eval"
	"github.com/loadline/loadline/provider/metric"
	"github.com/loadline/loadline/provider/rule"
	"github.com/loadline/loadline/provider/source/embedded"
	"github.com/loadline/loadline/provider/source/prometheus"
)

// client is what a source can be asked.
type client interface {
	eval.Source
	catalog.Discoverer
}

// origin is a source, and what evaluates what is wanted of it.
type origin struct {
	described rule.Source // what the file says of it; zero for that of the flags
	client    client      // nil for that of the flags, if nothing is asked of it
	evaluator *eval.Evaluator
}

// origins are the sources by their names; that of the flags has the empty one, and is there
// even if they name none, for what no rule gives.
type origins map[string]*origin

// next are the origins for rules, after those of before, which may be none. Those whose
// description is the same stay, with their connections and all that is known of them. What
// is new is made and does nothing yet. With an error nothing has changed.
func (o *Options) next(before origins, rules *rule.Set) (origins, error) {
	var errs []error
	all := origins{"": before[""]}
	at := rules.Unsourced()
	switch {
	case all[""] == nil:
		own, err := o.own(at != "")
		if err != nil {
			errs = append(errs, err)
		}
		all[""] = &origin{client: own}
	case at != "" && all[""].client == nil:
		return nil, fmt.Errorf("--prometheus-url: must be given, for example http://prometheus.monitoring.svc:9090, because %s names no source: or restart the adapter, which then scrapes pods itself", at)
	}
	for _, described := range rules.Sources {
		if old := before[described.Name]; old != nil && old.described.Same(described) {
			all[described.Name] = old
			continue
		}
		client, err := prometheus.New(o.describe(described))
		if err != nil {
			errs = append(errs, fmt.Errorf("%s (%s): %w", described.ID, described.Name, err))
		}
		all[described.Name] = &origin{described: described, client: client}
	}
	return all, errors.Join(errs...)
}

// own is the source of the flags: that of --prometheus-url or, where a rule needs one and
// there is none, the embedded engine. Nil if it is not needed.
func (o *Options) own(needed bool) (client, error) {
	switch {
	case o.Source.URL != "":
		asked, err := o.Source.source(o.QueryTimeout)
		if err != nil {
			return nil, err // and not a client that holds nil
		}
		return asked, nil
	case needed:
		scraping, err := newEmbedded(o)
		if err != nil {
			return nil, fmt.Errorf("--scrape-dir: %w", err)
		}
		return scraping, nil
	}
	return nil, nil
}

// describe is how a source of the file is reached. Limits that it does not have are those of
// the flags; addresses and credentials never are.
func (o *Options) describe(s rule.Source) prometheus.Config {
	return prometheus.Config{
		Name: s.Name, URL: s.URL, Method: s.Verb, Version: version(),
		AuthInCluster: s.AuthInCluster, AuthConfig: s.AuthConfig, CAFile: s.CAFile, CertFile: s.CertFile, KeyFile: s.KeyFile,
		TokenFile: s.TokenFile, Username: s.Username, PasswordFile: s.PasswordFile,
		Headers: s.Headers, DisableHTTP2: s.DisableHTTP2,
		Timeout: cmp.Or(s.QueryTimeout, o.QueryTimeout), Lookback: *cmp.Or(s.SampleMaxAge, &o.Source.SampleMaxAge),
		MaxBytes: cmp.Or(s.MaxAnswerBytes, o.Source.MaxBytes), MaxSeriesBytes: cmp.Or(s.MaxSeriesBytes, o.Source.MaxSeriesBytes),
		MaxValues: cmp.Or(s.MaxAnswerValues, o.Source.MaxValues),
	}
}

// check says what is wrong with a source of the file. It does no I/O.
func (o *Options) check(s rule.Source) error { return o.describe(s).Validate() }

// discoverers are what the catalog asks: the source of the flags, if there is one, and the
// others by name.
func (all origins) discoverers() (unnamed catalog.Discoverer, named map[string]catalog.Discoverer) {
	named = map[string]catalog.Discoverer{}
	for name, o := range all {
		switch {
		case name != "":
			named[name] = o.client
		case o.client != nil:
			unnamed = o.client
		}
	}
	return unnamed, named
}

// evaluators are those of all, of which the ones that are missing are made.
func (all origins) evaluators(makes func(name string, of *origin) *eval.Evaluator) map[string]*eval.Evaluator {
	each := map[string]*eval.Evaluator{}
	for name, o := range all {
		if o.evaluator == nil {
			o.evaluator = makes(name, o)
		}
		each[name] = o.evaluator
	}
	return each
}

// evaluates makes the evaluator of a source.
func (p *parts) evaluates(o *Options) func(string, *origin) *eval.Evaluator {
	return func(name string, of *origin) *eval.Evaluator {
		reached := o.describe(of.described)
		options := eval.Options{
			Name: name, Catalog: p.catalog, Objects: p.objects, Mapper: p.mapper, Generation: p.mapper.Generation, Store: p.store, Demand: p.demand,
			Metrics: p.metrics.eval, Interval: o.EvaluationInterval, Timeout: reached.Timeout, Now: time.Now,
			Concurrency: cmp.Or(of.described.QueryConcurrency, o.QueryConcurrency),
			MaxValues:   o.MaxValuesHeld, Lookback: reached.Lookback, MaxAnswer: reached.MaxValues, Share: reads(o),
			Discovered: func() (bool, error) { return p.catalog.Outcome(name) },
		}
		if name == "" {
			options.Queries = p.queries
		}
		if of.client != nil {
			options.Source = of.client
		}
		if _, scrapes := of.client.(*embedded.Source); scrapes {
			// As often as there is something new; it costs nobody else anything. What is
			// evaluated after its scrapes is not once more.
			options.Interval = min(options.Interval, o.Scrape.Interval)
			options.Fresh = o.Scrape.Interval * 3 / 2
		}
		return eval.New(options)
	}
}

// sourceOf is the name of the source that gives a metric. It is empty for queries of
// policies, and for what no rule gives.
func (p *parts) sourceOf(id metric.Identifier) string {
	if entry, ok := p.catalog.Of(id); ok {
		return entry.Rule.Source()
	}
	return ""
}

// reload has the file followed whose content the parts were made of.
func (p *parts) reload(o *Options, content []byte, rules *rule.Set) {
	p.config = newReloader(o.ConfigFile, content, rules, o.compile, func(ctx context.Context, rules *rule.Set) error { return p.use(ctx, o, rules) })
	if o.ConfigFile == "" { // the built-in rules do not change
		p.config.read = func() ([]byte, error) { return content, nil }
	}
}

// forget drops the values of metrics whose rule is another one by now, and has them evaluated
// by that. What an unchanged rule gives stays.
func (p *parts) forget(another func(metric.Identifier) bool) {
	ids := slices.DeleteFunc(p.demand.Wanted(), func(id metric.Identifier) bool { return !another(id) })
	p.evaluator.Forget(ids)
	p.store.Forget(another)
	p.evaluator.Soon(ids...)
}

// use puts other rules, and the sources that they name, in the place of the present ones.
// With an error nothing has changed.
func (p *parts) use(ctx context.Context, o *Options, rules *rule.Set) error {
	next, err := o.next(p.origins, rules)
	if err != nil {
		return err
	}
	_, named := next.discoverers()
	p.catalog.Reload(ctx, rules, named)
	if ctx.Err() != nil {
		return nil
	}
	p.origins = next
	p.rules.Store(rules)
	p.evaluator.Set(next.evaluators(p.evaluates(o)))
	p.evaluator.Soon(p.demand.Wanted()...)
	return nil
}
