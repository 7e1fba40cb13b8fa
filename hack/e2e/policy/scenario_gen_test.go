//go:build e2e

package policy

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// What the scenarios are of: the same seed is the same scenario, and among 500 there is
// enough of each kind and of each move.
func TestP15Generator(t *testing.T) {
	counts := map[string]int{}
	for seed := range uint64(500) {
		s := newScenario(seed)
		if diff := cmp.Diff(s.String(), newScenario(seed).String()); diff != "" {
			t.Fatalf("seed %d is not the same twice:\n%s", seed, diff)
		}
		counts[s.kind]++
		if s.forGood {
			counts["for good"]++
		}
		last := time.Duration(0)
		for _, m := range s.moves {
			counts[m.what]++
			if m.at < last {
				t.Errorf("a move before the last one: %s", s)
			}
			last = m.at
		}
	}
	for _, what := range []string{aDeployment, aRecreate, aStatefulSet, twoManaged, twoObserved, "for good", loads, images, breaks, undoes, backs, reapply, flips, asks} {
		if counts[what] < 25 {
			t.Errorf("%d of %q", counts[what], what)
		}
	}
	t.Logf("%v", counts)
}

// The judge finds what must not be: a test of it that needs no cluster.
func TestP15Judge(t *testing.T) {
	begin := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	web := func(size int32, template, writer string, whole bool) workloadFact {
		return workloadFact{name: "web", template: template, size: size, whole: whole, writer: writer}
	}
	var start []any
	for _, name := range []string{"a", "b", "c", "d"} {
		start = append(start, podFact{name, "web", true})
	}
	start = append(start, web(4, "v0", people, true), hpaFact{"web", 2, true}, serviceFact{"web", people})
	green := []any{workloadFact{name: "green", size: 2, whole: true}, podFact{"e", "green", true}, podFact{"f", "green", true}}
	held := policyFact{floors: "rollout=4 "}
	tests := map[string]struct {
		facts []any // one every 5 s, after start, or several at a time
		want  []string
	}{
		"a rollout with its floor": {facts: []any{web(4, "v1", people, false), []any{held, hpaFact{"web", 4, true}}, nil, nil, web(4, "v1", people, true), []any{policyFact{}, hpaFact{"web", 2, true}}, nil, web(3, "v1", theHPA, true)}},
		"a step of the last one's, decided before": {
			facts: []any{hpaFact{"web", 4, true}, []any{web(4, "v1", people, false), hpaFact{"web", 3, true}}, []any{held, hpaFact{"web", 4, true}}, web(4, "v1", people, true)},
		},
		"a minimum that nobody holds": {
			facts: []any{hpaFact{"web", 4, true}, web(4, "v1", people, false), nil, nil}, want: []string{"22.000 web is rolled out at 4 since 12.000, and the minimum is 4"},
		},
		"without one": {facts: []any{web(4, "v1", people, false), nil, nil}, want: []string{"17.000 web is rolled out at 4 since 07.000, and the minimum is 2"}},
		"whose floor ends": {
			facts: []any{web(4, "v1", people, false), []any{held, hpaFact{"web", 4, true}}, hpaFact{"web", 3, true}},
			want:  []string{"17.000 the minimum went from 4 to 3 while web is rolled out, begun at 4"},
		},
		"below the minimum": {
			facts: []any{hpaFact{"web", 4, true}, web(3, "v0", theHPA, true)},
			want:  []string{"12.000 the HPA lowered web from 4 to 3, below the minimum 4"},
		},
		"what was decided before": {facts: []any{
			web(4, "v1", people, false), []any{held, hpaFact{"web", 4, false}}, web(3, "v1", theHPA, false), web(4, "v1", theHPA, false), podFact{"a", "web", false}, podFact{"a", "web", true},
			web(4, "v1", theHPA, true), podFact{"a", "web", false},
		}, want: []string{"42.000 3 pods of web serve, 4 are held and the strategy takes 0"}},
		"more of it": {facts: []any{
			hpaFact{"web", 3, true}, web(3, "v0", theHPA, true), hpaFact{"web", 4, true}, []any{web(4, "v0", theHPA, true), podFact{"a", "web", false}, podFact{"b", "web", false}},
		}, want: []string{"22.000 2 pods of web serve, 3 are held and the strategy takes 0"}},
		"fewer pods than held": {
			facts: []any{hpaFact{"web", 4, true}, podFact{"a", "web", false}},
			want:  []string{"12.000 3 pods of web serve, 4 are held and the strategy takes 0"},
		},
		"a write by hand that is mended": {facts: []any{hpaFact{"web", 4, true}, web(3, "v0", people, true), web(4, "v0", theHPA, true), nil, nil, nil, nil}},
		"one that is not": {
			facts: []any{hpaFact{"web", 4, true}, web(3, "v0", people, true), nil, nil, nil, nil},
			want:  []string{"32.000 web has 3 replicas, 4 are held, and a write by hand was long ago"},
		},
		"we scale in what serves": {facts: []any{web(3, "v0", "loadline-policy", true)}, want: []string{"07.000 we scaled in what serves, web, from 4 to 3"}},
		"we move to fewer": {
			facts: append(green, serviceFact{"green", "loadline-policy"}),
			want:  []string{"22.000 we moved the Service from 4 ready pods of web to 2 of green"},
		},
		"people do": {facts: append(green, serviceFact{"green", people})},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			j := &judge{s: scenario{kind: aDeployment}, ups: []up{{from: begin.Add(-time.Hour)}}}
			for _, f := range start {
				j.look(written{at: begin.Add(-time.Minute), fact: f})
			}
			for i, f := range test.facts {
				together, ok := f.([]any)
				if !ok {
					together = []any{f}
				}
				for _, f := range together {
					j.look(written{at: begin.Add(time.Duration(i) * 5 * time.Second), fact: f})
				}
			}
			if diff := cmp.Diff(test.want, j.problems); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
		})
	}
}
