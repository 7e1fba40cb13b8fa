package adapter

import (
	"context"
	"net"
	"slices"
	"sync/atomic"
	"time"

	"k8s.io/client-go/discovery"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"

	"github.com/loadline/loadline/adapter/query"
	"github.com/loadline/loadline/provider"
	"github.com/loadline/loadline/provider/catalog"
	"github.com/loadline/loadline/provider/demand"
	"github.com/loadline/loadline/provider/eval"
	"github.com/loadline/loadline/provider/metric"
	"github.com/loadline/loadline/provider/object"
	"github.com/loadline/loadline/provider/reference"
	"github.com/loadline/loadline/provider/rule"
	"github.com/loadline/loadline/provider/store"
)

// warmUp is how long readiness waits for the first evaluation of what HPAs
// reference, at most; besides the time in which pods are scraped twice, if they are.
const warmUp = 30 * time.Second

// discoveryTimeout bounds one request of the API server's discovery.
const discoveryTimeout = 5 * time.Second

// parts are the pieces of the metrics path.
type parts struct {
	mapper    *object.Mapper
	objects   *object.Cache
	catalog   *catalog.Catalog
	demand    *demand.Registry
	store     *store.Store
	evaluator *eval.Router
	origins   origins // of the rules in use
	rules     atomic.Pointer[rule.Set]
	scrapes   *scrapes           // nil where a source is asked
	watcher   *reference.Watcher // nil without prewarming
	queries   *query.Table
	policies  *query.Watcher // nil without queries
	reader    *provider.Reader
	metrics   *selfMetrics
	plain     net.Listener // for metrics only; nil if off
	warm      chan struct{}
	config    *reloader
}

// build makes the parts and joins them. Nothing runs yet.
func build(ctx context.Context, o *Options, rules *rule.Set, config *rest.Config) (*parts, error) {
	// The requests of API discovery have no deadline of their own.
	bounded := rest.CopyConfig(config)
	bounded.Timeout = discoveryTimeout
	disco, err := discovery.NewDiscoveryClientForConfig(bounded)
	if err != nil {
		return nil, err
	}
	meta, err := metadata.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	p := &parts{
		mapper:  object.NewMapper(disco, o.DiscoveryInterval),
		demand:  demand.New(o.Demand),
		warm:    make(chan struct{}),
		metrics: newSelfMetrics(),
	}
	p.rules.Store(rules)
	p.store = store.NewLimited(store.Limits{Values: o.MaxValuesHeld, Referenced: p.demand.Referenced})
	p.objects = object.NewCache(ctx, meta, p.mapper, 0)
	if p.origins, err = o.next(nil, rules); err != nil {
		return nil, err
	}
	unnamed, named := p.origins.discoverers()
	p.catalog = catalog.New(catalog.Options{
		Rules: rules, Source: unnamed, Sources: named, Scopes: p.mapper, Interval: o.RelistInterval, MaxAge: o.MaxAge, Now: time.Now, Changed: p.mapper.Changed(),
		Warned: func(r *rule.Rule) { p.metrics.eval.Warned(r.Source(), r.ID()) }, Replaced: p.forget,
	})
	if err := p.follow(o, rules, config); err != nil {
		return nil, err
	}
	if p.scrapes, err = p.scrapesOf(o, config); err != nil {
		return nil, err
	}
	p.evaluator = eval.NewRouter(p.sourceOf, p.origins.evaluators(p.evaluates(o)))
	p.reader = &provider.Reader{
		Demand: p.demand, Evaluator: p.evaluator, Store: p.store, MaxAge: o.ValueMaxAge, Patience: o.ReadPatience, Now: time.Now,
	}
	p.metrics.registry.MustRegister(&state{
		demand: p.demand, store: p.store, catalog: p.catalog, objects: p.objects.Held, hidden: p.objects.Forbidden, queries: p.queries.Stats, failed: p.catalog.Failed, up: p.evaluator.Up, oldest: p.reader.Oldest, config: func() (time.Time, error) { return p.config.status() }, now: time.Now,
	})
	if s := p.scrapes; s != nil {
		p.metrics.registry.MustRegister(&scrapeState{status: s.Status, holding: s.Holding, refused: s.follower.Refused, most: o.Scrape.MaxSeries})
	}
	if o.Prewarm {
		client, err := kubernetes.NewForConfig(config)
		if err != nil {
			return nil, err
		}
		scales, err := reference.ScaleClient(config)
		if err != nil {
			return nil, err
		}
		options := reference.Options{
			Client: client, Kinds: p.mapper, Selector: reference.ScaleSelector(scales, p.mapper), Registry: p.demand, Added: p.evaluator.Soon, Usage: rules.Usage != nil,
		}
		if p.scrapes != nil {
			options.Pods = p.scrapes.follower.Select
		}
		p.watcher = reference.New(options)
	}
	return p, nil
}

