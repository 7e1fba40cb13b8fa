package demand_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/loadline/loadline/provider/demand"
	"github.com/loadline/loadline/provider/metric"
)

var t0 = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func id(namespace, name string) metric.Identifier {
	return metric.Identifier{API: metric.External, Namespace: namespace, Metric: name}
}

func names(r *demand.Registry) []string {
	var out []string
	for _, w := range r.Wanted() {
		out = append(out, w.Namespace+"/"+w.Metric)
	}
	slices.Sort(out)
	return out
}

func mustRead(t *testing.T, r *demand.Registry, i metric.Identifier, at time.Time) {
	t.Helper()
	if err := r.Read(i, at); err != nil {
		t.Fatal(err)
	}
}

func mustReference(t *testing.T, r *demand.Registry, key string, ids ...metric.Identifier) []metric.Identifier {
	t.Helper()
	added, err := r.Reference(key, ids)
	if err != nil {
		t.Fatal(err)
	}
	return added
}

func TestReadsExpireAndReferencesStay(t *testing.T) {
	r := demand.New(demand.Limits{Total: 10, PerNamespace: 10, Idle: time.Minute})
	mustRead(t, r, id("a", "read"), t0)
	mustRead(t, r, id("a", "both"), t0)
	mustReference(t, r, "a/hpa", id("a", "both"), id("a", "referenced"))

	if gone := r.Expire(t0.Add(time.Minute)); len(gone) != 0 {
		t.Errorf("dropped within the bound: %v", gone)
	}
	mustRead(t, r, id("a", "read"), t0.Add(30*time.Second))
	if gone := r.Expire(t0.Add(90 * time.Second)); len(gone) != 0 {
		t.Errorf("a read did not renew: %v", gone)
	}
	if diff := cmp.Diff([]metric.Identifier{id("a", "read")}, r.Expire(t0.Add(91*time.Second))); diff != "" {
		t.Errorf("expired (-want +got):\n%s", diff)
	}

	// The HPA goes: what only it wanted goes at once, what was read too expires.
	mustReference(t, r, "a/hpa")
	if diff := cmp.Diff([]string{"a/both"}, names(r)); diff != "" {
		t.Errorf("after the HPA went (-want +got):\n%s", diff)
	}
	r.Expire(t0.Add(time.Hour))
	if got := names(r); len(got) != 0 {
		t.Errorf("still wanted: %v", got)
	}
}

func TestReferenceReplacesAndReportsNew(t *testing.T) {
	r := demand.New(demand.Limits{Total: 10, PerNamespace: 10, Idle: time.Minute})
	a, b, c := id("n", "a"), id("n", "b"), id("n", "c")
	if diff := cmp.Diff([]metric.Identifier{a, b}, mustReference(t, r, "n/1", a, b, a)); diff != "" {
		t.Errorf("added (-want +got):\n%s", diff)
	}
	if added := mustReference(t, r, "n/2", b); added != nil {
		t.Errorf("b was wanted already, yet added: %v", added)
	}
	if diff := cmp.Diff([]metric.Identifier{c}, mustReference(t, r, "n/1", a, c)); diff != "" {
		t.Errorf("added (-want +got):\n%s", diff)
	}
	// b is still wanted by the other HPA, and not for long.
	mustReference(t, r, "n/2")
	if diff := cmp.Diff([]string{"n/a", "n/c"}, names(r)); diff != "" {
		t.Errorf("wanted (-want +got):\n%s", diff)
	}
	if !r.Referenced(a) || r.Referenced(b) || r.Has(b) {
		t.Error("Referenced or Has is wrong")
	}
	if got, want := r.Stats(), (demand.Stats{Wanted: 2, Referenced: 2}); got != want {
		t.Errorf("stats %+v, want %+v", got, want)
	}
}

