package plan

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/tsdb/chunks"
	"github.com/prometheus/prometheus/util/annotations"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/loadline/loadline/provider/metric"
	"github.com/loadline/loadline/provider/rule"
)

// The proof, tested by difference: series, queries and reads are made from bytes; what is
// shared is evaluated by the real engine, and each read has to find in the answer what its
// own query gives.

// choices makes decisions from bytes, and the first of all when these are used up.
type choices struct{ data []byte }

func (c *choices) of(n int) int {
	if len(c.data) == 0 {
		return 0
	}
	b := c.data[0]
	c.data = c.data[1:]
	return int(b) % n
}

func (c *choices) among(all ...string) string { return all[c.of(len(all))] }

// some are those of all that are chosen.
func (c *choices) some(all ...string) (out []string) {
	for _, s := range all {
		if c.of(2) == 1 {
			out = append(out, s)
		}
	}
	return out
}

// matchersHere is where a template has the matchers of the read.
const matchersHere = "<M>"

func (c *choices) selector() string {
	name := c.among("a", "b", "a_bucket", `{__name__=~"a|b"`)
	extra := c.among("", "", "", `,code="1"`, `,namespace!="z"`, `,pod=~"p|q"`, `,namespace="x"`)
	matchers := matchersHere
	if c.of(6) == 5 {
		matchers = `code=~".*"`
	}
	if strings.HasPrefix(name, "{") {
		return name + "," + matchers + extra + "}"
	}
	return name + "{" + matchers + extra + "}" + c.among("", "", "", " offset 1m", " offset -1m", " @ 600")
}

// vector is an expression with labels.
func (c *choices) vector(depth int) string {
	if depth == 0 {
		return c.selector()
	}
	inner := func() string { return c.vector(depth - 1) }
	switch c.of(9) {
	case 0:
		return c.selector()
	case 1:
		return c.among("rate", "increase", "sum_over_time", "last_over_time", "count_over_time", "deriv", "irate", "quantile_over_time(0.5,", "absent_over_time", "predict_linear") + "(" + strings.TrimSuffix(c.selector(), " @ 600") + "[5m])"
	case 2:
		return c.among("max_over_time", "avg_over_time", "rate") + "((" + inner() + ")[4m:1m])"
	case 3, 4:
		op := c.among("sum", "avg", "min", "max", "count", "group", "stddev", "quantile(0.5,", "topk(1,", "count_values(\"code\",", "bottomk(2,")
		by := c.among("by", "without") + " (" + strings.Join(c.some("pod", "namespace", "code", "le"), ",") + ")"
		if name, param, ok := strings.Cut(op, "("); ok {
			return fmt.Sprintf("%s %s (%s %s)", name, by, param, inner())
		}
		return fmt.Sprintf("%s %s (%s)", op, by, inner())
	case 5:
		match := c.among("", "on", "ignoring")
		if match != "" {
			match += "(" + strings.Join(c.some("pod", "namespace", "code", "le"), ",") + ")" + c.among("", "", "", " group_left()", " group_right(code)")
		}
		op := c.among("+", "-", "*", "/", "> bool", ">", "==", "and", "or", "unless", "%", "^")
		return fmt.Sprintf("(%s) %s %s (%s)", inner(), op, match, inner())
	case 6:
		if c.of(2) == 0 {
			return fmt.Sprintf("(%s) %s %s", inner(), c.among("+", "*", "/", ">", "< bool"), c.among("2", "0", "-1", "time()", "pi()", "(1+1)", "scalar("+c.selector()+")"))
		}
		return fmt.Sprintf("%s %s (%s)", c.among("2", "100", "time()"), c.among("-", "/", ">"), inner())
	case 7:
		return fmt.Sprintf(c.among("abs(%s)", "clamp_max(%s, 5)", "histogram_quantile(0.5, %s)", "round(%s, 0.1)", "timestamp(%s)", "sort(%s)", "absent(%s)",
			`label_replace(%s, "pod", "p", "code", "1")`, `label_replace(%s, "namespace", "x", "", "")`, "ceil(%s)", "sgn(%s)", "hour(%s)", "histogram_sum(%s)"), inner())
	}
	return c.among("-", "", "+") + "(" + inner() + ")" + c.among("", "", " or vector(0)")
}

