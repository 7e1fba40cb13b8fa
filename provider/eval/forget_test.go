package eval_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	promlabels "github.com/prometheus/prometheus/model/labels"

	"github.com/loadline/loadline/provider/eval"
	"github.com/loadline/loadline/provider/metric"
	"github.com/loadline/loadline/provider/source"
)

// What was asked, or waited to be, when a rule changed is not stored; what other rules give
// is. The metric is asked for anew without waiting for that.
func TestForgottenWhileItIsAsked(t *testing.T) {
	for name, tc := range map[string]struct {
		busy  int  // slots
		again bool // it is wanted while the old query is under way
	}{"under way": {}, "under way, and wanted again": {again: true}, "waiting for a slot": {busy: concurrency}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := setup(t)
				router := eval.NewRouter(func(metric.Identifier) string { return "" }, map[string]*eval.Evaluator{"": f.Evaluator})
				gate, value := make(chan struct{}), 1.0
				f.source.set(func(context.Context, string) (source.Answer, error) {
					v := value
					<-gate
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
