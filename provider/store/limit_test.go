package store_test

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/loadline/loadline/provider/metric"
	"github.com/loadline/loadline/provider/store"
)

// state is what a reader finds: the number of values, or -1 for a metric that the
// limit refused.
func state(s *store.Store) map[string]int {
	got := map[string]int{}
	s.Each(func(id metric.Identifier, snap *store.Snapshot) {
		switch {
		case metric.ReasonOf(snap.Err) == metric.LimitReached && snap.Data == nil:
			got[id.Metric] = -1
		case snap.Data != nil:
			got[id.Metric] = len(snap.Data.Series)
		}
	})
	return got
}

// Metrics whose name begins with "hpa" are referenced.
func limited(values int) *store.Store {
	return store.NewLimited(store.Limits{Values: values, Referenced: func(id metric.Identifier) bool { return strings.HasPrefix(id.Metric, "hpa") }})
}

func TestValuesAreBounded(t *testing.T) {
	type put struct {
		names  string // separated by spaces; they share the values
		values int
	}
	for name, tc := range map[string]struct {
		puts  []put
		want  map[string]int
		stats store.Stats
	}{
		"up to the limit": {
			[]put{{"a", 4}, {"hpa1", 6}}, map[string]int{"a": 4, "hpa1": 6}, store.Stats{Metrics: 2, Values: 10},
		},
		"what is shared counts once": {
			[]put{{"a b hpa1", 10}}, map[string]int{"a": 10, "b": 10, "hpa1": 10}, store.Stats{Metrics: 3, Values: 10},
		},
		"the next one is refused, and the others stay": {
			[]put{{"a", 4}, {"b", 6}, {"c", 1}}, map[string]int{"a": 4, "b": 6, "c": -1}, store.Stats{Metrics: 3, Values: 10, Rejections: 1},
		},
		"no values always fit": {
			[]put{{"a", 10}, {"b", 0}}, map[string]int{"a": 10, "b": 0}, store.Stats{Metrics: 2, Values: 10},
		},
		"a replacement needs no room of its own": {
			[]put{{"a", 10}, {"a", 9}, {"a", 10}}, map[string]int{"a": 10}, store.Stats{Metrics: 1, Values: 10},
		},
		"of what is shared neither": {
			[]put{{"a b", 10}, {"a b", 9}, {"b a", 10}}, map[string]int{"a": 10, "b": 10}, store.Stats{Metrics: 2, Values: 10},
		},
		"what grows out of the limit gives its room back": {
			[]put{{"a", 8}, {"a", 11}, {"b", 10}}, map[string]int{"a": -1, "b": 10}, store.Stats{Metrics: 2, Values: 10, Rejections: 1},
		},
		"the largest that is only read gives way to what HPAs reference": {
			[]put{{"a", 3}, {"b", 5}, {"c", 2}, {"hpa1", 4}}, map[string]int{"a": 3, "b": -1, "c": 2, "hpa1": 4}, store.Stats{Metrics: 4, Values: 9, Rejections: 1},
		},
		"several give way, and what is shared does for all": {
			[]put{{"a", 4}, {"b c", 5}, {"hpa1", 9}}, map[string]int{"a": -1, "b": -1, "c": -1, "hpa1": 9}, store.Stats{Metrics: 4, Values: 9, Rejections: 3},
		},
		"what is shared with a referenced one does not": {
			[]put{{"a hpa1", 5}, {"b", 2}, {"hpa2", 5}}, map[string]int{"a": 5, "hpa1": 5, "b": -1, "hpa2": 5}, store.Stats{Metrics: 4, Values: 10, Rejections: 1},
		},
		"nothing goes where it would not be enough": {
			[]put{{"a", 3}, {"hpa1", 5}, {"hpa2", 6}}, map[string]int{"a": 3, "hpa1": 5, "hpa2": -1}, store.Stats{Metrics: 3, Values: 8, Rejections: 1},
		},
		"one that is larger than the limit": {
			[]put{{"a", 3}, {"hpa1", 11}}, map[string]int{"a": 3, "hpa1": -1}, store.Stats{Metrics: 2, Values: 3, Rejections: 1},
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := limited(10)
			for i, p := range tc.puts {
				var ids []metric.Identifier
				for name := range strings.FieldsSeq(p.names) {
					ids = append(ids, named(name))
				}
				s.Share(ids, data(t0.Add(time.Duration(i)*time.Second), p.values))
			}
			if diff := cmp.Diff(tc.want, state(s)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			tc.stats.Limit = 10
			if diff := cmp.Diff(tc.stats, s.Stats()); diff != "" {
				t.Errorf("stats (-want +got):\n%s", diff)
			}
		})
	}
}

func TestTheErrorNamesTheFlag(t *testing.T) {
	s := limited(10)
	s.Succeed(a, data(t0, 11))
	want := "its 11 values do not fit into --max-values-held=10: use fewer distinct selectors, aggregate further in the query, or raise it together with the memory limit"
	if diff := cmp.Diff(want, s.Get(a).Err.Error()); diff != "" {
		t.Errorf("refused (-want +got):\n%s", diff)
	}
	s.Succeed(a, data(t0, 10))
	s.Succeed(named("hpa"), data(t0, 1))
	want = "its values gave way to those of metrics that HPAs reference, at the limit of --max-values-held=10: use fewer distinct selectors, aggregate further in the query, or raise it together with the memory limit"
	if diff := cmp.Diff(want, s.Get(a).Err.Error()); diff != "" {
		t.Errorf("gave way (-want +got):\n%s", diff)
	}
}

func TestALimitElsewhereFreesTheData(t *testing.T) {
	s := limited(10)
	s.Succeed(a, data(t0, 10))
	s.Fail(a, t0.Add(time.Second), metric.Errorf(metric.LimitReached, "the answer is too large"))
	if diff := cmp.Diff(store.Stats{Metrics: 1, Limit: 10, Rejections: 1}, s.Stats()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// The sums are kept up to date at every change, so any order of changes must leave
// them equal to what is there.
func TestTheSumsAreRight(t *testing.T) {
	const limit = 50
	s := limited(limit)
	names := strings.Fields("a b c d hpa1 hpa2 hpa3")
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 0))
		for i := range 500 {
			at := t0.Add(time.Duration(r.IntN(600)) * time.Second)
			ids := []metric.Identifier{named(names[r.IntN(len(names))]), named(names[r.IntN(len(names))])}
			switch r.IntN(4) {
			case 0:
				s.Fail(ids[0], at, metric.Errorf([]metric.Reason{metric.SourceFailed, metric.LimitReached}[r.IntN(2)], "x"))
			case 1:
				s.Retain(func(id metric.Identifier) bool { return id != ids[0] })
			default:
				s.Share(ids, data(at, r.IntN(30)))
			}
			distinct, sum := map[*store.Data]bool{}, 0
			s.Each(func(_ metric.Identifier, snap *store.Snapshot) {
				if snap.Data != nil && !distinct[snap.Data] {
					distinct[snap.Data] = true
					sum += len(snap.Data.Series)
				}
			})
			if got := s.Stats().Values; got != sum || got > limit {
				t.Fatalf("seed %d, change %d: %d values by the sums, %d held, limit %d", seed, i, got, sum, limit)
			}
		}
	}
}
