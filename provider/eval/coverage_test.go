package eval

import (
	"context"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/loadline/loadline/provider/metric"
	"github.com/loadline/loadline/provider/plan"
	"github.com/loadline/loadline/provider/rule"
	"github.com/loadline/loadline/provider/source"
)

func TestJudge(t *testing.T) {
	// One for each selector.
	samples := func(values ...float64) (out []source.Sample) {
		for i, v := range values {
			out = append(out, sample(v, "selector", fmt.Sprint(i)))
		}
		return out
	}
	objects := func(values ...float64) (out []source.Sample) {
		for i, v := range values {
			out = append(out, sample(v, "selector", "0", "pod", fmt.Sprintf("p%d", i)))
		}
		return out
	}
	for name, tc := range map[string]struct {
		samples   []source.Sample
		selectors int
		want      coverage
	}{
		"all":                     {samples(1), 1, covered},
		"more":                    {samples(1.5, 1), 2, covered},
		"a little less":           {samples(0.9), 1, covered},
		"less":                    {samples(0.89), 1, unknown},
		"one of two is less":      {samples(1, 0.5), 2, unknown},
		"one of two is not there": {samples(1), 2, unknown},
		"no number":               {samples(math.NaN()), 1, unknown},
		"nothing":                 {nil, 2, forgotten},
		"of objects the mean":     {objects(1, 0.81), 1, covered},
		"which is less":           {objects(1, 0.7), 1, unknown},
	} {
		t.Run(name, func(t *testing.T) {
			if got := judge(tc.samples, rule.Coverage{Selectors: tc.selectors, Label: "selector"}); got != tc.want {
				t.Errorf("got %d, want %d", got, tc.want)
			}
		})
	}
}

// rates renders the query of a read of pods.
type rates struct{}

func (rates) ID() string { return "rules[0]" }

func (rates) Query(_ rule.Mapper, in rule.QueryInput) (rule.Query, error) {
	q := rule.Query{ObjectLabel: "pod", Given: []rule.Given{{Label: "namespace", Values: []string{in.Namespace}}, {Label: "pod", Values: in.Names, Objects: true}}}
	q.PromQL = fmt.Sprintf("sum by (pod) (m{%s,%s})", q.Given[0].Matcher(), q.Given[1].Matcher())
	var err error
	q.Expr, err = rule.NewParser().ParseExpr(q.PromQL)
	return q, err
}

// Of an answer that several reads share each gets what is its own: nothing of others, and
// nothing of no object, which is there where names are left out.
func TestShare(t *testing.T) {
	var wants []plan.Want
	for _, ns := range []string{"x", "y"} {
		wants = append(wants, plan.Want{ID: metric.Identifier{Namespace: ns}, Rule: rates{}, Names: []string{"p0", "p1"}})
	}
	q := plan.Make(wants, nil, plan.DefaultLimits()).Queries[0]
	if !q.Shared() {
		t.Fatalf("%s is not shared", q.PromQL)
	}
	element := func(v float64, ns string, l ...string) source.Sample {
		return sample(v, append(l, "namespace", ns, "selector", "0")...)
	}
	others := []source.Sample{element(0, "x", "pod", "p2"), element(0, "x"), element(0, "y", "pod", "p0")}
	mine := []source.Sample{element(1, "x", "pod", "p0"), element(1, "x", "pod", "p1")}
	for name, tc := range map[string]struct {
		answer, want []source.Sample
		covers       coverage
	}{
		"of what others ask, nothing": {append(mine, others...), mine, covered},
		"and only of what others ask": {others, []source.Sample{}, forgotten},
	} {
		t.Run(name, func(t *testing.T) {
			got := share(source.Answer{Samples: tc.answer}, q)(&q.Parts[0])
			if diff := cmp.Diff(fmt.Sprint(tc.want), fmt.Sprint(got)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if c := judge(got, rule.Coverage{Selectors: 1, Label: "selector"}); c != tc.covers {
				t.Errorf("covers %d, want %d", c, tc.covers)
			}
		})
	}
}

// said is a source that says one thing.
type said struct {
	answer source.Answer
	err    error
}

func (s said) Query(context.Context, string) (source.Answer, error) { return s.answer, s.err }

// A part of the source tells nothing, neither by what is there nor by what is not.
func TestCoverageOfAPartOfTheSource(t *testing.T) {
	one := []source.Sample{{Labels: labels.FromStrings("selector", "0"), Value: 1}}
	for name, tc := range map[string]struct {
		source said
		want   coverage
	}{
		"everything":               {said{answer: source.Answer{Samples: one}}, covered},
		"everything, with warning": {said{answer: source.Answer{Samples: one, Warnings: []string{"a store is away"}}}, unknown},
		"nothing":                  {said{}, forgotten},
		"nothing, with warning":    {said{answer: source.Answer{Warnings: []string{"a store is away"}}}, unknown},
		"no answer":                {said{err: &source.Error{Kind: source.Timeout}}, unknown},
	} {
		t.Run(name, func(t *testing.T) {
			e := New(Options{Source: tc.source, Concurrency: 1, Now: time.Now, Metrics: NewMetrics(nil)})
			q := plan.Query{}
			q.PromQL = "sum(m)"
			if got := e.coverage(t.Context(), q, time.Minute)(&plan.Part{}); got != tc.want {
				t.Errorf("got %d, want %d", got, tc.want)
			}
		})
	}
}