// series are some of a few names and labels.
func (c *choices) series(end time.Time) memory {
	var m memory
	for _, name := range []string{"a", "b", "a_bucket"} {
		for _, ns := range []string{"x", "y", "z", ""} {
			for _, pod := range []string{"p", "q", "r", ""} {
				for _, code := range []string{"1", "2"} {
					if c.of(3) == 0 {
						continue
					}
					l := labels.NewBuilder(labels.FromStrings("__name__", name, "code", code))
					for label, value := range map[string]string{"namespace": ns, "pod": pod} {
						if value != "" {
							l.Set(label, value)
						}
					}
					if name == "a_bucket" {
						l.Set("le", map[string]string{"1": "0.5", "2": "+Inf"}[code]).Del("code")
					}
					m = append(m, storage.NewListSeries(l.Labels(), c.samples(end)))
				}
			}
		}
	}
	return m
}

func (c *choices) samples(end time.Time) (out []chunks.Sample) {
	v := float64(c.of(8))
	for at := end.Add(-10 * time.Minute); !at.After(end); at = at.Add(time.Minute) {
		switch c.of(12) {
		case 0: // a scrape that was missed
			continue
		case 1:
			v = 0
		case 2:
			v += 0.25
		default:
			v += float64(c.of(4))
		}
		out = append(out, sample{at.UnixMilli(), v})
	}
	if c.of(24) == 23 && len(out) > 0 {
		out[len(out)-1] = sample{out[len(out)-1].T(), math.NaN()}
	}
	return out
}

// sample is one number at a time.
type sample struct {
	t int64
	v float64
}

func (s sample) T() int64                    { return s.t }
func (sample) ST() int64                     { return 0 }
func (s sample) F() float64                  { return s.v }
func (sample) H() *histogram.Histogram       { return nil }
func (sample) FH() *histogram.FloatHistogram { return nil }
func (sample) Type() chunkenc.ValueType      { return chunkenc.ValFloat }
func (s sample) Copy() chunks.Sample         { return s }

// reads are some that one rule is asked for.
func (c *choices) reads() (out []rule.QueryInput) {
	out = append(out, rule.QueryInput{Namespace: "x", Names: []string{"p"}})
	for range 1 + c.of(5) {
		names := c.some("p", "q", "r")
		if len(names) == 0 {
			names = []string{"p", "q"}
		}
		out = append(out, rule.QueryInput{Namespace: c.among("x", "y", "z"), Names: names, Series: c.among("", "1", "2")})
	}
	return out
}

// template is a Renderer of a text; the value of Series, if any, is that of the label code.
type template struct {
	text     string
	external bool
}

func (template) ID() string { return "rules[0]" }

func (t template) Query(_ rule.Mapper, in rule.QueryInput) (rule.Query, error) {
	q := rule.Query{Given: []rule.Given{{Label: "namespace", Values: []string{in.Namespace}}}}
	if in.Series != "" {
		q.Given = append([]rule.Given{{Label: "code", Values: []string{in.Series}}}, q.Given...)
	}
	if !t.external {
		q.ObjectLabel = "pod"
		q.Given = append(q.Given, rule.Given{Label: "pod", Values: in.Names, Objects: true})
	}
	texts := make([]string, len(q.Given))
	for i, g := range q.Given {
		texts[i] = g.Matcher().String()
	}
	expr, err := rule.NewParser().ParseExpr(strings.ReplaceAll(t.text, matchersHere, strings.Join(texts, ",")))
	if err != nil {
		return rule.Query{}, err
	}
	q.PromQL, q.Expr = expr.String(), expr
	return q, nil
}

// random are as many choices as a query with its series and reads takes.
func random(r *rand.Rand) []byte {
	data := make([]byte, 1500)
	for i := range data {
		data[i] = byte(r.Uint32())
	}
	return data
}

// A read finds in a shared answer what its own query gives, and in the answers to its pieces
// as well, for queries and series of many kinds.
func TestSharedIsAsAlone(t *testing.T) {
	engine := newEngine()
	r := rand.New(rand.NewPCG(1, 2))
	shared, failed, with, divided := 0, 0, 0, 0
	for range 4000 {
		n, f, d := checkShared(t, engine, random(r))
		shared, failed, divided = shared+n, failed+f, divided+d
		if n > 0 {
			with++
		}
		if t.Failed() {
			return
		}
	}
	t.Logf("of 4000 queries %d were shared, by %d reads, of which %d failed in company; %d were asked in pieces", with, shared, failed, divided)
	if with < 400 || failed < 20 || divided < 200 {
		t.Errorf("hardly any was")
	}
}

