package engine

import (
	"context"
	"errors"
	"math"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/common/promslog"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"
	"k8s.io/klog/v2"
)

// subqueryStep is the resolution of a subquery that does not give one: the evaluation
// interval that Prometheus has unless it is told otherwise.
const subqueryStep = time.Minute

// Engine is a source. It is safe for concurrent use. See Open.
type Engine struct {
	config Config
	promql *promql.Engine
	parser parser.Parser
	steady *steady
	head   atomic.Pointer[head]

	exchange sync.Mutex     // of heads, and the count of those who use one
	closing  sync.WaitGroup // heads that are no longer the present one
}

// Open returns an engine that holds nothing. Close has to be called.
func Open(c Config) (*Engine, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	c = c.withDefaults()
	if err := os.MkdirAll(c.Dir, 0o700); err != nil {
		return nil, err
	}
	e := &Engine{config: c, parser: parser.NewParser(parser.Options{}), steady: newSteady(c.Now, c.Elapsed)}
	e.promql = promql.NewEngine(promql.EngineOpts{
		Logger: promslog.NewNopLogger(), MaxSamples: c.MaxSamples, Timeout: c.Timeout, LookbackDelta: c.Lookback,
		EnableAtModifier: true, EnableNegativeOffset: true, Parser: e.parser,
		NoStepSubqueryIntervalFn: func(int64) int64 { return subqueryStep.Milliseconds() },
	})
	h, err := openHead(&c, 1)
	if err != nil {
		return nil, err
	}
	e.head.Store(h)
	return e, nil
}

// Close forgets everything. There must be no appenders any more, and no queries.
func (e *Engine) Close() error {
	e.closing.Wait()
	return errors.Join(e.head.Load().close(), os.RemoveAll(e.config.Dir))
}

// Run forgets what is too old, until ctx ends.
func (e *Engine) Run(ctx context.Context) {
	ticker := time.NewTicker(forgetEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		if err := e.forget(); err != nil {
			klog.FromContext(ctx).Error(err, "Cannot forget old samples")
		}
	}
}

// forget drops what queries do not look back at any more. If there are samples of a later
// time it drops everything: nothing newer than what is there could come for as long.
func (e *Engine) forget() error {
	e.exchange.Lock()
	defer e.exchange.Unlock()
	now, h := e.config.Now(), e.head.Load()
	if newest := h.MaxTime(); newest != math.MinInt64 && time.UnixMilli(newest).Sub(now) > backwards {
		return e.replace(h)
	}
	h.forget(now.Add(-2 * time.Minute))
	return h.Truncate(now.Add(-e.config.Retention - slack).UnixMilli())
}

// replace puts an empty head in the place of old, which is closed when nobody uses it any
// more. What is appended to that meanwhile is lost.
func (e *Engine) replace(old *head) error {
	next, err := openHead(&e.config, uint16(old.generation>>generationBits)+1)
	if err != nil {
		return err
	}
	e.head.Store(next)
	e.closing.Go(func() {
		old.users.Wait()
		if err := old.close(); err != nil {
			klog.Background().Error(err, "Cannot close what held samples of before")
		}
	})
	return nil
}

// use is the present head, which stays open until its users are done.
func (e *Engine) use() *head {
	e.exchange.Lock()
	defer e.exchange.Unlock()
	e.follow()
	h := e.head.Load()
	h.users.Add(1)
	return h
}

// follow drops everything if the clock was set: a rate over that would be wrong, and after a
// setting back nothing new would be taken. e.exchange is held.
func (e *Engine) follow() {
	by := e.steady.set()
	if by == 0 {
		return
	}
	klog.Background().Info("The clock was set; what was scraped before is dropped", "by", by)
	if err := e.replace(e.head.Load()); err != nil {
		klog.Background().Error(err, "Cannot drop what was scraped before the clock was set")
	}
}

// Appender takes the samples of one scrape of a target, which is called by a name of the
// caller's. keep chooses series by their names; those that are held and that it does not
// choose any more end. It has to be committed or rolled back.
//
// A sample of a later time than now is one of now.
//
// Where there is no room, samples of a target that is new fail with an error, so that the
// scrape of it does; those of new series of a target that is held are
// storage.ErrOutOfBounds, by which a scrape leaves them out. Holding tells of both.
func (e *Engine) Appender(ctx context.Context, target string, keep func(name string) bool) storage.AppenderV2 {
	h := e.use()
	return &appender{AppenderV2: h.AppenderV2(ctx), engine: e, head: h, target: target, began: e.config.Now().UnixMilli(), keep: keep, done: sync.OnceFunc(h.users.Done)}
}

// End hides the samples up to a time of all series with these labels.
func (e *Engine) End(ctx context.Context, until time.Time, with map[string]string) error {
	var matchers []*labels.Matcher
	for name, value := range with {
		m, err := labels.NewMatcher(labels.MatchEqual, name, value)
		if err != nil {
			return err
		}
		matchers = append(matchers, m)
	}
	return e.head.Load().Delete(ctx, math.MinInt64, until.UnixMilli(), matchers...)
}

// Holding sums up what is held, and for whom there was no room.
func (e *Engine) Holding() Holding { return e.head.Load().holding() }

// Full says whether an error of a scrape is that there was no room for its target.
func Full(err error) bool { return errors.Is(err, errFull) }
