package eval

import (
	"math"
	"testing"

	"github.com/loadline/loadline/provider/source"
)

func TestJudge(t *testing.T) {
	samples := func(values ...float64) source.Answer {
		var a source.Answer
		for _, v := range values {
			a.Samples = append(a.Samples, source.Sample{Value: v})
		}
		return a
	}
	warned := source.Answer{Warnings: []string{"a store is away"}}
	for name, tc := range map[string]struct {
		answer    source.Answer
		selectors int
		want      coverage
	}{
		"all":                                   {samples(1), 1, covered},
		"more":                                  {samples(1.5, 1), 2, covered},
		"a little less":                         {samples(0.9), 1, covered},
		"less":                                  {samples(0.89), 1, unknown},
		"one of two is less":                    {samples(1, 0.5), 2, unknown},
		"one of two is not there":               {samples(1), 2, unknown},
		"no number":                             {samples(math.NaN()), 1, unknown},
		"nothing":                               {samples(), 2, forgotten},
		"nothing, from a part of the source":    {warned, 1, unknown},
		"everything, from a part of the source": {source.Answer{Samples: samples(1).Samples, Warnings: warned.Warnings}, 1, unknown},
	} {
		t.Run(name, func(t *testing.T) {
			if got := judge(tc.answer, tc.selectors); got != tc.want {
				t.Errorf("got %d, want %d", got, tc.want)
			}
		})
	}
}
