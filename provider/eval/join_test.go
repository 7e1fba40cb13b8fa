package eval

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/loadline/loadline/provider/metric"
	"github.com/loadline/loadline/provider/plan"
	"github.com/loadline/loadline/provider/source"
)

var at = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func sample(v float64, l ...string) source.Sample {
	return source.Sample{Labels: labels.FromStrings(l...), Value: v, Time: at}
}

// pods is a part about some.
func pods(names ...string) plan.Part {
	p := plan.Part{Names: names, For: []metric.Identifier{{API: metric.Custom}}}
	p.ObjectLabel = "pod"
	return p
}

func TestJoinObjects(t *testing.T) {
	type got struct {
		Milli map[string]int64
		Bad   map[string]string
		Err   string
	}
	for name, tc := range map[string]struct {
		samples []source.Sample
		want    got
	}{
		"no samples is no error": {nil, got{}},
		"one a pod": {
			[]source.Sample{sample(1.5, "pod", "a"), sample(0, "pod", "b")},
			got{Milli: map[string]int64{"a": 1500, "b": 0}},
		},
		"a bad value spoils its own object only": {
			[]source.Sample{sample(math.NaN(), "pod", "a"), sample(2, "pod", "b"), sample(math.Inf(1), "pod", "c"), sample(1e19, "pod", "d")},
			got{Milli: map[string]int64{"b": 2000}, Bad: map[string]string{"a": "not-finite", "c": "not-finite", "d": "overflow"}},
		},
		"duplicates are neither added nor chosen from": {
			[]source.Sample{sample(1, "pod", "a", "code", "200"), sample(2, "pod", "a", "code", "500"), sample(3, "pod", "a", "code", "501"), sample(4, "pod", "b")},
			got{Milli: map[string]int64{"b": 4000}, Bad: map[string]string{"a": "duplicate"}},
		},
		"a duplicate of a bad value": {
			[]source.Sample{sample(math.NaN(), "pod", "a", "code", "200"), sample(2, "pod", "a", "code", "500")},
			got{Bad: map[string]string{"a": "duplicate"}},
		},
		"a sample without the object's label": {
			[]source.Sample{sample(1, "pod", "a"), sample(2, "service", "x")},
			got{Err: "unlabelled"},
		},
		"a scalar": {[]source.Sample{sample(1)}, got{Err: "unlabelled"}},
	} {
		t.Run(name, func(t *testing.T) {
			data, err := joinPart(tc.samples, plan.Query{}, pods(), at)
			g := got{Err: string(metric.ReasonOf(err))}
			if err == nil {
				for name, v := range data.Objects {
					if g.Milli == nil {
						g.Milli = map[string]int64{}
					}
					g.Milli[name] = v.Quantity.MilliValue()
				}
				for name, e := range data.Bad {
					if g.Bad == nil {
						g.Bad = map[string]string{}
					}
					g.Bad[name] = string(metric.ReasonOf(e))
				}
			}
			if diff := cmp.Diff(tc.want, g); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestDuplicateNamesTheLabels(t *testing.T) {
	err := duplicate(labels.FromStrings("pod", "a", "code", "200", "zone", "x"), labels.FromStrings("pod", "a", "code", "500", "path", "/"))
	want := "several samples for one object, which differ in label code, path, zone: aggregate over it, for example `sum(…) by (<<.GroupBy>>)`"
	if err.Error() != want {
		t.Errorf("got  %s\nwant %s", err, want)
	}
}

func TestJoinSeries(t *testing.T) {
	p := plan.Part{For: []metric.Identifier{{API: metric.External}}}
	data, err := joinPart([]source.Sample{sample(1, "queue", "a"), sample(0)}, plan.Query{}, p, at)
	if err != nil {
		t.Fatal(err)
	}
	if len(data.Series) != 2 || data.Series[0].Labels["queue"] != "a" || data.Series[0].Quantity.MilliValue() != 1000 || !data.Series[0].Time.Equal(at) {
		t.Errorf("got %+v", data.Series)
	}
	// The HPA controller sums the series: one that is no number spoils the sum.
	_, err = joinPart([]source.Sample{sample(1, "queue", "a"), sample(math.NaN(), "queue", "b")}, plan.Query{}, p, at)
	if metric.ReasonOf(err) != metric.NotFinite {
		t.Errorf("err %v", err)
	}
}

// None is what the rule says it is, unless a part of the source was not there.
func TestJoinOfNothing(t *testing.T) {
	zero := 0.0
	for name, tc := range map[string]struct {
		answer source.Answer
		empty  *float64
		want   []int64
	}{
		"nothing":            {source.Answer{}, nil, nil},
		"which means 0":      {source.Answer{}, &zero, []int64{0}},
		"a part of it":       {source.Answer{Warnings: []string{"a store is away"}}, &zero, nil},
		"something, however": {source.Answer{Samples: []source.Sample{sample(5)}}, &zero, []int64{5}},
	} {
		t.Run(name, func(t *testing.T) {
			p := plan.Part{For: []metric.Identifier{{API: metric.External}}}
			p.Empty = tc.empty
			data, errs := join(tc.answer, plan.Query{Parts: []plan.Part{p}}, at)
			if errs[0] != nil {
				t.Fatal(errs[0])
			}
			var got []int64
			for _, v := range data[0].Series {
				got = append(got, v.Quantity.Value())
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// What is kept of an answer must not keep the rest of it in memory: names are those
// that were asked for, or copies, and of the query what fits into a message.
func TestJoinKeepsNoMoreThanItNeeds(t *testing.T) {
	asked := []string{"a", "b"}
	p := pods(asked...)
	p.PromQL = strings.Repeat("x", 5000)
	whole := labels.FromStrings("pod", "b", "zzz", "long")
	data, err := joinPart([]source.Sample{{Labels: whole, Value: 1, Time: at}, sample(2, "pod", "c")}, plan.Query{}, p, at)
	if err != nil {
		t.Fatal(err)
	}
	for name := range data.Objects {
		if unsafe.StringData(name) == unsafe.StringData(whole.Get("pod")) {
			t.Errorf("%q is a part of the sample's labels", name)
		}
		if i := slices.Index(asked, name); i >= 0 && unsafe.StringData(name) != unsafe.StringData(asked[i]) {
			t.Errorf("%q is not the name that was asked for", name)
		}
	}
	if len(data.Objects) != 2 || len(data.PromQL) > 1100 {
		t.Errorf("%d objects, %d bytes of the query", len(data.Objects), len(data.PromQL))
	}
}