func FuzzSharedIsAsAlone(f *testing.F) {
	engine := newEngine()
	f.Add([]byte("a query"))
	// What is mutated has to be long enough for nested queries and many series.
	r := rand.New(rand.NewPCG(3, 4))
	for range 50 {
		f.Add(random(r))
	}
	f.Fuzz(func(t *testing.T, data []byte) { checkShared(t, engine, data) })
}

// checkShared plans reads and compares. It returns how many were shared, how many failed in
// company, and how many were asked in pieces.
func checkShared(t *testing.T, engine *promql.Engine, data []byte) (shared, failed, divided int) {
	c := &choices{data: data}
	end := time.Unix(1200, 0)
	made := template{external: c.of(4) == 3}
	made.text = c.vector(1 + c.of(3))
	if c.of(3) > 0 && !made.external {
		made.text = "sum by (pod) (" + made.text + ")"
	}
	limits := Limits{Names: 1 + c.of(4), Values: 1 + c.of(30), Reads: 1 + c.of(8), Count: func(schema.GroupResource, string) (int, bool) { return 1 + c.of(6), c.of(3) > 0 }}
	if c.of(3) > 0 {
		limits = DefaultLimits()
	}
	var wants []Want
	for i, in := range c.reads() {
		w := Want{ID: metric.Identifier{Metric: fmt.Sprint(i), Namespace: in.Namespace}, Rule: made, Series: in.Series, Names: in.Names, Elements: c.of(8)}
		if made.external {
			w.ID.API, w.Names = metric.External, nil
		}
		wants = append(wants, w)
	}
	store := c.series(end)
	var check func(q Query)
	check = func(q Query) {
		if !q.Shared() {
			if checkPieces(t, engine, store, end, &q) {
				divided++
			}
			return
		}
		shared += len(q.Parts)
		answer, err := store.query(engine, q.PromQL, end)
		if err != nil {
			failed += len(q.Parts)
			first, second := q.Split()
			check(first)
			check(second)
			return
		}
		for _, p := range q.Parts {
			alone, err := store.query(engine, p.PromQL, end)
			if err != nil {
				t.Errorf("%s\nfails alone and not in company: %v\n%s", p.PromQL, err, q.PromQL)
				continue
			}
			if diff := cmp.Diff(alone.texts(nil), answer.of(&q, &p)); diff != "" {
				t.Errorf("(-alone +shared)\n%s\n%s\n%s\n%v", p.PromQL, q.PromQL, diff, store.texts())
			}
		}
	}
	plan := Make(wants, nil, limits)
	answered := map[metric.Identifier]int{}
	for _, q := range plan.Queries {
		for _, id := range q.For {
			answered[id]++
		}
		check(q)
	}
	for _, w := range wants {
		if err := plan.Failed[w.ID]; err == nil && answered[w.ID] != 1 {
			t.Errorf("%s is answered by %d queries", w.ID, answered[w.ID])
		}
	}
	return shared, failed, divided
}

// checkPieces compares the answers to a query's pieces, and to their halves, with its own. None
// of them may fail where it does not. Where it fails and they do not, it failed for the company
// of its objects, and what they give must be what each object gets by itself. It returns whether
// there are any.
func checkPieces(t *testing.T, engine *promql.Engine, store memory, end time.Time, q *Query) bool {
	var halves []Piece
	for _, p := range q.Pieces() {
		if first, second, ok := p.Halves(); ok {
			halves = append(halves, first, second)
		} else {
			halves = append(halves, p)
		}
	}
	if len(halves) == 1 {
		return false
	}
	alone, failure := store.query(engine, q.PromQL, end)
	for _, pieces := range [][]Piece{q.Pieces(), halves} {
		var all answer
		var asked []string
		var err error
		for _, p := range pieces {
			a, e := store.query(engine, p.PromQL, end)
			all, err, asked = append(all, a...), errors.Join(err, e), append(asked, p.PromQL)
		}
		if failure != nil && err == nil {
			if alone, failure = one(t, engine, store, end, pieces); failure != nil {
				t.Errorf("%s\n%q\nan object fails by itself, and no piece does: %v", q.PromQL, asked, failure)
				return true
			}
		}
		if err != nil && failure == nil {
			t.Errorf("%s\n%q\nit fails in pieces only: %v", q.PromQL, asked, err)
			return true
		}
		if diff := cmp.Diff(alone.texts(nil), all.texts(nil)); err == nil && diff != "" {
			t.Errorf("(-alone +pieces)\n%s\n%q\n%s\n%v", q.PromQL, asked, diff, store.texts())
		}
	}
	return true
}