// follow makes what serves the queries of policies. They need the API of external
// metrics, which is there if a rule gives some.
func (p *parts) follow(o *Options, rules *rule.Set, config *rest.Config) error {
	if o.Queries.Enabled && p.origins[""].client == nil {
		// Whoever writes a policy must not choose whom we ask.
		p.queries = query.Refused(metric.Errorf(metric.RuleFailed, "queries of AutoscalingPolicies are asked of the source of --prometheus-url, which is not given"))
		return nil
	}
	p.queries = query.New(o.Queries, p.evaluateSoon, p.serves())
	if !o.Queries.Enabled || len(rules.External) == 0 {
		return nil
	}
	policies, err := query.Policies(config)
	if err != nil {
		return err
	}
	p.policies = query.NewWatcher(policies, p.queries)
	return nil
}

// evaluateSoon evaluates those of ids that somebody wants.
func (p *parts) evaluateSoon(ids []metric.Identifier) {
	p.evaluator.Soon(slices.DeleteFunc(ids, func(id metric.Identifier) bool { return !p.demand.Has(id) })...)
}

// start runs the parts as tasks until ctx ends.
func (p *parts) start(ctx context.Context, t *tasks, o *Options) {
	t.Go("API discovery", func() { p.mapper.Run(ctx) })
	t.Go("series discovery", func() {
		if closed(ctx, p.mapper.Filled()) {
			p.catalog.Run(ctx)
		}
	})
	if p.watcher != nil {
		t.Go("watch of HPAs", func() {
			if closed(ctx, p.mapper.Filled()) {
				p.watcher.Run(ctx)
			}
		})
	}
	if p.policies != nil {
		t.Go("watch of AutoscalingPolicies", func() { p.policies.Run(ctx) })
	}
	if p.scrapes != nil {
		p.scrapes.start(ctx, t)
	}
	t.Go("evaluation", func() { p.evaluator.Run(ctx) })
	t.Go("configuration file", func() {
		if closed(ctx, p.mapper.Filled()) {
			p.config.Run(ctx)
		}
	})
	t.Go("first evaluation", func() { p.evaluateFirst(ctx) })
	if p.plain != nil {
		t.Go("plain metrics port", func() {
			if err := servePlain(ctx, p.plain, p.metrics.handler()); err != nil {
				klog.FromContext(ctx).Error(err, "Cannot serve metrics", "address", o.MetricsBindAddress)
			}
		})
	}
}

// evaluateFirst evaluates what HPAs reference for the first time, and then has the replica
// be ready.
func (p *parts) evaluateFirst(ctx context.Context) {
	defer close(p.warm)
	limit := warmUp
	if p.scrapes != nil {
		limit += p.scrapes.twice()
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	// The kinds as well: with resourceRules alone there are no series to wait for.
	if closed(ctx, p.mapper.Filled()) && (p.watcher == nil || closed(ctx, p.watcher.Synced())) && (p.policies == nil || closed(ctx, p.policies.Synced())) {
		if p.scrapes != nil {
			p.scrapes.warm(ctx)
			p.catalog.Relist(ctx)
		}
		p.evaluator.First(ctx, p.catalog.Listed)
	}
}

// wait returns when what start began has ended, or with an error that names what
// has not. Each of its two steps may take limit.
func (p *parts) wait(t *tasks, limit time.Duration) error {
	if err := t.Wait(limit); err != nil {
		return err
	}
	if p.scrapes != nil {
		p.scrapes.close()
	}
	// Only now nobody is left who could begin another watch.
	var watches tasks
	watches.Go("watches of objects", p.objects.Wait)
	return watches.Wait(limit)
}

func closed(ctx context.Context, ch <-chan struct{}) bool {
	select {
	case <-ch:
		return true
	case <-ctx.Done():
		return false
	}
}

// reads is how many are asked together at most; 0 for no bound of ours.
func reads(o *Options) int {
	if o.ShareQueries {
		return 0
	}
	return 1
}
