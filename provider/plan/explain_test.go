package plan

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/loadline/loadline/provider/metric"
)

func TestExplain(t *testing.T) {
	rate := template{text: `sum by (pod) (rate(a{<M>}[1m]))`}
	top := template{text: `topk(1, sum by (pod) (a{<M>}))`}
	read := func(r template, ns string, names ...string) Want {
		return Want{ID: pods(ns, ""), Rule: r, Names: names}
	}
	failing := Want{ID: metric.Identifier{API: metric.External, Metric: "depth", Namespace: "x"}, Rule: renderer("rules[1]"), Series: "broken"}
	other := read(top, "z", "p")
	other.ID.Metric = "top"
	p := Make([]Want{read(rate, "x", "p"), read(rate, "y", "p", "q"), other, read(rate, "empty"), failing}, nil, DefaultLimits())
	var b strings.Builder
	if err := p.Explain().Text(&b); err != nil {
		t.Fatal(err)
	}
	want := `rules[0]: one query for 2 reads, told apart by namespace, pod
  sum by (pod, namespace) (rate(a{namespace=~"x|y",pod=~"p|q"}[1m]))
    custom/namespaces/x/pods/*/rps  (1 objects)
    custom/namespaces/y/pods/*/rps  (2 objects)
rules[0]: a query of its own: topk does not compute each group's value from its own elements, or is not on the list of what can be proved: topk(1, sum by (pod) (a{namespace="z",pod="p"}))
  topk(1, sum by (pod) (a{namespace="z",pod="p"}))
    custom/namespaces/z/pods/*/top  (1 objects)
not asked about, for there is no live object: custom/namespaces/empty/pods/*/rps
no query for external/namespaces/x/depth: no query for depth: template
`
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	large := Make([]Want{read(rate, "x", "p", "q", "r")}, nil, Limits{Names: 9, Values: 2, Reads: 9})
	b.Reset()
	if err := large.Explain().Text(&b); err != nil {
		t.Fatal(err)
	}
	if want := "rules[0]: one read, asked in 2 pieces, for one answer would be too large\n"; !strings.HasPrefix(b.String(), want) {
		t.Errorf("got %s, want %s", b.String(), want)
	}
	data, err := json.Marshal(p.Explain())
	if err != nil {
		t.Fatal(err)
	}
	var back Explanation
	if err := json.Unmarshal(data, &back); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(p.Explain(), back); diff != "" {
		t.Errorf("as JSON (-want +got):\n%s", diff)
	}
}
