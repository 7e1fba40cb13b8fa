package demo

import (
	"flag"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files anew")

// story is a history of which a person can check the frame.
func story() ([]Observation, []Event) {
	var history []Observation
	var events []Event
	script := DefaultScript(0, 20*time.Second)
	ok, before := 0.0, Observation{Phase: -1}
	for i := range 80 {
		phase, asked := Warm, 5.0
		s := Scaler{Name: "remindmeweb", Metric: "http_requests_per_second", Unit: "a pod", Target: 20, Min: 2, Max: 6, Desired: 2, Replicas: 2, Ready: 2, Policy: Policy{Made: true, Min: 2}}
		worker := Scaler{Name: "remindme-worker", Metric: "reminder_queue_depth", Unit: "a pod", Target: 10, Min: 2, Max: 6, Desired: 2, Replicas: 2, Ready: 2, Policy: Policy{Made: true, Min: 2}}
		switch {
		case i < 10:
		case i < 30:
			s.Known, s.Value = true, 2.5
		default:
			phase, asked = Up, 150
			s.Known, s.Value = true, 75
			s.Desired, s.Replicas, s.Ready = 6, 6, min(6, 2+int32(i-30)/2)
			if i >= 60 {
				s.Value = 25
			}
		}
		ok += asked / 2
		o := Observation{
			At: time.Duration(i) * 500 * time.Millisecond, Phase: phase,
			Loads:   []Load{{Name: "pages", Asked: asked, OK: uint64(ok)}, {Name: "reminders", Asked: 1, OK: uint64(i / 2)}},
			Scalers: []Scaler{s, worker},
		}
		history, events, before = append(history, o), append(events, script.Tell(before, o)...), o
	}
	return history, events
}

// risingStory is a history in which a schedule's floor comes and is left again.
func risingStory() ([]Observation, []Event) {
	var history []Observation
	var events []Event
	script := DefaultScript(0, 20*time.Second)
	before, noon := Observation{Phase: -1}, time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	for i := range 60 {
		s := scaler(web, 2, 2, 2)
		s.Metric, s.Value = "http_requests_per_second", 2.5
		s.Policy.Conditions = []Condition{{"Held", false, "NotHeld", "the minimum is replicas.min"}}
		switch {
		case i >= 50:
			s.Min, s.Desired, s.Replicas, s.Ready = 4, 4, 4, 4
			s.Policy.Floors = []Floor{{Owner: "release", Value: 4}}
			s.Policy.Conditions = []Condition{{"Held", true, "Releasing", "min 4 is lowered step by step (schedule/rush has ended)"}}
		case i >= 20:
			s.Min, s.Desired, s.Replicas, s.Ready = 4, 4, 4, min(4, 2+int32(i-20)/4)
			s.Known, s.Conditions = i >= 40, []Condition{{Type: active, True: true, Reason: "ValidMetricFound"}}
			s.Policy.Floors = []Floor{{Owner: "schedule/rush", Value: 4, Until: noon.Add(time.Minute)}}
			s.Policy.Conditions = []Condition{{"Held", true, "Schedule", "min 4 until 12:01 by schedule rush"}}
		}
		at := time.Duration(i) * 500 * time.Millisecond
		o := Observation{At: at, Clock: noon.Add(at - 10*time.Second), Phase: Lost, Schedule: Span{10 * time.Second, 70 * time.Second}, Scalers: []Scaler{s}}
		history, events, before = append(history, o), append(events, script.Tell(before, o)...), o
	}
	return history, events
}

func TestFrame(t *testing.T) {
	history, events := story()
	rising, rises := risingStory()
	tests := map[string]struct {
		history []Observation
		events  []Event
		size    Size
	}{
		"usual":  {history, events, Size{80, 24}},
		"first":  {history[:1], events[:1], Size{80, 24}},
		"large":  {history, events, Size{120, 40}},
		"low":    {history, events, Size{80, 8}},
		"narrow": {history, events, Size{30, 16}},
		"unread": {rising[:40], rises[:len(rises)-1], Size{80, 24}},
		"rising": {rising[:50], rises[:len(rises)-1], Size{80, 24}},
		"left":   {rising, rises, Size{160, 24}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			lines := Frame(test.history, test.events, test.size)
			if len(lines) > test.size.Height {
				t.Errorf("%d lines, want %d at most", len(lines), test.size.Height)
			}
			for _, line := range lines {
				if n := utf8.RuneCountInString(line); n > test.size.Width {
					t.Errorf("%d characters, want %d at most: %q", n, test.size.Width, line)
				}
			}
			golden(t, name+".golden", strings.Join(lines, "\n")+"\n")
		})
	}
}

func golden(t *testing.T, file, got string) {
	t.Helper()
	path := filepath.Join("testdata", file)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Error(diff)
	}
}

func TestTable(t *testing.T) {
	golden(t, "table.golden", Table(Summarize(append(perfect()[:8:8], at(99, Down, scaler("web", 3, 3, 3))))))
}

// TestFrameOfNothing: sizes and histories that are next to nothing draw little
// rather than fail.
func TestFrameOfNothing(t *testing.T) {
	history, events := story()
	for _, size := range []Size{{}, {-1, -1}, {1, 1}, {0, 24}, {80, 0}} {
		for _, line := range Frame(history, events, size) {
			if n := utf8.RuneCountInString(line); n > max(size.Width, 0) {
				t.Errorf("%+v: %q", size, line)
			}
		}
	}
	if lines := Frame(nil, nil, Size{80, 24}); lines != nil {
		t.Error(lines)
	}
}

func TestPlot(t *testing.T) {
	tests := map[string]struct {
		values []float64
		top    float64
		want   string
	}{
		"nothing":     {nil, 1, ""},
		"a ramp":      {[]float64{0, 1, 2, 3, 4, 5, 6, 7}, 7, "▁▂▃▄▅▆▇█"},
		"beyond":      {[]float64{-1, 8, 1e300, math.Inf(1)}, 7, "▁███"},
		"gaps":        {[]float64{math.NaN(), 7, math.NaN()}, 7, " █ "},
		"without top": {[]float64{0, 3}, 0, "▁▁"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got := Plot(test.values, test.top); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestSeries(t *testing.T) {
	at := func(i int) float64 { return float64(i) }
	tests := map[string]struct {
		n, width, step int
		want           []float64
	}{
		"none":        {0, 5, 2, nil},
		"few":         {3, 5, 2, []float64{0, 2}},
		"the newest":  {10, 3, 2, []float64{4, 6, 8}},
		"still these": {9, 3, 2, []float64{4, 6, 8}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, series(test.n, test.width, test.step, at)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestCut(t *testing.T) {
	tests := map[string]struct {
		line string
		n    int
		want string
	}{
		"fits":             {"añb", 3, "añb"},
		"too long":         {"añbc", 3, "añ…"},
		"no room":          {"a", 0, ""},
		"control sequence": {"a\x1b[2Jb\n\u009bc", 20, "a [2Jb  c"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got := cut(test.line, test.n); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}
