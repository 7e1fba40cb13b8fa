package engine

import (
	"cmp"
	"errors"
	"fmt"
	"time"
)

// Defaults of Config.
const (
	DefaultRetention = 10 * time.Minute
	DefaultTimeout   = 10 * time.Second
	// 1 to 3 KB each, and as much again for garbage: deploy/base has the memory.
	DefaultMaxSeries = 200_000
	DefaultMaxValues = 20_000
	// A sample takes 16 bytes while a query looks at it.
	DefaultMaxSamples = 5_000_000

	// defaultLookback is PromQL's own.
	defaultLookback = 5 * time.Minute
	// slack is held besides what queries look back at: they are evaluated a moment after they
	// come, and forgetting waits for those that look at what is to be forgotten.
	slack = 30 * time.Second
	// forgetEvery is how often what is too old is forgotten.
	forgetEvery = 30 * time.Second
	// backwards is how far the clock may be set back without all being forgotten. For so long
	// nothing new is taken, for it would be older than what is there.
	backwards = 10 * time.Second
)

// Config says what is held, and what a query may cost. The zero value of every field but Dir
// is usable.
type Config struct {
	// Dir is a directory of our own, which Close removes. Nothing of what is in it is needed.
	Dir string
	// Retention is how far back queries may look, their lookback included.
	Retention time.Duration
	// Lookback is how old an instant selector's samples may be; 0 is PromQL's own, five
	// minutes.
	Lookback time.Duration
	// Timeout bounds a query, also when the caller's context has no or a later deadline.
	Timeout time.Duration
	// MaxSeries bounds the series that are held, those that have just ended among them.
	MaxSeries int
	// MaxSeriesPerTarget bounds those of one target; 0 for no bound but MaxSeries. It is for
	// targets whose series are others at each scrape.
	MaxSeriesPerTarget int
	// MaxValues bounds the values in the answer to a query, MaxSamples the samples that a query
	// has in memory at once.
	MaxValues, MaxSamples int
	// Now is the clock; time.Now if it is nil.
	Now func() time.Time
	// Elapsed is how much time has passed, however the clock is set; nil: what the monotonic
	// readings of Now tell.
	Elapsed func() time.Duration
	// Committed is told of each scrape whose samples can now be queried, also of one that only
	// says that series have ended; may be nil. It must not block.
	Committed func(target string)
}

func (c Config) withDefaults() Config {
	c.Retention = cmp.Or(c.Retention, DefaultRetention)
	c.Lookback = cmp.Or(c.Lookback, defaultLookback)
	c.Timeout = cmp.Or(c.Timeout, DefaultTimeout)
	c.MaxSeries = cmp.Or(c.MaxSeries, DefaultMaxSeries)
	c.MaxValues = cmp.Or(c.MaxValues, DefaultMaxValues)
	c.MaxSamples = cmp.Or(c.MaxSamples, DefaultMaxSamples)
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Committed == nil {
		c.Committed = func(string) {}
	}
	return c
}

// Validate returns everything that is wrong with the configuration.
func (c Config) Validate() error {
	c = c.withDefaults()
	var errs []error
	wrong := func(bad bool, format string, args ...any) {
		if bad {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	wrong(c.Dir == "", "the engine's directory is missing")
	wrong(c.Retention < time.Minute, "the retention must be at least a minute")
	wrong(c.Lookback < time.Millisecond, "the lookback must be at least a millisecond")
	wrong(c.Lookback >= c.Retention, "the retention (%s) must be longer than samples may be old (%s)", c.Retention, c.Lookback)
	wrong(c.Timeout < 0, "the time-out for queries must be positive")
	wrong(c.MaxSeries < 0 || c.MaxSeriesPerTarget < 0, "the bounds of the series must be positive")
	wrong(c.MaxValues < 0 || c.MaxSamples < 0, "the bounds of a query must be positive")
	return errors.Join(errs...)
}
