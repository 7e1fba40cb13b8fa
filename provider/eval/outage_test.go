package eval_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	promlabels "github.com/prometheus/prometheus/model/labels"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/loadline/loadline/provider/eval"
	"github.com/loadline/loadline/provider/metric"
	"github.com/loadline/loadline/provider/source"
	"github.com/loadline/loadline/provider/store"
)

// What fell in an outage is served at once where the source says that it has all its
// samples, and else once the time is over in which it may lack some. What rose is
// served without asking.
func TestWhatFellInAnOutage(t *testing.T) {
	const lookback = time.Minute
	refused := &source.Error{Kind: source.Rejected, Text: "no such function"}
	for name, tc := range map[string]struct {
		coverage func(context.Context, string) (source.Answer, error)
		value    float64
		atOnce   bool
	}{
		"nothing is lost":        {number(1), 5, true},
		"half is lost":           {number(0.5), 5, false},
		"everything is lost":     {answers(source.Answer{}, nil), 5, false},
		"the source refuses":     {answers(source.Answer{}, refused), 5, false},
		"the source hangs again": {hang, 5, false},
		"it rose":                {hang, 30, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := setupWith(t, func(o *eval.Options) { o.Lookback = lookback })
				ids := []metric.Identifier{queue(0), {API: metric.External, Metric: "queue_00", Namespace: "b"}} // of one query
				evaluate := func(answer func(context.Context, string) (source.Answer, error)) []string {
					f.source.set(answer)
					f.source.take()
					f.Evaluate(t.Context(), ids)
					if f.reason(ids[0]) != f.reason(ids[1]) {
						t.Errorf("%q and %q of one query", f.reason(ids[0]), f.reason(ids[1]))
					}
					return f.source.take()
				}
				evaluate(number(20))
				for range 3 {
					time.Sleep(lookback / 2)
					evaluate(hang)
				}

				back := func(ctx context.Context, promQL string) (source.Answer, error) {
					if strings.HasPrefix(promQL, "label_replace(") {
						return tc.coverage(ctx, promQL)
					}
					return number(tc.value)(ctx, promQL)
				}
				want := []string{"sum(queue_00{})"}
				if tc.value < 20 {
					want = append(want, `label_replace((count({__name__="queue_00"} and {__name__="queue_00"} offset 1m45s) or vector(0)) / count({__name__="queue_00"} offset 1m45s), "selector", "0", "", "")`)
				}
				if diff := cmp.Diff(want, evaluate(back)); diff != "" {
					t.Errorf("asked (-want +got):\n%s", diff)
				}
				first := "ok"
				if !tc.atOnce {
					first = string(metric.SourceFailed)
				}
				if got := f.reason(ids[0]); got != first {
					t.Errorf("the first answer after the outage ends as %q, want %q", got, first)
				}
				time.Sleep(lookback) // the hold
				evaluate(back)
				got := f.store.Get(ids[0])
				if got.Err != nil || len(got.Data.Series) != 1 || got.Data.Series[0].Quantity.Value() != int64(tc.value) {
					t.Errorf("after the hold %+v, error %v", got.Data.Series, got.Err)
				}
			})
		})
	}
}

func number(v float64) func(context.Context, string) (source.Answer, error) {
	return answers(source.Answer{Samples: []source.Sample{{Value: v}}}, nil)
}

func answers(a source.Answer, err error) func(context.Context, string) (source.Answer, error) {
	return func(context.Context, string) (source.Answer, error) { return a, err }
}

// Reads that were asked by themselves before an outage, each at its own time, and together
// after it, have few questions about the source's samples.
func TestWhatFellForMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, ids := shared(t, 100, nil)
		for i, id := range ids {
			before := time.Now().Add(time.Duration(i)*interval/100 - 10*time.Minute)
			fell := map[string]store.Value{"p1": {Quantity: resource.MustParse("1k")}, "p2": {Quantity: resource.MustParse("1k")}}
			f.store.Succeed(id, &store.Data{Evaluated: before, Objects: fell, PromQL: "m"})
			f.store.Fail(id, time.Now().Add(-interval), metric.Because(metric.SourceFailed, &source.Error{Kind: source.Unavailable}, "away"))
		}
		questions := 0
		f.source.set(func(ctx context.Context, promQL string) (source.Answer, error) {
			if !strings.HasPrefix(promQL, "label_replace(") {
				return town{places(100), nil}.query(ctx, promQL)
			}
			questions++
			var a source.Answer
			for _, ns := range places(100) {
				for _, pod := range []string{"p1", "p2"} {
					a.Samples = append(a.Samples, source.Sample{Labels: promlabels.FromStrings("namespace", ns, "pod", pod, "selector", "0"), Value: 1})
				}
			}
			return a, nil
		})
		f.Evaluate(t.Context(), ids)
		if ok, others := f.outcomes(t, ids); ok != 100 {
			t.Errorf("%d are served, others %v", ok, others)
		}
		if questions != 1 {
			t.Errorf("%d questions, want one", questions)
		}
	})
}
