package bench

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func ms(values ...int) []time.Duration {
	var out []time.Duration
	for _, v := range values {
		out = append(out, time.Duration(v)*time.Millisecond)
	}
	return out
}

func TestQuantile(t *testing.T) {
	hundred := make([]int, 100)
	for i := range hundred {
		hundred[i] = i + 1
	}
	for name, c := range map[string]struct {
		of   []time.Duration
		q    float64
		want time.Duration
	}{
		"nothing":                {nil, 0.5, 0},
		"one":                    {ms(7), 0.99, 7 * time.Millisecond},
		"lower of two":           {ms(1, 2), 0.5, time.Millisecond},
		"middle of three":        {ms(1, 2, 9), 0.5, 2 * time.Millisecond},
		"median of 100":          {ms(hundred...), 0.5, 50 * time.Millisecond},
		"99th of 100":            {ms(hundred...), 0.99, 99 * time.Millisecond},
		"greatest":               {ms(hundred...), 1, 100 * time.Millisecond},
		"99th of few is the max": {ms(1, 2, 3), 0.99, 3 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			if got := Quantile(c.of, c.q); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

func TestSummarize(t *testing.T) {
	samples := []Sample{
		{Latencies: ms(3, 1, 2), Took: time.Second},
		{Latencies: ms(10, 30, 20), Failed: 2, LastError: "late", Took: 2 * time.Second},
	}
	want := Summary{
		Requests: 6, Failed: 2, LastError: "late", P50: 3 * time.Millisecond, P99: 30 * time.Millisecond, Max: 30 * time.Millisecond,
		PerSecond: 2, Took: 3 * time.Second, TurnP50: ms(2, 20),
	}
	if diff := cmp.Diff(want, Summarize(samples)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(ms(3, 1, 2), samples[0].Latencies); diff != "" {
		t.Error("the input was changed:", diff)
	}
}

func TestRatio(t *testing.T) {
	type result struct{ Median, Least, Most float64 }
	for name, c := range map[string]struct {
		of, to Summary
		want   result
	}{
		"nothing": {Summary{}, Summary{}, result{}},
		"a turn that others disturbed": {
			Summary{P50: 30, TurnP50: []time.Duration{20, 40, 30}},
			Summary{P50: 20, TurnP50: []time.Duration{20, 20, 3}},
			result{2, 1, 10},
		},
		"lower of two": {
			Summary{TurnP50: []time.Duration{20, 40}},
			Summary{TurnP50: []time.Duration{20, 20}},
			result{1, 1, 2},
		},
		"turns without an answer": {
			Summary{TurnP50: []time.Duration{20, 40, 0}},
			Summary{TurnP50: []time.Duration{0, 20, 20}},
			result{2, 2, 2},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var got result
			got.Median, got.Least, got.Most = Ratio(c.of, c.to)
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestOrder(t *testing.T) {
	if diff := cmp.Diff([]int{0, 1, 2, 3}, order(0, 4)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]int{1, 0, 3, 2}, order(1, 4)); diff != "" {
		t.Error(diff)
	}
}
