package demo

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func says(s Scaler, typ string, is bool, reason, message string) Scaler {
	s.Policy.Conditions = []Condition{{typ, is, reason, message}}
	return s
}

// floors is a history, from Lost on, in which all goes well: the metric is away from 100
// to 150 s, and the schedule is in force from 130 to 190 s.
func floors() []Observation {
	quietly := func(s Scaler) Scaler { return says(s, "Held", false, "NotHeld", "the minimum is replicas.min") }
	rushing := func(s Scaler) Scaler { return says(s, "Held", true, "Schedule", "min 4 by schedule rush") }
	blind := func(s Scaler) Scaler {
		return says(s, "MetricsAvailable", false, "AllMissing", "the HPA cannot read it")
	}
	back := func(s Scaler) Scaler { return says(s, "MetricsAvailable", true, "AllAvailable", "all is read") }
	stepping := func(s Scaler) Scaler { return says(s, "Held", true, "Releasing", "is lowered step by step") }
	history := []Observation{
		at(90, Down, scaler(web, 2, 2, 2), scaler(worker, 2, 2, 2)),
		at(100, Lost, quietly(held(web, 2, "")), held(worker, 2, "")),
		at(110, Lost, quietly(held(web, 2, "")), blind(held(worker, 2, ""))),
		at(131, Lost, rushing(raised(scaler(web, 2, 2, 2), 4, "schedule/rush")), blind(held(worker, 2, ""))),
		at(134, Lost, rushing(held(web, 4, "schedule/rush")), blind(held(worker, 2, ""))),
		at(145, Lost, rushing(held(web, 4, "schedule/rush")), blind(raised(scaler(worker, 2, 2, 2), 3, "fallback"))),
		at(148, Lost, rushing(held(web, 4, "schedule/rush")), blind(held(worker, 3, "fallback"))),
		at(150, Back, rushing(held(web, 4, "schedule/rush")), blind(held(worker, 3, "fallback"))),
		at(191, Back, stepping(held(web, 4, "release")), back(held(worker, 3, "fallback"))),
		at(206, Back, raised(scaler(web, 2, 4, 4), 2, ""), back(held(worker, 3, "release"))),
		at(209, Back, held(web, 2, ""), raised(scaler(worker, 2, 3, 3), 2, "")),
		at(212, Back, held(web, 2, ""), held(worker, 2, "")),
	}
	for i := range history[1:] {
		history[i+1] = scheduled(history[i+1], 130, 190)
	}
	return history
}

// but is floors with one scaler changed from one moment to another, both inclusive.
func but(name string, from, to int, edit func(*Scaler)) []Observation {
	history := floors()
	for _, o := range history {
		if at := int(o.At / time.Second); at < from || at > to {
			continue
		}
		for i := range o.Scalers {
			if o.Scalers[i].Name == name {
				edit(&o.Scalers[i])
			}
		}
	}
	return history
}

