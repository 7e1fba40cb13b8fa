package scrape

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	promhttp "github.com/prometheus/common/config"
	"github.com/prometheus/common/model"
	"github.com/prometheus/common/promslog"
	"github.com/prometheus/prometheus/discovery/targetgroup"
	promscrape "github.com/prometheus/prometheus/scrape"
	"github.com/prometheus/prometheus/storage"
	"k8s.io/klog/v2"

	"github.com/loadline/loadline/provider/source/embedded/target"
	"github.com/loadline/loadline/provider/source/embedded/wanted"
)

// idLabel carries the ID of a target. Labels that begin so are of the target alone, and no
// series gets them.
const idLabel = "__loadline_target__"

// withinLabel carries what within says.
const withinLabel = "__loadline_within__"

// reloadInterval is how soon other targets are scraped.
const reloadInterval = 500 * time.Millisecond

// idleConnection is how long a connection is kept that is not used. Each is used once an
// interval.
const idleConnection = 2 * time.Minute

// Store takes the samples of each scrape of a target; keep chooses series by their names. End
// hides samples up to a time, of series with these labels.
type Store interface {
	Appender(ctx context.Context, target string, keep func(name string) bool) storage.AppenderV2
	End(ctx context.Context, until time.Time, with map[string]string) error
}

// Scraper scrapes targets. See New.
type Scraper struct {
	config  Config
	manager *promscrape.Manager
	to      Store
	dialer  *dialer
	relay   *relay
	names   *names
	changed chan struct{}

	mu      sync.Mutex
	next    assignment
	settled time.Time // since when what next keeps is kept; zero while it waits
}

// assignment is what is to be scraped.
type assignment struct {
	targets []target.Target
	fence   target.Fence
	filter  wanted.Filter
}

// New returns a scraper that does nothing until Run.
func New(c Config, to Store) (*Scraper, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	c = c.withDefaults()
	s := &Scraper{config: c, to: to, dialer: newDialer(c.Timeout), names: newNames(), changed: make(chan struct{}, 1)}
	s.relay = newRelay(c, s.dialer, s.names)
	options := &promscrape.Options{
		PassMetadataInContext:    true, // with it comes the target
		DiscoveryReloadInterval:  model.Duration(reloadInterval),
		DiscoveryReloadOnStartup: true,
		HTTPClientOptions: []promhttp.HTTPClientOption{
			promhttp.WithDialContextFunc(s.relay.dial),
			promhttp.WithKeepAlivesDisabled(),
			promhttp.WithUserAgent("loadline-adapter/" + c.Version),
		},
	}
	var err error
	s.manager, err = promscrape.NewManager(options, promslog.NewNopLogger(), nil, nil, &appendable{s, to}, prometheus.NewRegistry())
	if err != nil {
		return nil, err
	}
	return s, nil
}

// Set has these targets scraped in the place of those of before, and of their series those
// that the filter keeps: of pods that of their namespace, of exporters that of anybody. It does
// not block; a target that stays is scraped on at its own time.
func (s *Scraper) Set(targets []target.Target, fence target.Fence, filter wanted.Filter) {
	s.mu.Lock()
	s.next = assignment{targets, fence, filter}
	if !filter.Same(s.names.filter()) {
		s.settled = time.Time{}
	}
	s.mu.Unlock()
	select {
	case s.changed <- struct{}{}:
	default:
	}
}

// Settled is since when the series are kept that are to be, of the targets of the newest Set;
// false while that still waits, and until Run.
func (s *Scraper) Settled() (since time.Time, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.settled, !s.settled.IsZero()
}

// settle notes that the filter in use is that of the newest Set, if it is.
func (s *Scraper) settle() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.settled.IsZero() && s.next.filter.Same(s.names.filter()) {
		s.settled = time.Now()
	}
}

// Run scrapes until ctx ends, and returns when the scrapes that are under way have ended.
func (s *Scraper) Run(ctx context.Context) error {
	config, err := s.config.prometheus()
	if err != nil {
		return fmt.Errorf("the configuration of the scrapes: %w", err)
	}
	if err := s.manager.ApplyConfig(config); err != nil {
		return fmt.Errorf("the configuration of the scrapes: %w", err)
	}
	defer s.relay.close()
	sets := make(chan map[string][]*targetgroup.Group)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer s.manager.Stop()
	ended := make(chan error, 1)
	wg.Go(func() { ended <- s.manager.Run(sets) })
	left := leavers{}
	var leave <-chan time.Time
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-ended:
			return errors.Join(errors.New("the scrapes have ended"), err)
		case <-s.changed:
		case <-leave:
			if err := s.end(ctx, left.gone(time.Now())); err != nil {
				klog.FromContext(ctx).Error(err, "Cannot end the series of targets that are gone")
			}
			leave = left.wait()
			continue
		}
		next := s.assignment()
		s.dialer.open(next.targets, next.fence)
		if !next.filter.Same(s.names.filter()) {
			s.names.set(next.filter)
		}
		select {
		case <-ctx.Done():
			return nil
		case sets <- groups(next.targets):
			s.settle()
		}
		left.note(next.targets, time.Now())
		if leave == nil {
			leave = left.wait()
		}
	}
}

