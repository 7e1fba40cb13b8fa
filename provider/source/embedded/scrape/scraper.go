package scrape

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
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

// withinLabel carries the namespace of a target that speaks for itself, and so for that only.
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
	filter  atomic.Pointer[wanted.Filter]
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
	s := &Scraper{config: c, to: to, dialer: newDialer(c), changed: make(chan struct{}, 1)}
	s.filter.Store(&wanted.Filter{})
	options := &promscrape.Options{
		PassMetadataInContext:    true, // with it comes the target
		DiscoveryReloadInterval:  model.Duration(reloadInterval),
		DiscoveryReloadOnStartup: true,
		HTTPClientOptions: []promhttp.HTTPClientOption{
			promhttp.WithDialContextFunc(s.dialer.dial),
			promhttp.WithIdleConnTimeout(max(idleConnection, 3*c.Interval)),
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
// not block; a target that stays is scraped on at its own time. That others are kept takes an
// interval or so.
func (s *Scraper) Set(targets []target.Target, fence target.Fence, filter wanted.Filter) {
	s.mu.Lock()
	s.next = assignment{targets, fence, filter}
	if !filter.Same(*s.filter.Load()) {
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
	if s.settled.IsZero() && s.next.filter.Same(*s.filter.Load()) {
		s.settled = time.Now()
	}
}

// Run scrapes until ctx ends, and returns when the scrapes that are under way have ended.
func (s *Scraper) Run(ctx context.Context) error {
	first, err := s.config.prometheus(false, "")
	if err != nil {
		return fmt.Errorf("the configuration of the scrapes: %w", err)
	}
	if err := s.manager.ApplyConfig(first); err != nil {
		return fmt.Errorf("the configuration of the scrapes: %w", err)
	}
	sets := make(chan map[string][]*targetgroup.Group)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer s.manager.Stop()
	ended := make(chan error, 1)
	wg.Go(func() { ended <- s.manager.Run(sets) })
	var filtered time.Time // when the filter was changed last
	left := leavers{}
	var leave <-chan time.Time
	var again <-chan time.Time
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-ended:
			return errors.Join(errors.New("the scrapes have ended"), err)
		case <-s.changed:
		case <-again:
		case <-leave:
			if err := s.end(ctx, left.gone(time.Now())); err != nil {
				klog.FromContext(ctx).Error(err, "Cannot end the series of targets that are gone")
			}
			leave = left.wait()
			continue
		}
		next := s.assignment()
		again = nil
		s.dialer.open(next.targets, next.fence)
		if wait := s.config.Interval - time.Since(filtered); !s.anew(next.filter) {
			s.filter.Store(new(next.filter))
		} else if wait > 0 {
			// What is wanted all at once, as at a start, is one change.
			again = time.After(wait)
		} else if err := s.keep(next.filter); err != nil {
			klog.FromContext(ctx).Error(err, "Cannot change which series are kept")
		} else {
			filtered = time.Now()
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

// honors says whether a target's own labels stay.
func honors(t target.Target) bool { return t.Exporter != "" && t.Honor }

func (s *Scraper) assignment() assignment {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.next
}

// anew says whether all scrapes have to begin anew for a filter: only if it is another one of
// what anybody wants, by which they leave series out that they then remember.
func (s *Scraper) anew(filter wanted.Filter) bool { return !filter.SameOfAll(*s.filter.Load()) }

// keep changes which series are kept, and begins all scrapes anew.
func (s *Scraper) keep(filter wanted.Filter) error {
	config, err := s.config.prometheus(filter.All(), filter.Pattern())
	if err != nil {
		return err
	}
	s.filter.Store(&filter)
	return s.manager.ApplyConfig(config)
}

// groups are the targets as Prometheus has them, by pool. A pool without targets is there,
// or its targets would be scraped on.
func groups(targets []target.Target) map[string][]*targetgroup.Group {
	plainGroup, honoringGroup := &targetgroup.Group{Source: plain}, &targetgroup.Group{Source: honoring}
	for _, t := range targets {
		labels := model.LabelSet{
			idLabel:                model.LabelValue(t.ID()),
			model.AddressLabel:     model.LabelValue(t.Address.String()),
			model.SchemeLabel:      model.LabelValue(t.Scheme),
			model.MetricsPathLabel: model.LabelValue(t.Path),
			"namespace":            model.LabelValue(t.Namespace),
			"pod":                  model.LabelValue(t.Pod),
			"node":                 model.LabelValue(t.Node),
		}
		group := plainGroup
		if t.Exporter != "" {
			labels[model.JobLabel] = model.LabelValue(t.Exporter)
		} else {
			labels[withinLabel] = model.LabelValue(t.Namespace)
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
	filter := a.scraper.filter.Load()
	id, keep := "", filter.Keep
	if t, ok := promscrape.TargetFromContext(ctx); ok {
		id = t.GetValue(idLabel)
		if namespace := t.GetValue(withinLabel); namespace != "" {
			keep = filter.Within(namespace)
		}
	}
	return a.to.Appender(ctx, id, keep)
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
			all = append(all, Status{Target: t.GetValue(idLabel), Up: t.Health() == promscrape.HealthGood, At: t.LastScrape(), Took: t.LastScrapeDuration(), Err: t.LastError()})
		}
	}
	slices.SortFunc(all, func(a, b Status) int { return cmp.Compare(a.Target, b.Target) })
	return all
}
