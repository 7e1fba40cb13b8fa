package plan

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/loadline/loadline/provider/metric"
)

// What is too large for one answer is asked in pieces, where its objects' values are proved
// to be each its own.
func TestPieces(t *testing.T) {
	containers := template{text: `sum by (pod, container) (rate(a{<M>}[1m]) + rate(b{<M>,x="p"}[1m]))`}
	top := template{text: `topk(1, sum by (pod) (a{<M>}))`}
	depth := template{text: `sum(depth{<M>})`, external: true}
	read := func(r template, names string, elements int) Want {
		w := Want{ID: pods("x", ""), Rule: r, Names: strings.Split(names, ","), Elements: elements}
		if r.external {
			w.ID, w.Names = metric.Identifier{API: metric.External, Namespace: "x"}, nil
		}
		return w
	}
	about := func(podMatcher string) string {
		return strings.ReplaceAll(`sum by (pod, container) (rate(a{namespace="x",M}[1m]) + rate(b{namespace="x",M,x="p"}[1m]))`, "M", podMatcher)
	}
	for name, tc := range map[string]struct {
		want   Want
		values int
		pieces []string
		halves []string // of the first piece
	}{
		"it fits": {
			read(containers, "p,q,r", 6), 6,
			[]string{about(`pod=~"p|q|r"`)},
			[]string{about(`pod=~"p|q"`), about(`pod="r"`)},
		},
		"three containers each, of which four fit": {
			read(containers, "p,q,r", 9), 4,
			[]string{about(`pod="p"`), about(`pod="q"`), about(`pod="r"`)},
			nil,
		},
		"nothing is known but the pods": {
			read(containers, "p,q,r,s", 0), 3,
			[]string{about(`pod=~"p|q"`), about(`pod=~"r|s"`)},
			[]string{about(`pod="p"`), about(`pod="q"`)},
		},
		"one pod cannot be divided": {
			read(containers, "p", 9), 2,
			[]string{about(`pod="p"`)},
			nil,
		},
		"nor can what is not proved": {
			read(top, "p,q", 9), 2,
			[]string{`topk(1, sum by (pod) (a{namespace="x",pod=~"p|q"}))`},
			nil,
		},
		"nor what has no objects": {
			read(depth, "", 9), 2,
			[]string{`sum(depth{namespace="x"})`},
			nil,
		},
	} {
		t.Run(name, func(t *testing.T) {
			queries := Make([]Want{tc.want}, nil, Limits{Names: 100, Values: tc.values, Reads: 100}).Queries
			if len(queries) != 1 {
				t.Fatalf("%d queries", len(queries))
			}
			pieces := queries[0].Pieces()
			var got, halves []string
			for _, p := range pieces {
				got = append(got, p.PromQL)
			}
			if diff := cmp.Diff(tc.pieces, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if first, second, ok := pieces[0].Halves(); ok {
				halves = []string{first.PromQL, second.PromQL}
			}
			if diff := cmp.Diff(tc.halves, halves); diff != "" {
				t.Errorf("halves (-want +got):\n%s", diff)
			}
		})
	}
}

// A query of several reads is not asked in pieces: it is divided by reads. The elements of
// all of them decide how many share it, whether their objects are listed or not.
func TestSharedByElements(t *testing.T) {
	rate := template{text: `sum by (pod, container) (rate(a{<M>}[1m]))`}
	var wants []Want
	for _, ns := range []string{"x", "y", "z"} {
		wants = append(wants, Want{ID: pods(ns, ""), Rule: rate, Names: []string{"p", "q"}, Elements: 6})
	}
	live := func(_ schema.GroupResource, ns string) (int, bool) {
		if ns == "" {
			return 1000, true
		}
		return 2, true
	}
	last := `sum by (pod, container) (rate(a{namespace="z",pod=~"p|q"}[1m]))`
	for name, tc := range map[string]struct {
		limits Limits
		want   []string
	}{
		"listed": {
			Limits{Names: 100, Values: 12, Reads: 100},
			[]string{`sum by (pod, container, namespace) (rate(a{namespace=~"x|y",pod=~"p|q"}[1m]))`, last},
		},
		"not listed": {
			Limits{Names: 3, Values: 12, Reads: 100, Count: live},
			[]string{`sum by (pod, container, namespace) (rate(a{namespace=~"x|y"}[1m]))`, last},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, q := range Make(wants, nil, tc.limits).Queries {
				for _, p := range q.Pieces() {
					got = append(got, p.PromQL)
					if _, _, ok := p.Halves(); ok && q.Shared() {
						t.Errorf("%s has halves", p.PromQL)
					}
				}
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