func TestLimits(t *testing.T) {
	r := demand.New(demand.Limits{Total: 3, PerNamespace: 2, Idle: time.Minute})
	mustRead(t, r, id("a", "1"), t0)
	mustRead(t, r, id("a", "2"), t0.Add(time.Second))

	err := r.Read(id("a", "3"), t0)
	if metric.ReasonOf(err) != metric.LimitReached || !strings.Contains(err.Error(), "--max-wanted-per-namespace") || !strings.Contains(err.Error(), `"a"`) {
		t.Errorf("the namespace's limit: %v", err)
	}
	mustRead(t, r, id("b", "1"), t0)
	err = r.Read(id("c", "1"), t0)
	if metric.ReasonOf(err) != metric.LimitReached || !strings.Contains(err.Error(), "--max-wanted:") {
		t.Errorf("the total limit: %v", err)
	}
	// What is wanted already can still be read.
	mustRead(t, r, id("a", "1"), t0.Add(2*time.Second))
	if got := r.Stats().Rejections; got != 2 {
		t.Errorf("rejections %d, want 2", got)
	}
}

func TestReferencesMakeRoom(t *testing.T) {
	r := demand.New(demand.Limits{Total: 3, PerNamespace: 2, Idle: time.Minute})
	mustRead(t, r, id("a", "old"), t0)
	mustRead(t, r, id("a", "new"), t0.Add(time.Second))
	mustRead(t, r, id("b", "older"), t0.Add(-time.Hour))

	// Namespace a is full: its own oldest read goes, not b's older one.
	mustReference(t, r, "a/hpa", id("a", "hpa"))
	if diff := cmp.Diff([]string{"a/hpa", "a/new", "b/older"}, names(r)); diff != "" {
		t.Errorf("wanted (-want +got):\n%s", diff)
	}
	// The total is full: the oldest read of all goes.
	mustReference(t, r, "c/hpa", id("c", "hpa"))
	if diff := cmp.Diff([]string{"a/hpa", "a/new", "c/hpa"}, names(r)); diff != "" {
		t.Errorf("wanted (-want +got):\n%s", diff)
	}
	// References never push each other out.
	mustReference(t, r, "c/hpa2", id("c", "hpa2"))
	added, err := r.Reference("d/hpa", []metric.Identifier{id("d", "hpa")})
	if metric.ReasonOf(err) != metric.LimitReached || added != nil || !strings.Contains(err.Error(), "d/hpa") {
		t.Errorf("added %v, err %v", added, err)
	}
	if diff := cmp.Diff([]string{"a/hpa", "c/hpa", "c/hpa2"}, names(r)); diff != "" {
		t.Errorf("wanted (-want +got):\n%s", diff)
	}
}

// TestHostileReader: ten thousand distinct selectors cost a bounded amount and
// leave the HPA's metric alone.
func TestHostileReader(t *testing.T) {
	r := demand.New(demand.Limits{Total: 1000, PerNamespace: 100, Idle: time.Minute})
	mustReference(t, r, "a/hpa", id("a", "hpa"))
	refused := 0
	for i := range 10_000 {
		if r.Read(id("a", fmt.Sprint(i)), t0) != nil {
			refused++
		}
	}
	if got := r.Stats(); got.Wanted != 100 || refused != 9_901 || !r.Has(id("a", "hpa")) {
		t.Errorf("stats %+v, refused %d", got, refused)
	}
	mustRead(t, r, id("b", "other"), t0)
}

