package engine_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"
	"go.uber.org/goleak"

	"github.com/loadline/loadline/provider/source"
	"github.com/loadline/loadline/provider/source/embedded/engine"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// clock is set by hand.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Set(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = now
}

func (c *clock) Add(d time.Duration) { c.Set(c.Now().Add(d)) }

// world is an engine at a time of ours.
type world struct {
	*engine.Engine
	*clock
	t testing.TB
}

func open(t testing.TB, with ...func(*engine.Config)) *world {
	t.Helper()
	w := &world{clock: &clock{now: time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)}, t: t}
	c := engine.Config{Dir: t.TempDir(), Lookback: 150 * time.Second, Now: w.Now}
	for _, change := range with {
		change(&c)
	}
	var err error
	if w.Engine, err = engine.Open(c); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

func everything(string) bool { return true }

// scrape appends one sample each of series such as `a{b="c"} 1`, now. It returns the first
// error, of a series with its text, as a scrape that fails as a whole.
func (w *world) scrape(target string, keep func(string) bool, lines ...string) error {
	w.t.Helper()
	app := w.Appender(w.t.Context(), target, keep)
	for _, line := range lines {
		ls, values, err := parser.NewParser(parser.Options{}).ParseSeriesDesc(line)
		if err != nil {
			w.t.Fatal(err)
		}
		_, err = app.Append(0, ls, 0, w.Now().UnixMilli(), values[0].Value, nil, nil, storage.AOptions{})
		if errors.Is(err, storage.ErrOutOfBounds) || errors.Is(err, storage.ErrOutOfOrderSample) {
			continue // as the scrape loop does
		}
		if err != nil {
			if rollback := app.Rollback(); rollback != nil {
				w.t.Fatal(rollback)
			}
			return fmt.Errorf("%s: %w", line, err)
		}
	}
	return app.Commit()
}

func (w *world) must(target string, lines ...string) {
	w.t.Helper()
	if err := w.scrape(target, everything, lines...); err != nil {
		w.t.Fatal(err)
	}
}

// query returns the samples as texts, sorted.
func (w *world) query(promQL string) []string {
	w.t.Helper()
	answer, err := w.Query(w.t.Context(), promQL)
	if err != nil {
		w.t.Fatal(err)
	}
	var out []string
	for _, s := range answer.Samples {
		out = append(out, fmt.Sprintf("%s %v", s.Labels, s.Value))
		if !s.Time.Equal(w.Now()) {
			w.t.Errorf("%s is of %s, evaluated at %s", s.Labels, s.Time, w.Now())
		}
	}
	slices.Sort(out)
	return out
}

func TestQuery(t *testing.T) {
	w := open(t)
	for range 5 {
		w.Add(5 * time.Second)
		w.must("a", fmt.Sprintf(`requests_total{pod="a"} %d`, w.Now().Unix()%1000*2), `depth{pod="a"} 3`, `odd{pod="a"} NaN`)
	}
	for query, want := range map[string][]string{
		`depth`:                              {`{__name__="depth", pod="a"} 3`},
		`sum(depth) by (pod)`:                {`{pod="a"} 3`},
		`rate(requests_total[20s])`:          {`{pod="a"} 2`},
		`irate(requests_total[20s])`:         {`{pod="a"} 2`},
		`odd`:                                {`{__name__="odd", pod="a"} NaN`},
		`scalar(depth)`:                      {`{} 3`},
		`nothing`:                            nil,
		`depth offset 20s`:                   {`{__name__="depth", pod="a"} 3`},
		`depth offset 21s`:                   nil,
		`max_over_time(depth[1m:5s])`:        {`{pod="a"} 3`},
		`label_replace(depth,"x","y","","")`: {`{__name__="depth", pod="a", x="y"} 3`},
	} {
		if diff := cmp.Diff(want, w.query(query)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", query, diff)
		}
	}
}

func TestQueryFails(t *testing.T) {
	w := open(t, func(c *engine.Config) { c.MaxValues, c.MaxSamples = 2, 20 })
	w.must("a", `depth{pod="a"} 3`, `depth{pod="b"} 3`, `depth{pod="c"} 3`)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	late, cancelLate := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancelLate()
	for name, tc := range map[string]struct {
		ctx   context.Context
		query string
		kind  source.Kind
		text  string
	}{
		"no PromQL":           {nil, `rate(`, source.Rejected, "cannot be read"},
		"a range":             {nil, `depth[1m]`, source.Unusable, `the type "matrix"`},
		"a text":              {nil, `"a"`, source.Unusable, `the type "string"`},
		"many values":         {nil, `depth`, source.Oversized, "more than 2 values"},
		"many samples":        {nil, `count_over_time(vector(1)[1m:1s])`, source.Oversized, "too many samples"},
		"several for one":     {nil, `depth * on() depth`, source.Rejected, "many-to-many"},
		"a long range":        {nil, `rate(depth[11m])`, source.Rejected, "looks 11m0s back, and samples are held for 10m0s"},
		"an offset":           {nil, `sum(depth offset 8m)`, source.Rejected, "looks 10m30s back"},
		"a subquery":          {nil, `max_over_time(rate(depth[2m])[9m:1m])`, source.Rejected, "looks 11m0s back"},
		"a fixed time":        {nil, `depth @ 1`, source.Rejected, "back, and samples are held for"},
		"nobody waits":        {ended, `depth`, source.Canceled, "canceled"},
		"the deadline passed": {late, `depth`, source.Timeout, "too long"},
	} {
		t.Run(name, func(t *testing.T) {
			ctx := tc.ctx
			if ctx == nil {
				ctx = t.Context()
			}
			answer, err := w.Query(ctx, tc.query)
			if source.KindOf(err) != tc.kind || !strings.Contains(fmt.Sprint(err), tc.text) || answer.Samples != nil {
				t.Errorf("%v %v, want %s with %q", answer.Samples, err, tc.kind, tc.text)
			}
		})
	}
	if answer, err := w.QueryAtMost(t.Context(), "depth", 1); err != nil || len(answer.Samples) != 1 {
		t.Errorf("at most one: %v %v", answer, err)
	}
}

