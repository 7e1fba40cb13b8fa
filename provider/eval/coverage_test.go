package eval

import (
	"context"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"

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
	part := plan.Part{Names: []string{"p0", "p1"}}
	part.ObjectLabel = "pod"
	for name, tc := range map[string]struct {
		samples   []source.Sample
		selectors int
		shared    bool
		want      coverage
	}{
		"all":                         {samples(1), 1, false, covered},
		"more":                        {samples(1.5, 1), 2, false, covered},
		"a little less":               {samples(0.9), 1, false, covered},
		"less":                        {samples(0.89), 1, false, unknown},
		"one of two is less":          {samples(1, 0.5), 2, false, unknown},
		"one of two is not there":     {samples(1), 2, false, unknown},
		"no number":                   {samples(math.NaN()), 1, false, unknown},
		"nothing":                     {nil, 2, false, forgotten},
		"of objects the mean":         {objects(1, 0.81), 1, true, covered},
		"which is less":               {objects(1, 0.7), 1, true, unknown},
		"of what others ask, nothing": {objects(1, 1, 0), 1, true, covered},
		"and only of what others ask": {objects(1, 1, 0)[2:], 1, true, forgotten},
	} {
		t.Run(name, func(t *testing.T) {
			if got := judge(tc.samples, rule.Coverage{Selectors: tc.selectors, Label: "selector"}, &part, tc.shared); got != tc.want {
				t.Errorf("got %d, want %d", got, tc.want)
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
