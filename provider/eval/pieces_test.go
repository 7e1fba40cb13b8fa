package eval_test

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	promlabels "github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/loadline/loadline/provider/catalog"
	"github.com/loadline/loadline/provider/eval"
	"github.com/loadline/loadline/provider/metric"
	"github.com/loadline/loadline/provider/rule"
	"github.com/loadline/loadline/provider/source"
)

const usageConfig = `
resourceRules:
  memory:
    containerLabel: container
    containerQuery: sum by (<<.GroupBy>>) (memory{<<.LabelMatchers>>})
    resources: {template: <<.Resource>>}
`

// crowd is a cluster with so many pods in each namespace, each of so many containers, and
// a source that knows what they use.
type crowd struct {
	pods, containers int
	most             int // elements of an answer
	takes            time.Duration
	refuses          string // queries with this text
	bad              string // a pod whose value is no number
}

func (c *crowd) names() (all []string) {
	for i := range c.pods {
		all = append(all, fmt.Sprintf("p%d", i))
	}
	return all
}

func (c *crowd) Names(context.Context, schema.GroupResource, string, labels.Selector, string) ([]string, error) {
	return c.names(), nil
}

func (c *crowd) Has(context.Context, schema.GroupResource, string, string) (bool, error) {
	return true, nil
}

func (c *crowd) Count(schema.GroupResource, string) (int, bool) { return c.pods, true }

func (c *crowd) query(_ context.Context, promQL string) (a source.Answer, _ error) {
	time.Sleep(c.takes)
	if c.refuses != "" && strings.Contains(promQL, c.refuses) {
		return a, &source.Error{Kind: source.Rejected, Text: "no"}
	}
	expr, err := parser.NewParser(parser.Options{}).ParseExpr(promQL)
	if err != nil {
		return a, err
	}
	by, name, value := expr.(*parser.AggregateExpr).Grouping, "memory", 1024.
	if strings.Contains(promQL, "requests") {
		name = "requests"
	}
	for _, ns := range []string{"a", "b", "c"} {
		for _, pod := range c.names() {
			if value = 1024; pod == c.bad {
				value = math.NaN()
			}
			for i := range c.containers {
				l := promlabels.FromStrings("__name__", name, "namespace", ns, "pod", pod, "container", fmt.Sprintf("c%d", i))
				if matches(parser.ExtractSelectors(expr)[0], l) {
					a.Samples = append(a.Samples, source.Sample{Labels: promlabels.NewBuilder(l).Keep(by...).Labels(), Value: value, Time: time.Now()})
				}
			}
		}
	}
	if len(a.Samples) > c.most {
		return source.Answer{}, &source.Error{Kind: source.Oversized, Text: fmt.Sprintf("more than %d values", c.most)}
	}
	return a, nil
}

func memoryOf(namespace string) metric.Identifier {
	return metric.Identifier{API: metric.Resource, Metric: metric.Memory, Namespace: namespace, Resource: schema.GroupResource{Resource: "pods"}}
}

// crowded evaluates the usage of a crowd.
func crowded(t *testing.T, c *crowd, held int) *fixture {
	t.Helper()
	rules, err := rule.Compile([]byte(usageConfig))
	if err != nil {
		t.Fatal(err)
	}
	f := setupWith(t, func(o *eval.Options) {
		o.Catalog = catalog.New(catalog.Options{Rules: rules, Now: time.Now})
		o.Objects, o.MaxAnswer, o.MaxValues, o.Share = c, c.most, held, 0
	})
	f.source.set(c.query)
	return f
}

// known are how many containers are held of each pod.
func (f *fixture) known(id metric.Identifier) map[string]int {
	n := map[string]int{}
	if s := f.store.Get(id); s != nil && s.Data != nil {
		for pod, containers := range s.Data.Containers {
			n[pod] = len(containers)
		}
	}
	return n
}

func (c *crowd) all() map[string]int {
	n := map[string]int{}
	for _, name := range c.names() {
		n[name] = c.containers
	}
	return n
}

// A namespace whose usage is too large for one answer is asked in several queries: at first
// in as many as it takes, then in as many as the containers of the last answer tell.
func TestALargeNamespaceIsAskedInPieces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &crowd{pods: 8, containers: 3, most: 8}
		f := crowded(t, c, 0)
		f.Evaluate(t.Context(), []metric.Identifier{memoryOf("a")})
		if diff := cmp.Diff(c.all(), f.known(memoryOf("a"))); diff != "" {
			t.Errorf("%s: containers (-want +got):\n%s", f.reason(memoryOf("a")), diff)
		}
		if n := len(f.source.take()); n != 2+4 {
			t.Errorf("%d queries at first, want 2 for 4 pods, which are too many, and 4 for 2", n)
		}
		time.Sleep(interval)
		f.Evaluate(t.Context(), []metric.Identifier{memoryOf("a")})
		var want []string
		for i := 0; i < 8; i += 2 {
			want = append(want, fmt.Sprintf(`sum by (pod, container) (memory{namespace="a",pod=~"p%d|p%d"})`, i, i+1))
		}
		if diff := cmp.Diff(want, f.source.take()); diff != "" {
			t.Errorf("then asked (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(c.all(), f.known(memoryOf("a"))); diff != "" {
			t.Errorf("%s: containers (-want +got):\n%s", f.reason(memoryOf("a")), diff)
		}
		if s := f.store.Get(memoryOf("a")); s.Data.Evaluated != time.Now() {
			t.Errorf("it is of %s", s.Data.Evaluated)
		}
	})
}