// one asks for each object of the pieces by itself.
func one(t *testing.T, engine *promql.Engine, store memory, end time.Time, pieces []Piece) (all answer, err error) {
	t.Helper()
	for _, p := range pieces {
		for _, single := range p.divide(len(p.names)) {
			a, e := store.query(engine, single.PromQL, end)
			all, err = append(all, a...), errors.Join(err, e)
		}
	}
	return all, err
}

// of are the elements for one part, as its own query would give them.
func (a answer) of(q *Query, p *Part) []string {
	var own answer
	for _, s := range a {
		if q.Key(s.Metric.Get) != q.PartKey(p) {
			continue
		}
		if p.ObjectLabel != "" && !slices.Contains(p.Names, s.Metric.Get(p.ObjectLabel)) {
			continue
		}
		own = append(own, s)
	}
	return own.texts(q.Added())
}

// answer is that of an instant query.
type answer promql.Vector

// texts are its elements without some labels, in an order.
func (a answer) texts(without []string) []string {
	out := []string{}
	for _, s := range a {
		out = append(out, fmt.Sprintf("%s %v", labels.NewBuilder(s.Metric).Del(without...).Labels(), s.F))
	}
	slices.Sort(out)
	return out
}

func newEngine() *promql.Engine {
	return promql.NewEngine(promql.EngineOpts{MaxSamples: 1e6, Timeout: time.Minute, EnableAtModifier: true, EnableNegativeOffset: true, Parser: rule.NewParser()})
}

// memory is a store of series.
type memory []*storage.SeriesEntry

func (m memory) texts() (out []string) {
	for _, s := range m {
		out = append(out, s.Labels().String())
	}
	return out
}

func (m memory) query(engine *promql.Engine, query string, at time.Time) (answer, error) {
	q, err := engine.NewInstantQuery(context.Background(), m, nil, query, at)
	if err != nil {
		return nil, err
	}
	defer q.Close()
	r := q.Exec(context.Background())
	if r.Err != nil {
		return nil, r.Err
	}
	v, ok := r.Value.(promql.Vector)
	if !ok {
		return nil, errors.New("no vector")
	}
	out := make(answer, len(v))
	copy(out, v)
	return out, nil
}

func (m memory) Querier(int64, int64) (storage.Querier, error) { return querier{m}, nil }

type querier struct{ memory }

func (querier) LabelValues(context.Context, string, *storage.LabelHints, ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	return nil, nil, nil
}

func (querier) LabelNames(context.Context, *storage.LabelHints, ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	return nil, nil, nil
}

func (querier) Close() error { return nil }

func (q querier) Select(_ context.Context, sorted bool, _ *storage.SelectHints, matchers ...*labels.Matcher) storage.SeriesSet {
	set := &seriesSet{at: -1}
	for _, s := range q.memory {
		l := s.Labels()
		if !slices.ContainsFunc(matchers, func(m *labels.Matcher) bool { return !m.Matches(l.Get(m.Name)) }) {
			set.series = append(set.series, s)
		}
	}
	if sorted {
		slices.SortFunc(set.series, func(a, b storage.Series) int { return labels.Compare(a.Labels(), b.Labels()) })
	}
	return set
}

type seriesSet struct {
	series []storage.Series
	at     int
}

func (s *seriesSet) Next() bool                      { s.at++; return s.at < len(s.series) }
func (s *seriesSet) At() storage.Series              { return s.series[s.at] }
func (*seriesSet) Err() error                        { return nil }
func (*seriesSet) Warnings() annotations.Annotations { return nil }