func TestRises(t *testing.T) {
	const s = time.Second
	rushed := Rise{Raise: Raise{web, "schedule/rush", 4}, Mins: []int32{2, 4, 2}, Raised: 1 * s, Ready: 4 * s, Lowered: 16 * s, Gone: 19 * s}
	fellBack := Rise{Raise: Raise{worker, "fallback", 3}, Mins: []int32{2, 3, 2}, Raised: 45 * s, Ready: 48 * s, Lowered: 59 * s, Gone: 62 * s}
	with := func(r Rise, edit func(*Rise)) Rise {
		r.Mins = slices.Clone(r.Mins)
		edit(&r)
		return r
	}
	tardy := but(web, 100, 150, func(s *Scaler) { *s = held(web, 2, "") })
	tardy[8].Scalers[0] = held(web, 4, "schedule/rush")
	unheld := func(s *Scaler) { s.Min, s.Policy.Floors = 2, nil }
	tests := map[string]struct {
		history []Observation
		want    []Rise
	}{
		"nothing":    {nil, nil},
		"no phase":   {floors()[:1], nil},
		"as planned": {floors(), []Rise{rushed, fellBack}},
		"cut short": {floors()[:3], []Rise{
			{Raise: rushed.Raise, Mins: []int32{2}, Raised: -1, Ready: -1, Lowered: -1, Gone: -1},
			{Raise: fellBack.Raise, Mins: []int32{2}, Raised: -1, Ready: -1, Lowered: -1, Gone: -1},
		}},
		"no schedule": {but(web, 100, 212, func(s *Scaler) { *s = held(web, 2, "") }), []Rise{
			{Raise: rushed.Raise, Mins: []int32{2}, Raised: -1, Ready: -1, Lowered: -1, Gone: -1}, fellBack}},
		"only after its time": {tardy, []Rise{
			{Raise: rushed.Raise, Mins: []int32{2, 4, 2}, Raised: -1, Ready: -1, Lowered: -1, Gone: -1}, fellBack}},
		"another's floor": {but(web, 100, 212, func(s *Scaler) { s.Policy.Floors = nil }), []Rise{
			{Raise: rushed.Raise, Mins: []int32{2, 4, 2}, Raised: -1, Ready: -1, Lowered: -1, Gone: -1}, fellBack}},
		"before its time": {but(web, 110, 110, func(s *Scaler) { *s = held(web, 4, "schedule/rush") }), []Rise{
			with(rushed, func(r *Rise) {
				r.Raised, r.Ready, r.Wrong = 0, 0, "its minimum was raised 20.0 s before the schedule began"
			}), fellBack}},
		"too little patience": {but(worker, 110, 145, func(s *Scaler) { *s = held(worker, 3, "fallback") }), []Rise{rushed,
			with(fellBack, func(r *Rise) {
				r.Raised, r.Ready, r.Wrong = 10*s, 10*s, "its minimum was raised 10.0 s after the cause, before 30s were over"
			})}},
		"not kept": {but(web, 148, 148, unheld), []Rise{with(rushed, func(r *Rise) {
			r.Mins, r.Wrong = []int32{2, 4, 2, 4, 2}, "its minimum fell to 2 while the cause was there"
		}), fellBack}},
		"gone for good": {but(web, 148, 212, func(s *Scaler) { *s = held(web, 2, "") }), []Rise{with(rushed, func(r *Rise) {
			r.Wrong, r.Lowered, r.Gone = "its minimum fell to 2 while the cause was there", 1*s, 1*s
		}), fellBack}},
		"pods too late": {but(worker, 148, 148, func(s *Scaler) { s.Ready = 2 }), []Rise{rushed, with(fellBack, func(r *Rise) { r.Ready = -1 })}},
		"never lowered": {but(worker, 151, 212, func(s *Scaler) { *s = held(worker, 3, "fallback") }), []Rise{rushed, with(fellBack, func(r *Rise) {
			r.Mins, r.Lowered, r.Gone = []int32{2, 3}, -1, -1
		})}},
		"a pod stays": {but(web, 209, 212, func(s *Scaler) { s.Replicas = 3 }), []Rise{with(rushed, func(r *Rise) { r.Gone = -1 }), fellBack}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got := DefaultScript(0, 20*s).Rises(test.history)
			if diff := cmp.Diff(test.want, got, cmpopts.IgnoreFields(Rise{}, "Said")); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestRiseTable(t *testing.T) {
	golden(t, "rises.golden", RiseTable(DefaultScript(0, 20*time.Second).Rises(floors())))
}

func TestVerdictOnPolicies(t *testing.T) {
	tests := map[string]struct {
		history []Observation
		want    []string // each a part of the error
	}{
		"as planned": {floors(), nil},
		"nothing":    {nil, []string{"no floor was asked for"}},
		"an HPA by hand": {but(web, 131, 131, func(s *Scaler) { s.Policy.Made = false }),
			[]string{"the HPA remindmeweb was not made by its policy, whose conditions are: Held=true Schedule: min 4 by schedule rush"}},
		"no floors": {floors()[:3], []string{
			"remindmeweb, floor schedule/rush: the minimum was not raised to 4; min went 2; the policy's conditions at the end: Held=false NotHeld: the minimum is replicas.min",
			"remindme-worker, floor fallback: the minimum was not raised to 3; min went 2; the policy's conditions at the end: MetricsAvailable=false AllMissing: the HPA cannot read it",
		}},
		"no pods":     {but(worker, 148, 148, func(s *Scaler) { s.Ready = 2 }), []string{"remindme-worker, floor fallback: there were never just 3 ready replicas"}},
		"not kept":    {but(web, 148, 148, func(s *Scaler) { s.Min = 2 }), []string{"its minimum fell to 2 while the cause was there; min went 2 → 4 → 2 → 4 → 2"}},
		"not lowered": {floors()[:9], []string{"remindmeweb, floor schedule/rush: the minimum was not lowered again", "remindme-worker, floor fallback: the minimum was not lowered again"}},
		"pods stay":   {floors()[:10], []string{"remindmeweb, floor schedule/rush: the replicas did not go again"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			err := DefaultScript(0, 20*time.Second).VerdictOnPolicies(test.history)
			if (err == nil) != (test.want == nil) {
				t.Fatalf("got %v", err)
			}
			for _, part := range test.want {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%q is not in %q", part, err)
				}
			}
		})
	}
}
