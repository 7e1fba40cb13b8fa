package adapter

import (
	"context"
	"net"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"

	"github.com/loadline/loadline/provider/metric"
	"github.com/loadline/loadline/provider/rule"
	"github.com/loadline/loadline/provider/source/embedded"
	"github.com/loadline/loadline/provider/source/embedded/cadence"
	"github.com/loadline/loadline/provider/source/embedded/engine"
	"github.com/loadline/loadline/provider/source/embedded/follow"
	"github.com/loadline/loadline/provider/source/embedded/scrape"
	"github.com/loadline/loadline/provider/source/embedded/target"
	"github.com/loadline/loadline/provider/source/embedded/wanted"
)

// newEmbedded makes the embedded engine, in a directory of its own: two adapters of one
// machine may have the same --scrape-dir.
func newEmbedded(o *Options) (*embedded.Source, error) {
	c := o.engine()
	if err := os.MkdirAll(c.Engine.Dir, 0o700); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(c.Engine.Dir, "engine-")
	if err != nil {
		return nil, err
	}
	c.Engine.Dir = dir
	return embedded.New(c)
}

// scrapes is the embedded engine where it is the source, and what keeps it in step with the
// cluster.
type scrapes struct {
	*embedded.Source
	follower *follow.Follower
	interval time.Duration
	// evaluate has metrics evaluated after their scrapes.
	evaluate func(cadence.Due)
	refusals *refusals
}

// scrapes makes it; nil where another source is asked.
func (p *parts) scrapesOf(o *Options, config *rest.Config) (*scrapes, error) {
	source, ok := p.origins[""].client.(*embedded.Source)
	if !ok {
		return nil, nil
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	told := &refusals{client: client, refused: func() []engine.Refusal { return source.Holding().Refused }}
	follower := follow.New(follow.Options{
		Client: client, Demand: p.demand, Rules: p.rules.Load, Queries: p.queries.All,
		Set: func(targets []target.Target, fence target.Fence, filter wanted.Filter) {
			told.know(targets)
			source.Set(targets, fence, filter)
		},
		Fence: target.Fence{Loopback: o.Scrape.Loopback, HostNetwork: o.Scrape.HostNetwork, Denied: apiServers(config)},
	})
	return &scrapes{source, follower, o.Scrape.Interval, p.evaluateDue, told}, nil
}

// apiServers are the addresses of the API server that we know from the start: that which we
// talk to, and that by which pods do, of the Service default/kubernetes. What this has behind
// it the follower watches, which is what is left where the API server is known by a name.
func apiServers(config *rest.Config) map[netip.Addr]string {
	hosts := []string{config.Host, os.Getenv("KUBERNETES_SERVICE_HOST")}
	if u, err := url.Parse(config.Host); err == nil {
		hosts = append(hosts, u.Hostname())
	}
	denied := map[netip.Addr]string{}
	for _, host := range hosts {
		if bare, _, err := net.SplitHostPort(host); err == nil {
			host = bare
		}
		if a, err := netip.ParseAddr(host); err == nil && !a.IsLoopback() { // which has a rule of its own
			denied[a.Unmap()] = "the API server"
		}
	}
	return denied
}

// start scrapes until ctx ends.
func (s *scrapes) start(ctx context.Context, t *tasks) {
	t.Go("watch of pods", func() { s.follower.Run(ctx) })
	t.Go("Events of scrapes", func() { s.refusals.run(ctx) })
	t.Go("news of scrapes", func() { tellOfScrapes(ctx, max(s.interval, time.Second), s.Status) })
	t.Go("evaluation of scrapes", func() { s.Follow(ctx, s.evaluate) })
	t.Go("scrapes", func() {
		if err := s.Run(ctx); err != nil {
			klog.FromContext(ctx).Error(err, "Cannot scrape")
		}
	})
}

// evaluateDue evaluates what HPAs reference of what was scraped. What is only read waits for
// the evaluator's interval: a reader must not choose what the adapter does all the time.
func (p *parts) evaluateDue(due cadence.Due) {
	p.evaluator.Soon(slices.DeleteFunc(p.demand.Wanted(), func(id metric.Identifier) bool {
		return !due.Has(id.Namespace) || !p.demand.Referenced(id) || p.sourceOf(id) != ""
	})...)
}

// serves says why the source of the flags does not serve a query of a policy; nil if it
// serves each. Whoever writes a policy is a tenant: by a pattern of names every series of
// every pod would be kept, of all tenants, and newer pods find no room.
func (p *parts) serves() func(promQL string) error {
	if _, scraping := p.origins[""].client.(*embedded.Source); scraping {
		return rule.NamedOutright
	}
	return nil
}

// twice is the time within which each pod is scraped twice.
func (s *scrapes) twice() time.Duration { return 2*s.interval + time.Second }

// warm waits until rates of what is there can be known: for the second scrape of each pod
// since the series are kept that HPAs reference. Where these are told one by one, the last of
// them are kept an interval later than the first.
func (s *scrapes) warm(ctx context.Context) {
	if !closed(ctx, s.follower.Synced()) {
		return
	}
	twice := s.twice()
	for until := time.Now().Add(twice); ; {
		since, settled := s.Settled()
		if settled && since.Add(twice).After(until) {
			until = since.Add(twice)
		}
		wait := time.Until(until)
		if settled && wait <= 0 {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(max(wait, s.interval/10)):
		}
	}
}

// close forgets everything. Nothing may ask any more.
func (s *scrapes) close() {
	if err := s.Close(); err != nil {
		klog.Background().Error(err, "Cannot close the embedded engine")
	}
}

var (
	descTargets      = describe("scrape_targets", "Targets that are scraped without --prometheus-url, by how their newest scrape went: up, down, or none yet.", "state")
	descSeries       = describe("series_held", "Series held without --prometheus-url, those that have just ended among them.")
	descMaxSeries    = describe("series_held_limit", "What --max-series-held allows.")
	descNoRoom       = describe("scrape_targets_without_room", "Targets of which series were refused in the last minutes because a limit of the series held was reached.")
	descPodsRefused  = describe("scrape_pods_refused", "Pods that HPAs scale, exporters of the configuration and pods of theirs that are not scraped, because of what they say of their metrics, because of their address, or because there are none. The log says why.")
	scrapeStateNames = []string{"up", "down", "unknown"}
)

// scrapeState collects what is read off the embedded engine.
type scrapeState struct {
	status  func() []scrape.Status
	holding func() engine.Holding
	refused func() []target.Refusal
	most    int
}

// Describe implements prometheus.Collector.
func (s *scrapeState) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{descTargets, descSeries, descMaxSeries, descNoRoom, descPodsRefused} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (s *scrapeState) Collect(ch chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v int, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(v), labels...)
	}
	states := map[string]int{}
	for _, one := range s.status() {
		switch {
		case one.At.IsZero():
			states["unknown"]++
		case one.Up:
			states["up"]++
		default:
			states["down"]++
		}
	}
	for _, state := range scrapeStateNames {
		gauge(descTargets, states[state], state)
	}
	holding := s.holding()
	gauge(descSeries, holding.Series)
	gauge(descMaxSeries, s.most)
	gauge(descNoRoom, len(holding.Refused))
	gauge(descPodsRefused, len(s.refused()))
}