func TestStaleness(t *testing.T) {
	w := open(t)
	w.must("a", `a 1`, `b 1`)
	w.Add(5 * time.Second)
	w.must("a", fmt.Sprintf(`b %v`, 2))
	app := w.Appender(t.Context(), "a", everything) // a is gone
	if _, err := app.Append(0, labels.FromStrings("__name__", "a"), 0, w.Now().UnixMilli(), math.Float64frombits(value.StaleNaN), nil, nil, storage.AOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := app.Commit(); err != nil {
		t.Fatal(err)
	}
	if got := w.query("a"); got != nil {
		t.Errorf("what is gone is there: %v", got)
	}
	w.Add(150*time.Second - time.Millisecond)
	if got := w.query("b"); len(got) != 1 {
		t.Errorf("what is as old as it may be: %v", got)
	}
	w.Add(2 * time.Millisecond)
	if got := w.query("b"); got != nil {
		t.Errorf("what is too old is there: %v", got)
	}
}

func TestSeries(t *testing.T) {
	w := open(t)
	w.must("a", `old{x="1"} 1`)
	w.Add(2 * time.Minute)
	w.must("a", `a_total{pod="a"} 1`, `a_total{code="200",pod="b"} 1`, `b{namespace="n"} 1`, `{"c.d",pod="a"} 1`)
	for name, tc := range map[string]struct {
		selectors []string
		since     time.Duration
		want      []source.Series
	}{
		"one":          {[]string{`a_total`}, 0, []source.Series{{Name: "a_total", Labels: []string{"code", "pod"}}}},
		"by a label":   {[]string{`{pod="a"}`}, 0, []source.Series{{Name: "a_total", Labels: []string{"pod"}}, {Name: "c.d", Labels: []string{"pod"}}}},
		"of several":   {[]string{`b`, `a_total{code!=""}`, `b`}, 0, []source.Series{{Name: "a_total", Labels: []string{"code", "pod"}}, {Name: "b", Labels: []string{"namespace"}}}},
		"none":         {[]string{`nothing`}, 0, []source.Series{}},
		"at any time":  {[]string{`old`}, 0, []source.Series{{Name: "old", Labels: []string{"x"}}}},
		"long ago":     {[]string{`old`}, time.Minute, []source.Series{}},
		"not long ago": {[]string{`old`}, 3 * time.Minute, []source.Series{{Name: "old", Labels: []string{"x"}}}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := w.Series(t.Context(), tc.selectors, tc.since)
			if diff := cmp.Diff(tc.want, got); err != nil || diff != "" {
				t.Errorf("%v (-want +got):\n%s", err, diff)
			}
		})
	}
	if _, err := w.Series(t.Context(), []string{`{`}, 0); source.KindOf(err) != source.Rejected {
		t.Errorf("no selector: %v", err)
	}
}

func TestCommitted(t *testing.T) {
	var told []string
	w := open(t, func(c *engine.Config) { c.Committed = func(target string) { told = append(told, target) } })
	w.must("a", `a 1`)
	if err := w.scrape("b", func(string) bool { return false }, `a{x="1"} 1`); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"a"}, told); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}
	if got := w.query("a"); len(got) != 1 {
		t.Errorf("what is not kept is there: %v", got)
	}
}

func TestValidate(t *testing.T) {
	good := engine.Config{Dir: "d"}
	for name, tc := range map[string]struct {
		change func(*engine.Config)
		want   string
	}{
		"good":               {func(*engine.Config) {}, ""},
		"no directory":       {func(c *engine.Config) { c.Dir = "" }, "the engine's directory is missing"},
		"a short retention":  {func(c *engine.Config) { c.Retention, c.Lookback = time.Second, time.Millisecond }, "the retention must be at least a minute"},
		"a long lookback":    {func(c *engine.Config) { c.Lookback = time.Hour }, "the retention (10m0s) must be longer than samples may be old (1h0m0s)"},
		"a negative time":    {func(c *engine.Config) { c.Timeout = -1 }, "the time-out for queries must be positive"},
		"a negative ceiling": {func(c *engine.Config) { c.MaxSeries = -1 }, "the bounds of the series must be positive"},
		"negative values":    {func(c *engine.Config) { c.MaxValues = -1 }, "the bounds of a query must be positive"},
	} {
		t.Run(name, func(t *testing.T) {
			c := good
			tc.change(&c)
			got := ""
			if err := c.Validate(); err != nil {
				got = err.Error()
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	if _, err := engine.Open(engine.Config{}); err == nil {
		t.Error("a configuration that is wrong opens")
	}
}
