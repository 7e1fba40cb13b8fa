package bench

import (
	"slices"
	"time"
)

// Sample is what one path did in one turn.
type Sample struct {
	Latencies []time.Duration // of the requests that succeeded
	Failed    int
	LastError string
	Slowest   time.Duration // of all requests, those that failed included
	Took      time.Duration // wall time of the turn
}

// Summary sums up the turns of one path.
type Summary struct {
	Requests, Failed int
	LastError        string
	P50, P99, Max    time.Duration
	PerSecond        float64
	Took             time.Duration
	TurnP50          []time.Duration // of each turn
}

// Summarize merges samples.
func Summarize(samples []Sample) Summary {
	var s Summary
	var all []time.Duration
	for _, one := range samples {
		all = append(all, one.Latencies...)
		s.Failed += one.Failed
		if one.LastError != "" {
			s.LastError = one.LastError
		}
		s.Took += one.Took
		turn := slices.Clone(one.Latencies)
		slices.Sort(turn)
		s.TurnP50 = append(s.TurnP50, Quantile(turn, 0.5))
	}
	slices.Sort(all)
	s.Requests = len(all)
	s.P50, s.P99, s.Max = Quantile(all, 0.5), Quantile(all, 0.99), Quantile(all, 1)
	if s.Took > 0 {
		s.PerSecond = float64(len(all)) / s.Took.Seconds()
	}
	return s
}

// Quantile is the smallest value that at least the share q of sorted does not
// exceed (nearest rank); 0 without values.
func Quantile(sorted []time.Duration, q float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	rank := int(q*float64(len(sorted)) + 0.999999)
	return sorted[min(max(rank, 1), len(sorted))-1]
}

// Ratio compares two paths that took turns: the median of the turns' ratios, each
// of two medians that were measured one right after the other, and the least and
// the greatest, which show how much is noise. Zeros without a turn in which both
// answered.
func Ratio(of, to Summary) (median, least, most float64) {
	var ratios []float64
	for i := range min(len(of.TurnP50), len(to.TurnP50)) {
		if of.TurnP50[i] > 0 && to.TurnP50[i] > 0 {
			ratios = append(ratios, float64(of.TurnP50[i])/float64(to.TurnP50[i]))
		}
	}
	if len(ratios) == 0 {
		return 0, 0, 0
	}
	slices.Sort(ratios)
	return ratios[(len(ratios)-1)/2], ratios[0], ratios[len(ratios)-1]
}
