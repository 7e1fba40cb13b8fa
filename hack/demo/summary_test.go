package demo

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func because(s Scaler, reason string) Scaler {
	s.Conditions = []Condition{{Type: "ScalingLimited", Reason: reason, Message: "in the HPA's words"}}
	return s
}

// perfect is a history in which all goes well.
func perfect() []Observation {
	return []Observation{
		at(0, Warm, because(scaler("web", 2, 2, 2), "TooFewReplicas")),
		at(10, Up, because(scaler("web", 2, 2, 2), "TooFewReplicas")),
		at(14, Up, because(scaler("web", 4, 2, 2), "DesiredWithinRange")),
		at(20, Up, because(scaler("web", 6, 4, 4), "TooManyReplicas")),
		at(22, Up, because(scaler("web", 6, 6, 6), "TooManyReplicas")),
		at(25, Hold, because(scaler("web", 6, 6, 6), "TooManyReplicas")),
		at(45, Down, because(scaler("web", 6, 6, 6), "TooManyReplicas")),
		at(60, Down, because(scaler("web", 3, 6, 6), "ScaleDownLimit")),
		at(75, Down, because(scaler("web", 2, 3, 3), "TooFewReplicas")),
		at(77, Down, because(scaler("web", 2, 2, 2), "TooFewReplicas")),
	}
}

func TestSummarize(t *testing.T) {
	const s = time.Second
	reasons := func(names ...string) []Condition {
		var list []Condition
		for _, name := range names {
			list = append(list, Condition{Type: "ScalingLimited", Reason: name, Message: "in the HPA's words"})
		}
		return list
	}
	up := Reaction{"web", Up, []int32{2, 4, 6}, 6, "75 a pod, target 20", 4 * s, 12 * s, reasons("TooManyReplicas")}
	tests := map[string]struct {
		history []Observation
		want    []Reaction
	}{
		"nothing":   {nil, nil},
		"no step":   {perfect()[:1], nil},
		"perfect":   {perfect(), []Reaction{up, {"web", Down, []int32{6, 3, 2}, 2, "75 a pod, target 20", 15 * s, 32 * s, reasons("ScaleDownLimit", "TooFewReplicas")}}},
		"cut short": {perfect()[:6], []Reaction{up}},
		"down only with the floors": {append(perfect()[:8:8], at(80, Lost, scaler("web", 2, 2, 2))), []Reaction{up,
			{"web", Down, []int32{6, 3}, 2, "75 a pod, target 20", 15 * s, -1, reasons("ScaleDownLimit")}}},
		"never ready": {perfect()[:4], []Reaction{
			{"web", Up, []int32{2, 4, 6}, 6, "75 a pod, target 20", 4 * s, -1, reasons("TooManyReplicas")}}},
		"nothing happens": {[]Observation{at(0, Up, scaler("web", 2, 2, 2)), at(75, Hold, scaler("web", 2, 2, 2)), at(80, Down, scaler("web", 2, 2, 2)), at(90, Down, scaler("web", 2, 2, 2))},
			[]Reaction{{"web", Up, []int32{2}, 6, "", -1, -1, nil}, {"web", Down, []int32{2}, 2, "", -1, -1, nil}}},
		"already there": {[]Observation{at(0, Up, scaler("web", 6, 6, 6)), at(9, Up, scaler("web", 6, 6, 6))},
			[]Reaction{{"web", Up, []int32{6}, 6, "", -1, -1, nil}}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, Summarize(test.history)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestVerdict(t *testing.T) {
	unanswered := perfect()
	unanswered[len(unanswered)-1].Loads = []Load{{Name: "pages", Failed: 3, LastError: "refused"}}
	tests := map[string]struct {
		history []Observation
		want    []string // each a part of the error
	}{
		"perfect":      {perfect(), nil},
		"nothing seen": {nil, []string{"no HPA was seen when the load went up", "no HPA was seen when the load went down"}},
		"never up":     {perfect()[:4], []string{"web did not come from 2 to 6 ready replicas, it wanted 6; its conditions at the end: ScalingLimited=false TooManyReplicas", "load went down"}},
		"never down":   {perfect()[:8], []string{"web did not come from 6 to 2 ready replicas, it wanted 3"}},
		"no load":      {unanswered, []string{"pages: no request was answered; 3 failed, 0 were not sent; the last error: refused"}},
		"back too early": {[]Observation{at(0, Up, scaler("web", 2, 2, 2)), at(1, Up, scaler("web", 6, 6, 6)), at(2, Down, scaler("web", 2, 2, 2))},
			[]string{"web did not come from 2 to 2 ready replicas"}},
		"no conditions": {[]Observation{at(0, Up, scaler("web", 2, 2, 2)), at(1, Down, scaler("web", 2, 2, 2))}, []string{"at the end: none"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			err := Verdict(test.history)
			if (err == nil) != (test.want == nil) {
				t.Fatalf("got %v", err)
			}
			if name == "no conditions" && strings.Count(err.Error(), "did not come") != 1 {
				t.Errorf("what never went up is said more than once: %s", err)
			}
			for _, part := range test.want {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%q is not in %q", part, err)
				}
			}
		})
	}
}

func TestRequests(t *testing.T) {
	for name, test := range map[string]struct {
		loads []Load
		want  string
	}{
		"nothing":   {nil, ""},
		"all well":  {[]Load{{Name: "pages", OK: 6021}, {Name: "reminders", OK: 900}}, "pages: 6021 answered, 0 failed, 0 not sent; reminders: 900 answered, 0 failed, 0 not sent"},
		"some lost": {[]Load{{Name: "pages", OK: 1, Failed: 2, Unsent: 3, LastError: "refused"}}, "pages: 1 answered, 2 failed, 3 not sent (the last failure: refused)"},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, Requests(test.loads)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestIntroduction(t *testing.T) {
	for name, test := range map[string]struct {
		options Options
		want    []string
	}{
		"as it comes": {Options{}, []string{"HPA controller (every 15s)", "(5m0s, as the HPAs say)", "About 14 minutes in all"}},
		"shortened":   {Options{HPASyncPeriod: 5 * time.Second, Downscale: 20 * time.Second}, []string{"HPA controller (every 5s)", "(20s here, not the HPAs' own 5 minutes)", "About 4 minutes in all"}},
		"rare looks":  {Options{HPASyncPeriod: time.Minute, Downscale: time.Second}, []string{"About 7 minutes in all"}},
	} {
		t.Run(name, func(t *testing.T) {
			for _, part := range test.want {
				if text := introduction(test.options); !strings.Contains(text, part) {
					t.Errorf("%q is not in %q", part, text)
				}
			}
		})
	}
}
