package demo

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestTell(t *testing.T) {
	quiet := Scaler{Name: "web", Metric: "rps", Unit: "a pod", Known: true, Value: 5, Target: 20, Min: 2, Max: 6, Desired: 2, Replicas: 2, Ready: 2, Policy: Policy{Made: true, Min: 2}}
	with := func(edit func(*Scaler)) Scaler {
		s := quiet
		edit(&s)
		return s
	}
	condition := func(reason, message string) Scaler {
		return with(func(s *Scaler) { s.Conditions = []Condition{{Type: "ScalingActive", Reason: reason, Message: message}} })
	}
	// active says that the metrics were read at some time, and whether at the last look.
	active := func(read bool) Scaler {
		return with(func(s *Scaler) {
			s.Known, s.Conditions = read, []Condition{{Type: "ScalingActive", True: true, Reason: "ValidMetricFound"}}
		})
	}
	clocked := func(o Observation) Observation {
		o.Clock = time.Date(2026, 11, 23, 17, 42, 30, 0, time.UTC)
		return o
	}
	tests := map[string]struct {
		before, now Observation
		want        []string
	}{
		"nothing": {at(0, Up, quiet), at(1, Up, quiet), nil},
		"first observation": {Observation{Phase: -1}, at(1, Warm, quiet),
			[]string{"A little load, until every HPA has a value: 5 pages and 2 reminders a second"}},
		"the step": {at(0, Warm, quiet), at(1, Up, quiet), []string{"THE LOAD GOES UP: 150 pages and 25 reminders a second"}},
		"other replicas wanted": {at(0, Up, quiet), at(1, Up, with(func(s *Scaler) { s.Desired, s.Value = 6, 74.96 })),
			[]string{"web wants 6 replicas, not 2: rps 75 a pod, target 20"}},
		"wanted without a value": {at(0, Up, with(func(s *Scaler) { s.Known = false })), at(1, Up, with(func(s *Scaler) { s.Desired, s.Known = 3, false })),
			[]string{"web wants 3 replicas, not 2"}},
		"some ready": {at(0, Up, with(func(s *Scaler) { s.Desired = 6 })), at(1, Up, with(func(s *Scaler) { s.Desired, s.Replicas, s.Ready = 6, 6, 4 })),
			[]string{"web: 4 of 6 replicas ready, 6 wanted"}},
		"all ready": {at(0, Up, with(func(s *Scaler) { s.Desired = 6 })), at(1, Up, with(func(s *Scaler) { s.Desired, s.Replicas, s.Ready = 6, 6, 6 })),
			[]string{"web: all 6 replicas are ready"}},
		"value lost": {at(0, Up, quiet), at(1, Up, with(func(s *Scaler) {
			s.Known, s.Conditions = false, []Condition{{Type: "ScalingActive", Reason: "FailedGetPodsMetric", Message: "no such metric"}}
		})), []string{"web has no value: no such metric"}},
		"a look that read no metric": {at(0, Up, active(true)), at(1, Up, active(false)), nil},
		"and the next one that did":  {at(0, Up, active(false)), at(1, Up, active(true)), nil},
		"a floor":                    {at(0, Lost, quiet), at(1, Lost, raised(quiet, 4, "schedule/rush")), []string{"web: MIN 4, not 2: schedule rush until 17:43"}},
		"no floor":                   {at(0, Back, raised(quiet, 3, "release")), at(1, Back, quiet), []string{"web: MIN 2, not 3: no floor is left"}},
		"stepping down": {at(0, Back, says(raised(quiet, 4, "schedule/rush"), "Held", true, "Schedule", "min 4 until 17:43")),
			at(1, Back, says(raised(quiet, 4, "release"), "Held", true, "Releasing", "min 4 is lowered")), []string{"web, its policy: min 4 is lowered"}},
		"held": {at(0, Lost, says(quiet, "Held", false, "NotHeld", "")), at(1, Lost, says(quiet, "Held", true, "Schedule", "min 4 until 17:43")), nil},
		"the policy's metrics": {at(0, Lost, says(quiet, "MetricsAvailable", true, "AllAvailable", "")), at(1, Lost, says(quiet, "MetricsAvailable", false, "AllMissing", "cannot read it")),
			[]string{"web, its policy: cannot read it"}},
		"a policy's first words": {at(0, Warm, quiet), at(1, Warm, says(quiet, "Ready", true, "Applied", "the HPA is what the policy says")), nil},
		"a conflict": {at(0, Warm, says(quiet, "Conflict", false, "NoConflict", "")), at(1, Warm, says(quiet, "Conflict", true, "ForeignHPA", "there is another HPA")),
			[]string{"web, its policy: ForeignHPA: there is another HPA"}},
		"the acts": {at(0, Down, quiet), scheduled(clocked(at(100, Lost, quiet)), 130, 190),
			[]string{"A METRIC GOES AWAY: the queue is scraped no more", "remindme-worker is to fall back to 3 replicas after 30s", "remindmeweb gets a schedule: at least 4 from 17:43 UTC on, for 1m0s"}},
		"the metric's return": {at(0, Lost, quiet), at(1, Back, quiet), []string{"THE METRIC IS BACK: floors end, minimum and pods go down in steps"}},
		"the words of the metrics API": {at(0, Up, quiet), at(1, Up, condition("FailedGetPodsMetric", "the HPA was unable to compute the replica count: unable to get metric rps: unable to fetch metrics from custom metrics API: it is too old")),
			[]string{"web: FailedGetPodsMetric: it is too old"}},
		"value found":       {at(0, Up, with(func(s *Scaler) { s.Known = false })), at(1, Up, quiet), []string{"web has a value: rps 5 a pod, target 20"}},
		"new reason":        {at(0, Up, condition("ValidMetricFound", "")), at(1, Up, condition("TooManyReplicas", "more than the maximum")), []string{"web: TooManyReplicas: more than the maximum"}},
		"same reason":       {at(0, Up, condition("TooManyReplicas", "a")), at(1, Up, condition("TooManyReplicas", "b")), nil},
		"a reason as usual": {at(0, Up, condition("TooManyReplicas", "")), at(1, Up, condition("ValidMetricFound", "all is well")), nil},
		"failed and unsent": {
			Observation{Loads: []Load{{Name: "pages", Failed: 1, Unsent: 2}}}, Observation{Loads: []Load{{Name: "pages", Failed: 4, Unsent: 3, LastError: "refused"}}},
			[]string{"pages: requests that failed: 3, the last one: refused", "pages: requests not sent, for want of a pod or of answers to earlier ones: 1"},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, e := range DefaultScript(0, 20*time.Second).Tell(test.before, test.now) {
				if e.At != test.now.At {
					t.Errorf("%q is of %s", e.Text, e.At)
				}
				got = append(got, e.Text)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestInBrief(t *testing.T) {
	want := map[string]string{
		"the HPA reads all its metrics": "the HPA reads all its metrics",
		"the HPA keeps its size, as it cannot read rps: the HPA was unable to compute the replica count: no metrics. So it is": "the HPA keeps its size, as it cannot read rps",
		"the HPA cannot read rps: the HPA was unable to get it…. fallback holds 3 pods from 17:43 on":                          "the HPA cannot read rps. fallback holds 3 pods from 17:43 on",
	}
	got := map[string]string{}
	for message := range want {
		got[message] = inBrief(message)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestNumber(t *testing.T) {
	want := map[float64]string{0: "0", 0.04: "0", 0.25: "0.2", 5: "5", 19.96: "20", 20.5: "20.5", 99.96: "100", 123.4: "123"}
	got := map[float64]string{}
	for v := range want {
		got[v] = number(v)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestClock(t *testing.T) {
	if got := clock(125*time.Second + 900*time.Millisecond); got != "2:05" {
		t.Error(got)
	}
}