// Root-scoped objects have no namespace: what is wanted of them counts for the
// namespace of the request or of the HPA.
func TestRootScopedCountsForWhoAsked(t *testing.T) {
	r := demand.New(demand.Limits{Total: 100, PerNamespace: 2, Idle: time.Minute})
	mustReference(t, r, "a/hpa", id("", "1"), id("", "2"))
	if _, err := r.Reference("a/hpa2", []metric.Identifier{id("", "3")}); metric.ReasonOf(err) != metric.LimitReached || !strings.Contains(err.Error(), `namespace "a"`) {
		t.Errorf("a third one of a: %v", err)
	}
	if err := r.ReadThrough(id("", "3"), "a", t0); metric.ReasonOf(err) != metric.LimitReached {
		t.Errorf("read through a: %v", err)
	}
	// b has its own room, and what a wants already costs it none.
	mustReference(t, r, "b/hpa", id("", "1"), id("", "3"), id("", "4"))
	for _, name := range []string{"5", "6"} {
		if err := r.ReadThrough(id("", name), "", t0); err != nil {
			t.Errorf("without a namespace: %v", err)
		}
	}
	if err := r.ReadThrough(id("", "7"), "", t0); metric.ReasonOf(err) != metric.LimitReached || !strings.Contains(err.Error(), "no namespace") {
		t.Errorf("a third one without a namespace: %v", err)
	}
	// Room is made among what counts for the same namespace, and given back there.
	mustReference(t, r, "c/hpa", id("c", "hpa"))
	if err := r.ReadThrough(id("", "8"), "c", t0.Add(-time.Hour)); err != nil {
		t.Error(err)
	}
	mustReference(t, r, "c/hpa2", id("c", "hpa2"))
	if r.Has(id("", "8")) || !r.Has(id("", "5")) {
		t.Errorf("made room elsewhere: %v", names(r))
	}
	mustReference(t, r, "a/hpa")
	mustReference(t, r, "a/hpa", id("", "9")) // 1 is still b's want and counts for a
	if added, err := r.Reference("a/hpa2", []metric.Identifier{id("", "10")}); err == nil {
		t.Errorf("added %v beyond the limit", added)
	}
}

// A selector as long as a request can carry is refused, and no other demand gives way.
func TestLongIdentifiersAreRefused(t *testing.T) {
	r := demand.New(demand.Limits{Total: 1, PerNamespace: 1, Idle: time.Minute})
	mustRead(t, r, id("a", "read"), t0)
	long := id("a", "x")
	long.MetricSelector = "k in (" + strings.Repeat("v", 8<<10) + ")"
	if err := r.Read(long, t0); metric.ReasonOf(err) != metric.Invalid {
		t.Errorf("a read: %v", err)
	}
	if added, err := r.Reference("a/hpa", []metric.Identifier{long}); metric.ReasonOf(err) != metric.Invalid || len(added) > 0 {
		t.Errorf("a reference: %v, added %v", err, added)
	}
	if diff := cmp.Diff([]string{"a/read"}, names(r)); diff != "" {
		t.Error(diff)
	}
	long.MetricSelector = "k in (" + strings.Repeat("v", 4<<10) + ")"
	mustReference(t, r, "a/hpa", long)
}

// What is wanted in a namespace, and by whom there.
func TestIn(t *testing.T) {
	r := demand.New(demand.Limits{Total: 20, PerNamespace: 10, Idle: time.Minute})
	node := metric.Identifier{API: metric.Custom, Metric: "load", Resource: schema.GroupResource{Resource: "nodes"}, Name: "n1"}
	space := metric.Identifier{API: metric.Custom, Metric: "load", Resource: schema.GroupResource{Resource: "namespaces"}, Name: "a"}
	mustRead(t, r, id("a", "read"), t0)
	mustRead(t, r, id("b", "read"), t0.Add(time.Second))
	mustReference(t, r, "a/web", id("a", "both"), node, space)
	mustReference(t, r, "a/api", id("a", "both"))
	mustReference(t, r, "b/web", node)
	mustRead(t, r, id("a", "both"), t0.Add(time.Minute))
	for namespace, want := range map[string][]string{
		"a": {"both of a/api,a/web at 60", "load of a/web", "load of a/web", "read of  at 0"},
		"b": {"load of b/web", "read of  at 1"},
		"c": nil,
		"":  {"both of a/api,a/web at 60", "load of a/web", "load of a/web,b/web", "read of  at 0", "read of  at 1"},
	} {
		var got []string
		for _, w := range r.In(namespace) {
			line := w.ID.Metric + " of " + strings.Join(w.HPAs, ",")
			if !w.Read.IsZero() {
				line += fmt.Sprintf(" at %d", int(w.Read.Sub(t0).Seconds()))
			}
			got = append(got, line)
		}
		slices.Sort(got)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q: %s", namespace, diff)
		}
	}
}
