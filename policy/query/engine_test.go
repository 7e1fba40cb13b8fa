package query

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/tsdb/chunks"
	"github.com/prometheus/prometheus/util/annotations"
)

// now is when the tests' queries are evaluated.
var now = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// database is the source's data: the real engine reads it.
type database []storage.Series

func (d database) Querier(int64, int64) (storage.Querier, error) { return querier{d}, nil }

type querier struct{ database }

func (q querier) Select(_ context.Context, _ bool, _ *storage.SelectHints, matchers ...*labels.Matcher) storage.SeriesSet {
	set := &seriesSet{at: -1}
	for _, s := range q.database {
		if !slices.ContainsFunc(matchers, func(m *labels.Matcher) bool { return !m.Matches(s.Labels().Get(m.Name)) }) {
			set.series = append(set.series, s)
		}
	}
	return set
}

func (querier) LabelValues(context.Context, string, *storage.LabelHints, ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	return nil, nil, nil
}

func (querier) LabelNames(context.Context, *storage.LabelHints, ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	return nil, nil, nil
}

func (querier) Close() error { return nil }

type seriesSet struct {
	series []storage.Series
	at     int
}

func (s *seriesSet) Next() bool                        { s.at++; return s.at < len(s.series) }
func (s *seriesSet) At() storage.Series                { return s.series[s.at] }
func (s *seriesSet) Err() error                        { return nil }
func (s *seriesSet) Warnings() annotations.Annotations { return nil }

// sample is a float.
type sample struct {
	t int64
	v float64
}

func (s sample) ST() int64                     { return 0 }
func (s sample) T() int64                      { return s.t }
func (s sample) F() float64                    { return s.v }
func (s sample) H() *histogram.Histogram       { return nil }
func (s sample) FH() *histogram.FloatHistogram { return nil }
func (s sample) Type() chunkenc.ValueType      { return chunkenc.ValFloat }
func (s sample) Copy() chunks.Sample           { return s }

// only leaves out what is not of the namespace and cluster.
func (d database) only(namespace, cluster string) (out database) {
	for _, s := range d {
		if s.Labels().Get("namespace") == namespace && s.Labels().Get("cluster") == cluster {
			out = append(out, s)
		}
	}
	return out
}

// twoNamespaces is two hours of the same series in the namespaces shop and secret, of
// the cluster eu, in shop of the cluster us, and without a namespace. All have other
// values.
func twoNamespaces() (d database) {
	where := []labels.Labels{
		labels.FromStrings("namespace", "shop", "cluster", "eu"),
		labels.FromStrings("namespace", "secret", "cluster", "eu"),
		labels.FromStrings("namespace", "shop", "cluster", "us"),
		labels.FromStrings("cluster", "eu"),
		labels.FromStrings("exported_namespace", "shop", "namespace", "monitoring", "cluster", "eu"),
	}
	for i, base := range where {
		factor := float64(i*i*7 + 1)
		add := func(slope, level float64, more ...string) {
			b := labels.NewBuilder(base)
			for j := 0; j < len(more); j += 2 {
				b.Set(more[j], more[j+1])
			}
			var samples []chunks.Sample
			for at := -2 * time.Hour; at <= 0; at += 30 * time.Second {
				n := float64((at + 2*time.Hour) / (30 * time.Second))
				samples = append(samples, sample{now.Add(at).UnixMilli(), level*factor + slope*factor*n})
			}
			d = append(d, storage.NewListSeries(b.Labels(), samples))
		}
		for _, pod := range []string{"a", "b"} {
			add(30, 5, "__name__", "requests_total", "pod", pod, "code", "200")
			add(1, 2, "__name__", "requests_total", "pod", pod, "code", "500")
			add(0, 40, "__name__", "depth", "pod", pod, "queue", "mail")
			add(0, 1, "__name__", "up", "pod", pod)
		}
		for n, le := range []string{"0.1", "1", "+Inf"} {
			add(float64(10*(n+1)), 0, "__name__", "seconds_bucket", "le", le)
		}
		add(0, 1, "__name__", "target_info", "version", fmt.Sprint("v", i), "pod", "a")
		add(0, float64(100*i), "__name__", fmt.Sprintf("only_%d", i))
	}
	return d
}

// newEngine has everything switched on that a source can have.
func newEngine(t testing.TB) *promql.Engine {
	e := promql.NewEngine(promql.EngineOpts{
		MaxSamples: 50_000_000, Timeout: time.Minute, LookbackDelta: 5 * time.Minute,
		EnableAtModifier: true, EnableNegativeOffset: true,
		NoStepSubqueryIntervalFn: func(int64) int64 { return time.Minute.Milliseconds() },
		Parser: parser.NewParser(parser.Options{
			EnableExperimentalFunctions: true, ExperimentalDurationExpr: true, EnableExtendedRangeSelectors: true, EnableBinopFillModifiers: true,
		}),
	})
	t.Cleanup(func() { _ = e.Close() })
	return e
}

// element is one of a result.
type element struct {
	Labels string
	Value  string // as a text, so that NaN equals itself
}

// evaluate returns the elements in one order, or the error.
func evaluate(t testing.TB, e *promql.Engine, d database, query string) ([]element, error) {
	t.Helper()
	q, err := e.NewInstantQuery(t.Context(), d, nil, query, now)
	if err != nil {
		return nil, err
	}
	defer q.Close()
	result := q.Exec(t.Context())
	if result.Err != nil {
		return nil, result.Err
	}
	var out []element
	switch v := result.Value.(type) {
	case promql.Scalar:
		out = append(out, element{Value: fmt.Sprint(v.V)})
	case promql.Vector:
		for _, s := range v {
			out = append(out, element{Labels: s.Metric.String(), Value: fmt.Sprint(s.F)})
		}
	case promql.Matrix:
		for _, s := range v {
			out = append(out, element{Labels: s.Metric.String(), Value: fmt.Sprint(s.Floats)})
		}
	default:
		return nil, fmt.Errorf("%T", v)
	}
	slices.SortFunc(out, func(a, b element) int {
		return cmp.Or(cmp.Compare(a.Value, b.Value), cmp.Compare(a.Labels, b.Labels))
	})
	return out, nil
}

// values leaves the labels out.
func values(elements []element) []string {
	out := make([]string, len(elements))
	for i, e := range elements {
		out[i] = e.Value
	}
	return out
}
