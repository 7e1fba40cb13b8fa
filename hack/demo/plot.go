package demo

import (
	"math"
	"strings"
)

// bars are the heights of a plot, from next to nothing to full.
const bars = "▁▂▃▄▅▆▇█"

// Plot draws values, oldest first, one character each. top is what a full
// character stands for, and higher values look the same. NaN is a gap.
func Plot(values []float64, top float64) string {
	levels := []rune(bars)
	var b strings.Builder
	for _, v := range values {
		switch {
		case math.IsNaN(v):
			b.WriteByte(' ')
		case top <= 0:
			b.WriteRune(levels[0])
		default:
			full := float64(len(levels) - 1)
			b.WriteRune(levels[int(min(max(math.Round(v/top*full), 0), full))])
		}
	}
	return b.String()
}

// series reduces a history of n moments to at most width values, the newest
// ones; every step-th counts, so that a plot moves evenly.
func series(n, width, step int, at func(i int) float64) []float64 {
	var values []float64
	if n == 0 {
		return nil
	}
	for i := (n - 1) / step * step; i >= 0 && len(values) < width; i -= step {
		values = append(values, at(i))
	}
	for i, j := 0, len(values)-1; i < j; i, j = i+1, j-1 {
		values[i], values[j] = values[j], values[i]
	}
	return values
}

// highest returns the greatest value, NaN aside; at least floor.
func highest(values []float64, floor float64) float64 {
	for _, v := range values {
		if v > floor {
			floor = v
		}
	}
	return floor
}
