package eval_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	promlabels "github.com/prometheus/prometheus/model/labels"

	"github.com/loadline/loadline/provider/eval"
	"github.com/loadline/loadline/provider/metric"
	"github.com/loadline/loadline/provider/source"
)

// What was asked, or waited to be, when a rule changed is not stored, nor why it failed; what
// other rules give is. The metric is asked for anew without waiting for that.
func TestForgottenWhileItIsAsked(t *testing.T) {
	for name, tc := range map[string]struct {
		busy  int   // slots
		again bool  // it is wanted while the old query is under way
		fails error // how the old query ends
	}{
		"under way":                   {},
		"under way, and wanted again": {again: true},
		"under way, and unanswered":   {fails: &source.Error{Kind: source.Unavailable, Text: "reset"}},
		"under way, and refused":      {fails: &source.Error{Kind: source.Rejected, Text: "parse error"}},
		"waiting for a slot":          {busy: concurrency},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := setup(t)
				router := eval.NewRouter(func(metric.Identifier) string { return "" }, map[string]*eval.Evaluator{"": f.Evaluator})
				gate, value := make(chan struct{}), 1.0
				f.source.set(func(_ context.Context, promQL string) (source.Answer, error) {
					v := value
					<-gate
					if v == 1 && tc.fails != nil && strings.Contains(promQL, "queue_19") {
						return source.Answer{}, tc.fails
					}
					return source.Answer{Samples: []source.Sample{{Labels: promlabels.EmptyLabels(), Value: v}}}, nil
				})
				stored := func(id metric.Identifier) string {
					synctest.Wait()
					s := f.store.Get(id)
					if s == nil || s.Data == nil || len(s.Data.Series) != 1 {
						return "nothing"
					}
					return s.Data.Series[0].Quantity.String()
				}
				soon := func(ids ...metric.Identifier) {
					router.Soon(ids...)
					time.Sleep(10 * time.Millisecond)
					synctest.Wait()
				}
				changed, other := queue(19), queue(18)
				f.want(t, append(queues(tc.busy), changed, other)...)
				f.run(t) // which asks for all of them
				f.source.take()
				time.Sleep(time.Second)
				router.Forget([]metric.Identifier{changed})
				value = 2
				if tc.again {
					if soon(changed, other); len(f.source.take()) != 1 {
						t.Error("the changed one, and it alone, has to be asked for although it is under way")
					}
				}
				close(gate)
				if got := stored(changed); got == "1" {
					t.Error("what the old rule gave is stored")
				}
				if s := f.store.Get(changed); s != nil && s.Err != nil {
					t.Errorf("why the old rule gave nothing is stored: %v", s.Err)
				}
				soon(changed)
				if got := stored(changed); got != "2" {
					t.Errorf("stored is %s, want what the new rule gives", got)
				}
				if got := stored(other); got == "nothing" {
					t.Error("nothing is stored of another rule")
				}
				if n := strings.Count(strings.Join(f.source.take(), " "), "queue_19"); !tc.again && n != 1 {
					t.Errorf("asked %d times, want once by the new rule", n)
				}
			})
		})
	}
}

// That reads could not be asked together was of their old rule.
func TestForgottenAreAskedTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wrong := true
		f, ids := shared(t, 40, func(_ context.Context, namespaces []string) error {
			if wrong && slices.Contains(namespaces, "n007") {
				return &source.Error{Kind: source.Rejected, Text: "many-to-many"}
			}
			return nil
		})
		f.Evaluate(t.Context(), ids)
		wrong = false
		eval.NewRouter(nil, map[string]*eval.Evaluator{"": f.Evaluator}).Forget(ids)
		f.source.take()
		f.Evaluate(t.Context(), ids)
		if asked := f.source.take(); len(asked) != 1 {
			t.Errorf("%d queries by the new rule, want one for all", len(asked))
		}
	})
}

// A query of the old rule that outlives the demand for its metric is none of the new one's,
// where the metric is wanted again.
func TestForgottenAndWantedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := setup(t)
		gate, value := make(chan struct{}), 1.0
		f.source.set(func(ctx context.Context, _ string) (source.Answer, error) {
			v := value
			if v == 2 {
				return hang(ctx, "")
			}
			<-gate
			return source.Answer{Samples: []source.Sample{{Labels: promlabels.EmptyLabels(), Value: v}}}, nil
		})
		f.want(t, queue(0))
		f.run(t)
		eval.NewRouter(nil, map[string]*eval.Evaluator{"": f.Evaluator}).Forget([]metric.Identifier{queue(0)})
		value = 2
		f.want(t) // the HPA is gone
		time.Sleep(interval + time.Second)
		f.want(t, queue(0))
		close(gate)
		synctest.Wait()
		if s := f.store.Get(queue(0)); s != nil && s.Data != nil {
			t.Error("what the old rule gave is stored")
		}
	})
}
