package plan

import (
	"fmt"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/loadline/loadline/provider/metric"
	"github.com/loadline/loadline/provider/rule"
)

// counting counts how often it renders.
type counting struct {
	renderer
	n *int
}

func (c counting) Query(m rule.Mapper, in rule.QueryInput) (rule.Query, error) {
	*c.n++
	return c.renderer.Query(m, in)
}

// What decides a query makes it new, and nothing else does.
func TestPlannerRenders(t *testing.T) {
	rendered, generation := 0, uint64(0)
	first, second := counting{"rules[0]", &rendered}, counting{"rules[1]", &rendered}
	p := NewPlanner(nil, func() uint64 { return generation })
	web := Want{ID: pods("a", "app=web"), Rule: first, Series: "s", Names: []string{"p1", "p2"}}
	other := web
	other.ID = pods("b", "app=web")
	for _, step := range []struct {
		name   string
		do     func()
		wants  []*Want
		want   []string
		render int
	}{
		{"new", nil, []*Want{&web, &other}, []string{"s{a|p1,p2|}", "s{b|p1,p2|}"}, 2},
		{"the same", nil, []*Want{&web, &other}, []string{"s{a|p1,p2|}", "s{b|p1,p2|}"}, 0},
		{"listed anew, and equal", func() { web.Names = []string{"p1", "p2"} }, []*Want{&web}, []string{"s{a|p1,p2|}"}, 0},
		{"another class and share", func() { web.Class, web.Share = 1, 3 }, []*Want{&web}, []string{"s{a|p1,p2|}"}, 0},
		{"another pod", func() { web.Names = []string{"p1", "p3"} }, []*Want{&web, &other}, []string{"s{a|p1,p3|}", "s{b|p1,p2|}"}, 1},
		{"one pod less", func() { web.Names = web.Names[:1] }, []*Want{&web}, []string{"s{a|p1|}"}, 1},
		{"another series", func() { web.Series = "r" }, []*Want{&web}, []string{"r{a|p1|}"}, 1},
		{"another rule", func() { web.Rule = second }, []*Want{&web}, []string{"r{a|p1|}"}, 1},
		{"another cluster", func() { generation++ }, []*Want{&web, &other}, []string{"r{a|p1|}", "s{b|p1,p2|}"}, 2},
		{"forgotten once", p.Forget, []*Want{&web}, []string{"r{a|p1|}"}, 0},
		{"forgotten twice, without one", p.Forget, []*Want{&web, &other}, []string{"r{a|p1|}", "s{b|p1,p2|}"}, 1},
		{"without names nothing is rendered", func() { web.Names = nil }, []*Want{&web}, nil, 0},
		{"an error", func() { web.Names, web.Series = []string{"p1"}, "broken" }, []*Want{&web}, nil, 1},
		{"an error is not remembered", nil, []*Want{&web}, nil, 1},
	} {
		if step.do != nil {
			step.do()
		}
		var wants []Want
		for _, w := range step.wants {
			wants = append(wants, *w)
		}
		rendered = 0
		var got []string
		for _, q := range p.Plan(wants, DefaultLimits()).Queries {
			got = append(got, q.PromQL)
		}
		if diff := cmp.Diff(step.want, got); diff != "" || rendered != step.render {
			t.Errorf("%s: %d rendered, want %d (-want +got)\n%s", step.name, rendered, step.render, diff)
		}
	}
}

// A cluster that changes while a query is rendered leaves nothing behind of before.
func TestPlannerKeepsNothingOfBefore(t *testing.T) {
	rendered, generation := 0, uint64(0)
	p := NewPlanner(nil, func() uint64 { return generation })
	w := Want{ID: pods("a", ""), Rule: changing{counting{"rules[0]", &rendered}, &generation}, Series: "s", Names: []string{"p1"}}
	p.Plan([]Want{w}, DefaultLimits())
	p.Plan([]Want{w}, DefaultLimits())
	if rendered != 2 {
		t.Errorf("%d rendered, want 2", rendered)
	}
}

// changing is a renderer during which the cluster changes.
type changing struct {
	counting
	generation *uint64
}

func (c changing) Query(m rule.Mapper, in rule.QueryInput) (rule.Query, error) {
	defer func() { *c.generation++ }()
	return c.counting.Query(m, in)
}

// A plan of what is remembered is the plan of what is new, and does not change it.
func TestPlannerIsAsMake(t *testing.T) {
	p := NewPlanner(nil, nil)
	rate := template{text: `sum by (pod) (rate(a{<M>}[1m]))`}
	var wants []Want
	for _, ns := range []string{"x", "y", "z"} {
		wants = append(wants, Want{ID: metric.Identifier{Metric: "a", Namespace: ns}, Rule: rate, Names: []string{"p", "q"}})
	}
	texts := func(all []Query) (out []string) {
		for _, q := range all {
			out = append(out, q.PromQL)
			for _, part := range q.Parts {
				out = append(out, part.PromQL)
			}
		}
		return out
	}
	limits := DefaultLimits()
	limits.Reads = 2
	want := texts(Make(wants, nil, limits).Queries)
	if len(want) < 5 {
		t.Fatalf("nothing is shared: %q", want)
	}
	for range 3 {
		if diff := cmp.Diff(want, texts(p.Plan(wants, limits).Queries)); diff != "" {
			t.Errorf("(-new +remembered)\n%s", diff)
		}
	}
}

// What is planned while others are forgotten shares a query with them ever after.
func TestPlannerSharesWhateverIsForgottenMeanwhile(t *testing.T) {
	rate := template{text: `sum by (pod) (rate(a{<M>}[1m]))`}
	want := func(ns string) Want {
		return Want{ID: metric.Identifier{Metric: "a", Namespace: ns}, Rule: rate, Names: []string{"p"}}
	}
	for range 2000 {
		p := NewPlanner(nil, nil)
		var wants []Want
		var planning sync.WaitGroup
		for i := range 8 {
			w := want(fmt.Sprintf("n%d", i))
			wants = append(wants, w)
			planning.Go(func() { p.Plan([]Want{w}, DefaultLimits()) })
			if i%2 == 1 {
				planning.Go(p.Forget)
			}
		}
		planning.Wait()
		if n := len(p.Plan(wants, DefaultLimits()).Queries); n != 1 {
			t.Fatalf("%d queries, want one for all", n)
		}
	}
}