// end hides what targets have said that are gone. Their last samples would be in rates for most
// of a window, and in sums of gauges for two intervals, beside those of the pods that have
// taken over from them: a sum over a rollout would be twice what it is. What an exporter says
// with labels of others ends as its series do, for those may be another's as well.
func (s *Scraper) end(ctx context.Context, gone []target.Target) error {
	var errs []error
	for _, t := range gone {
		if !honors(t) {
			errs = append(errs, s.to.End(ctx, time.Now(), map[string]string{"namespace": t.Namespace, "pod": t.Pod, model.InstanceLabel: t.Address.String()}))
		}
	}
	return errors.Join(errs...)
}

// within is the namespace of a target that speaks for itself, and so for that only; empty for one
// that speaks for others.
func within(t target.Target) string {
	if t.Exporter != "" {
		return ""
	}
	return t.Namespace
}

// honors says whether a target's own labels stay.
func honors(t target.Target) bool { return t.Exporter != "" && t.Honor }

func (s *Scraper) assignment() assignment {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.next
}

// groups are the targets as Prometheus has them, by pool. A pool without targets is there,
// or its targets would be scraped on.
func groups(targets []target.Target) map[string][]*targetgroup.Group {
	plainGroup, honoringGroup := &targetgroup.Group{Source: plain}, &targetgroup.Group{Source: honoring}
	for _, t := range targets {
		labels := model.LabelSet{
			idLabel:                model.LabelValue(t.ID()),
			withinLabel:            model.LabelValue(within(t)),
			model.AddressLabel:     model.LabelValue(t.Address.String()),
			model.SchemeLabel:      "http", // to the relay
			model.MetricsPathLabel: model.LabelValue(relayedOf(t).String()),
			"namespace":            model.LabelValue(t.Namespace),
			"pod":                  model.LabelValue(t.Pod),
			"node":                 model.LabelValue(t.Node),
		}
		group := plainGroup
		if t.Exporter != "" {
			labels[model.JobLabel] = model.LabelValue(t.Exporter)
		}
		if honors(t) {
			group = honoringGroup
		}
		group.Targets = append(group.Targets, labels)
	}
	return map[string][]*targetgroup.Group{plain: {plainGroup}, honoring: {honoringGroup}}
}

// appendable gives each scrape what takes its samples.
type appendable struct {
	scraper *Scraper
	to      Store
}

// AppenderV2 implements storage.AppendableV2.
func (a *appendable) AppenderV2(ctx context.Context) storage.AppenderV2 {
	id, within := "", ""
	if t, ok := promscrape.TargetFromContext(ctx); ok {
		id, within = t.GetValue(idLabel), t.GetValue(withinLabel)
	}
	return a.to.Appender(ctx, id, a.scraper.names.keeper(within))
}

// Status is how the newest scrape of a target went.
type Status struct {
	Target string // its ID
	Up     bool   // false also before the first scrape
	At     time.Time
	Took   time.Duration
	Err    error
}

// Status returns that of each target that is scraped, by ID.
func (s *Scraper) Status() []Status {
	var all []Status
	for _, targets := range s.manager.TargetsActive() {
		for _, t := range targets {
			all = append(all, Status{Target: t.GetValue(idLabel), Up: t.Health() == promscrape.HealthGood, At: t.LastScrape(), Took: t.LastScrapeDuration(), Err: reason(t.LastError())})
		}
	}
	slices.SortFunc(all, func(a, b Status) int { return cmp.Compare(a.Target, b.Target) })
	return all
}

// reason is that of a failed scrape, without what is the relay's about it.
func reason(err error) error {
	if err == nil {
		return nil
	}
	if of, relayed := strings.CutPrefix(err.Error(), fmt.Sprintf("server returned HTTP status %d ", statusFailed)); relayed {
		return errors.New(of)
	}
	if asked := (*url.Error)(nil); errors.As(err, &asked) { // its URL is that of the relay
		return asked.Err
	}
	return err
}
