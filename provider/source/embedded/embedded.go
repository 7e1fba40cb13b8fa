// Package embedded is a metrics source within the adapter: it scrapes pods itself, and holds
// and evaluates their newest samples, where no Prometheus is to be asked.
//
// It is Prometheus' own libraries, put together: scrape takes samples of the targets that
// target chooses, of which wanted says what is kept, and engine holds and evaluates them.
// cadence says when there is something new to evaluate.
package embedded

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/loadline/loadline/provider/source/embedded/cadence"
	"github.com/loadline/loadline/provider/source/embedded/engine"
	"github.com/loadline/loadline/provider/source/embedded/scrape"
	"github.com/loadline/loadline/provider/source/embedded/target"
	"github.com/loadline/loadline/provider/source/embedded/wanted"
)

// Config of a Source.
type Config struct {
	Engine engine.Config
	Scrape scrape.Config
}

// Validate returns everything that is wrong with the configuration.
func (c Config) Validate() error { return errors.Join(c.Engine.Validate(), c.Scrape.Validate()) }

// Source is a source that scrapes. It is safe for concurrent use. See New.
type Source struct {
	*engine.Engine
	scraper *scrape.Scraper
	cadence *cadence.Cadence
}

// New returns a source that knows nothing, and does nothing until Run.
func New(c Config) (*Source, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	rounds := cadence.New(c.Scrape.Every(), time.Now())
	told := c.Engine.Committed
	c.Engine.Committed = func(id string) {
		namespace, _ := target.PodOf(id)
		rounds.Committed(namespace, time.Now())
		if told != nil {
			told(id)
		}
	}
	e, err := engine.Open(c.Engine)
	if err != nil {
		return nil, err
	}
	s, err := scrape.New(c.Scrape, e)
	if err != nil {
		return nil, errors.Join(err, e.Close())
	}
	return &Source{Engine: e, scraper: s, cadence: rounds}, nil
}

// Run scrapes, and forgets what is too old, until ctx ends.
func (s *Source) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() { s.Engine.Run(ctx) })
	err := s.scraper.Run(ctx)
	cancel()
	return err
}

// Set has these targets scraped, in the sense of scrape.Scraper.Set.
func (s *Source) Set(targets []target.Target, fence target.Fence, filter wanted.Filter) {
	s.scraper.Set(targets, fence, filter)
}

// Settled is since when the series are kept that are to be, in the sense of
// scrape.Scraper.Settled.
func (s *Source) Settled() (since time.Time, ok bool) { return s.scraper.Settled() }

// Status is how the newest scrapes went.
func (s *Source) Status() []scrape.Status { return s.scraper.Status() }

// Follow calls evaluate whenever there are scrapes that are to be evaluated now, until ctx
// ends: about once an interval for the metrics of each namespace.
func (s *Source) Follow(ctx context.Context, evaluate func(cadence.Due)) {
	timer := time.NewTimer(s.cadence.Wait(time.Now()))
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		now := time.Now()
		if due := s.cadence.Due(now); due.Any() {
			evaluate(due)
		}
		timer.Reset(s.cadence.Wait(now))
	}
}
