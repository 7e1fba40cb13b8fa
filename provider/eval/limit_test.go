package eval_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	promlabels "github.com/prometheus/prometheus/model/labels"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/loadline/loadline/provider/eval"
	"github.com/loadline/loadline/provider/metric"
	"github.com/loadline/loadline/provider/source"
)

// Every want is about the pods p1 and p2, and the limit of 4 values allows two
// different questions about them.
func TestMoreObjectsThanValuesAreNotAskedAbout(t *testing.T) {
	selected := func(namespace, metricSelector string) metric.Identifier {
		id := pods(namespace, "")
		id.MetricSelector = metricSelector
		return id
	}
	a, b, c, d := selected("ns", "x=a"), selected("ns", "x=b"), selected("ns", "x=c"), selected("ns", "x=d")
	same := pods("ns", "app=web") // other words for the question about all pods
	all := pods("ns", "")
	for name, tc := range map[string]struct {
		held       []metric.Identifier // evaluated before
		referenced []metric.Identifier
		ids        []metric.Identifier
		want       string // the outcomes of ids
		queries    int
	}{
		"up to the limit":                       {nil, nil, []metric.Identifier{a, b}, "ok ok", 2},
		"equal questions count once":            {nil, nil, []metric.Identifier{all, same, a}, "ok ok ok", 2},
		"beyond it, the same each time":         {nil, nil, []metric.Identifier{d, c, b, a}, "limit-reached limit-reached ok ok", 2},
		"what HPAs reference is first":          {nil, []metric.Identifier{c, d}, []metric.Identifier{a, b, c, d}, "limit-reached limit-reached ok ok", 2},
		"then what has values":                  {[]metric.Identifier{d}, []metric.Identifier{c}, []metric.Identifier{a, b, c, d}, "limit-reached limit-reached ok ok", 2},
		"what needs no objects is not left out": {nil, nil, []metric.Identifier{a, b, c, queue(0), pods("empty", "")}, "ok ok limit-reached ok ok", 3},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := setupWith(t, func(o *eval.Options) { o.MaxValues = 4 })
				f.Evaluate(t.Context(), tc.held)
				f.want(t, tc.referenced...)
				f.source.take()
				time.Sleep(interval)
				f.Evaluate(t.Context(), tc.ids)
				var got []string
				for _, id := range tc.ids {
					got = append(got, f.reason(id))
				}
				if diff := cmp.Diff(tc.want, strings.Join(got, " ")); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
				if asked := f.source.take(); len(asked) != tc.queries {
					t.Errorf("asked %d queries, want %d: %v", len(asked), tc.queries, asked)
				}
			})
		})
	}
}

// The plan that is shown is that of the next evaluation, which leaves out the same.
func TestExplainKeepsToTheLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := setupWith(t, func(o *eval.Options) { o.MaxValues = 4 })
		f.want(t, pods("a", ""), pods("b", ""), pods("c", ""))
		got := f.Explain(t.Context())
		want := map[string]string{pods("c", "").String(): "its 2 values do not fit into --max-values-held=4: use fewer distinct selectors, aggregate further in the query, or raise it together with the memory limit"}
		if diff := cmp.Diff(want, got.Failed); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if len(got.Queries) != 2 {
			t.Errorf("queries %+v", got.Queries)
		}
		f.Evaluate(t.Context(), f.demand.Wanted())
		if asked := f.source.take(); len(asked) != 2 || f.reason(pods("c", "")) != "limit-reached" {
			t.Errorf("evaluated otherwise: %s, asked %v", f.reason(pods("c", "")), asked)
		}
	})
}

// The same query would be answered so again: the last value does not stand in, and the
// source is not away.
func TestAnswersThatNoEarlierValueBridges(t *testing.T) {
	for name, tc := range map[string]struct {
		kind source.Kind
		want metric.Reason
	}{
		"too large":  {source.Oversized, metric.LimitReached},
		"no numbers": {source.Unusable, metric.RuleFailed},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := setup(t)
				f.Evaluate(t.Context(), queues(1))
				f.source.set(func(context.Context, string) (source.Answer, error) {
					return source.Answer{}, &source.Error{Kind: tc.kind, Text: "the remedy"}
				})
				time.Sleep(interval)
				result := f.Evaluate(t.Context(), queues(1))
				s := f.store.Get(queue(0))
				if metric.ReasonOf(s.Err) != tc.want || s.Data != nil || !strings.Contains(s.Err.Error(), "the remedy") {
					t.Errorf("got %+v, want reason %s and no older value", s, tc.want)
				}
				if diff := cmp.Diff(eval.Result{Answered: 1}, result); diff != "" {
					t.Errorf("it is an answer (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// hangingList is a Kubernetes API in which the list of one kind hangs until it is
// released.
type hangingList struct {
	objects
	released chan struct{}
}

func (h *hangingList) Names(ctx context.Context, gr schema.GroupResource, namespace string, sel labels.Selector, key string) ([]string, error) {
	if gr.Resource != "pods" {
		return []string{"p1"}, nil
	}
	select {
	case <-h.released:
		return h.objects.Names(ctx, gr, namespace, sel, key)
	default:
	}
	select {
	case <-h.released:
		return h.objects.Names(ctx, gr, namespace, sel, key)
	case <-ctx.Done():
		return nil, metric.Because(metric.ObjectsUnknown, ctx.Err(), "no list")
	}
}

func (h *hangingList) Has(ctx context.Context, gr schema.GroupResource, namespace, name string) (bool, error) {
	names, err := h.Names(ctx, gr, namespace, nil, "")
	return slices.Contains(names, name), err
}

// A list that hangs costs its own kind the time of one query, once, and nobody else
// anything.
func TestAListThatHangsHoldsUpNobodyElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		list := &hangingList{released: make(chan struct{})}
		f := setupWith(t, func(o *eval.Options) { o.Objects = list })
		f.source.set(func(context.Context, string) (source.Answer, error) {
			return source.Answer{Samples: []source.Sample{{Labels: promlabels.FromStrings("namespace", "p1", "pod", "p1"), Value: 1, Time: time.Now()}}}, nil
		})
		spaces := metric.Identifier{API: metric.Custom, Metric: "requests", Resource: schema.GroupResource{Resource: "namespaces"}}
		byName := pods("a", "")
		byName.Name = "p1"
		ids := []metric.Identifier{pods("a", ""), pods("b", ""), byName, spaces, queue(0)}
		for pass, want := range []time.Duration{timeout, 0, 0} {
			began := time.Now()
			done := make(chan time.Duration)
			go func() { f.Evaluate(t.Context(), ids); done <- time.Since(began) }()
			synctest.Wait()
			for _, id := range []metric.Identifier{spaces, queue(0)} {
				if s := f.store.Get(id); f.reason(id) != "ok" || s.Attempted != began {
					t.Errorf("pass %d: %s waits for the list: %s", pass, id, f.reason(id))
				}
			}
			if took := <-done; took != want {
				t.Errorf("pass %d took %s, want %s", pass, took, want)
			}
			if got := f.reason(pods("a", "")) + " " + f.reason(byName); got != "objects-unknown objects-unknown" {
				t.Errorf("pass %d: %s", pass, got)
			}
			time.Sleep(interval)
		}
		close(list.released)
		f.Evaluate(t.Context(), ids)
		if got := f.reason(pods("a", "")) + " " + f.reason(byName); got != "ok ok" {
			t.Errorf("with the list there: %s", got)
		}
	})
}