// Each piece has the time of a query, and is a sign of life.
func TestPiecesThatTakeTheirTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &crowd{pods: 4, containers: 2, most: 4, takes: timeout - time.Second}
		f := crowded(t, c, 0)
		f.want(t, memoryOf("a"))
		f.run(t)
		time.Sleep(2*interval + timeout) // in the last of the second look's four pieces
		if silent := time.Since(f.Beat()); silent > timeout {
			t.Errorf("the last sign of life was %s ago", silent)
		}
		time.Sleep(c.takes)
		if s := f.store.Get(memoryOf("a")); f.reason(memoryOf("a")) != "ok" || time.Since(s.Data.Evaluated) > 2*interval {
			t.Errorf("%s, of %s ago", f.reason(memoryOf("a")), time.Since(s.Data.Evaluated))
		}
		if diff := cmp.Diff(c.all(), f.known(memoryOf("a"))); diff != "" {
			t.Errorf("containers (-want +got):\n%s", diff)
		}
	})
}

// A namespace is known as a whole or not at all: of one with a piece that fails the last
// value stays.
func TestAPieceThatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &crowd{pods: 4, containers: 2, most: 4}
		f := crowded(t, c, 0)
		f.Evaluate(t.Context(), []metric.Identifier{memoryOf("a")})
		first := f.store.Get(memoryOf("a")).Data
		c.refuses = "p3"
		time.Sleep(interval)
		f.Evaluate(t.Context(), []metric.Identifier{memoryOf("a")})
		if s := f.store.Get(memoryOf("a")); s.Data != first || f.reason(memoryOf("a")) != "source-failed" {
			t.Errorf("%s, with %+v", f.reason(memoryOf("a")), s.Data)
		}
	})
}

// One pod is not divided, and what it has too much of is an error that says so.
func TestAPodThatIsTooLarge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := crowded(t, &crowd{pods: 2, containers: 3, most: 2}, 0)
		f.Evaluate(t.Context(), []metric.Identifier{memoryOf("a")})
		if s := f.store.Get(memoryOf("a")); f.reason(memoryOf("a")) != "limit-reached" || !strings.Contains(s.Err.Error(), "more than 2 values") {
			t.Errorf("%+v", s)
		}
	})
}

// Any metric of many objects is asked so, and what is wrong with some of them is kept.
func TestACustomMetricInPieces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &crowd{pods: 6, containers: 1, most: 4, bad: "p5"}
		f := setupWith(t, func(o *eval.Options) { o.Objects, o.MaxAnswer = c, c.most })
		f.source.set(c.query)
		f.Evaluate(t.Context(), []metric.Identifier{pods("a", "")})
		if n := len(f.source.take()); n != 3 {
			t.Errorf("%d queries, of two pods each", n)
		}
		s := f.store.Get(pods("a", ""))
		if s.Data == nil {
			t.Fatal(s.Err)
		}
		if diff := cmp.Diff([]string{"p0", "p1", "p2", "p3", "p4"}, slices.Sorted(maps.Keys(s.Data.Objects))); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if len(s.Data.Bad) != 1 || metric.ReasonOf(s.Data.Bad["p5"]) != metric.NotFinite {
			t.Errorf("bad: %v", s.Data.Bad)
		}
	})
}

// What a namespace holds is counted by its containers before it is asked about, too.
func TestContainersCountForWhatIsHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := crowded(t, &crowd{pods: 3, containers: 3, most: 100}, 20)
		all := []metric.Identifier{memoryOf("a"), memoryOf("b"), memoryOf("c")}
		f.Evaluate(t.Context(), all[:2]) // 9 each
		f.source.take()
		time.Sleep(interval)
		f.Evaluate(t.Context(), all)
		got := map[string]string{}
		for _, id := range all {
			got[id.Namespace] = f.reason(id)
		}
		if diff := cmp.Diff(map[string]string{"a": "ok", "b": "ok", "c": "limit-reached"}, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		want := []string{`sum by (pod, container, namespace) (memory{namespace=~"a|b",pod=~"p0|p1|p2"})`}
		if diff := cmp.Diff(want, f.source.take()); diff != "" {
			t.Errorf("asked (-want +got):\n%s", diff)
		}
	})
}
