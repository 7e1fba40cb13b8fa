package demo

import (
	"fmt"
	"math"
	"strings"
	"time"
	"unicode/utf8"
)

// Size of a frame, in characters.
type Size struct{ Width, Height int }

const (
	legend     = 36 // columns before a plot
	plotStep   = 2  // observations for each character
	leastWidth = 60
)

// Frame draws the newest moment of the history and its past in at most
// size.Height lines, none longer than size.Width.
func Frame(history []Observation, events []Event, size Size) []string {
	if len(history) == 0 {
		return nil
	}
	width := max(size.Width, leastWidth)
	now := history[len(history)-1]
	title := "Loadline demo   " + clock(now.At)
	if !now.Clock.IsZero() { // by which schedules begin and end
		title += now.Clock.UTC().Format("   15:04:05 UTC")
	}
	lines := []string{title + "   " + now.Phase.String(), ""}
	lines = append(lines, loadLines(history, width)...)
	lines = append(lines, "")
	for i := range now.Scalers {
		lines = append(lines, scalerLines(history, i, width)...)
	}
	lines = append(lines, pad("")+fmt.Sprintf("(%s a character; full: twice the target)", plotStep*interval), "")
	lines = append(lines, newest(events, size.Height-len(lines))...)
	for i, line := range lines {
		lines[i] = cut(line, size.Width)
	}
	return lines[:min(len(lines), max(size.Height, 0))]
}

func loadLines(history []Observation, width int) []string {
	var lines []string
	at := len(history) - 1
	for i, load := range history[at].Loads {
		values := series(len(history), width-legend, plotStep, func(j int) float64 {
			v, ok := rate(history, j, i)
			if !ok {
				return math.NaN()
			}
			return v
		})
		now := "-"
		if v, ok := rate(history, at, i); ok {
			now = number(v)
		}
		text := fmt.Sprintf("%-16s %s/s of %s/s", load.Name, now, number(load.Asked))
		lines = append(lines, pad(text)+Plot(values, highest(values, load.Asked)))
	}
	return lines
}

// scalerLines draws value, minimum and replicas of one scaler. The top of the value's
// plot is twice the target or more, so that one can see when it was near it.
func scalerLines(history []Observation, i, width int) []string {
	s := history[len(history)-1].Scalers[i]
	of := func(value func(Scaler) float64) []float64 {
		return series(len(history), width-legend, plotStep, func(j int) float64 {
			if i >= len(history[j].Scalers) {
				return math.NaN()
			}
			return value(history[j].Scalers[i])
		})
	}
	values := of(func(s Scaler) float64 {
		if !s.Known {
			return math.NaN()
		}
		return s.Value
	})
	ready := of(func(s Scaler) float64 { return float64(s.Ready) })
	value := "no value"
	switch {
	case s.Known:
		value = s.compared()
	case s.condition(active).True: // it only moved the size into its bounds
		value = "not read at the last look"
	}
	floors := of(func(s Scaler) float64 { return float64(s.Min) })
	replicas := fmt.Sprintf("%d ready, %d wanted (%d-%d)", s.Ready, s.Desired, s.Policy.Min, s.Max)
	return []string{
		s.Name + "  " + s.Metric,
		pad("  "+value) + Plot(values, 2*s.Target),
		pad("  "+s.minimum()) + Plot(floors, float64(s.Max)),
		pad("  "+replicas) + Plot(ready, float64(s.Max)),
	}
}

// newest returns the last n events, oldest first.
func newest(events []Event, n int) []string {
	n = min(max(n, 0), len(events))
	var lines []string
	for _, e := range events[len(events)-n:] {
		lines = append(lines, e.String())
	}
	return lines
}

// String is the event with its time.
func (e Event) String() string { return clock(e.At) + "  " + e.Text }

// Status says in one line how things are.
func Status(o Observation) string {
	parts := []string{clock(o.At)}
	for _, s := range o.Scalers {
		value := "-"
		if s.Known {
			value = number(s.Value)
		}
		part := fmt.Sprintf("%s %s/%s, %d of %d ready", s.Name, value, number(s.Target), s.Ready, s.Desired)
		if s.holder() != "" {
			part += ", " + s.minimum()
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, "  ")
}

func clock(d time.Duration) string {
	seconds := int(d / time.Second)
	return fmt.Sprintf("%d:%02d", seconds/60, seconds%60)
}

// pad fills a text up to where the plots begin.
func pad(text string) string {
	text = cut(text, legend-1)
	return text + strings.Repeat(" ", legend-utf8.RuneCountInString(text))
}

// cut shortens a line to n characters. Terminals must not wrap it, and what it
// says comes from a cluster: nothing in it may move the cursor.
func cut(line string, n int) string {
	line = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return ' '
		}
		return r
	}, line)
	if utf8.RuneCountInString(line) <= n {
		return line
	}
	if n < 1 {
		return ""
	}
	return string([]rune(line)[:n-1]) + "…"
}
