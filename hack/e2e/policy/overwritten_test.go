//go:build e2e

package policy

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/loadline/loadline/policy/decide"
)

// overwritten has somebody set a target to 0 while the HPA controller waits for a metric:
// what it decides it writes over the 0, for on a conflict it reads the scale anew and
// writes the same (horizontal.go of 1.37). That is said, with what to do, which then holds.
func overwritten(t *testing.T, m *metricAPI) {
	ns := namespace(t)
	source := m.of(ns)
	source.value.Store(20)
	d := sized(t, ns, "web", 2)
	create(t, newPolicy(ns, "web", external))
	goodMetrics(t, ns, "web")
	if n, err := eventsOf(t.Context(), ns, decide.EventOverwritten); err != nil || n > 0 {
		t.Fatalf("%d Events %s of a size that nobody touched: %v", n, decide.EventOverwritten, err)
	}

	asked, answer := make(chan struct{}, 100), make(chan struct{})
	source.measure(func() int64 {
		asked <- struct{}{}
		select {
		case <-answer:
		case <-time.After(5 * time.Second):
		}
		return 40 // what four pods take: there is something to write
	})
	select {
	case <-asked:
	case <-time.After(4 * hpaSync):
		t.Fatal("the HPA controller asks for no metric")
	}
	resize(t, d, 0)
	close(answer)
	system.Until(t, "the HPA writes over the 0", hpaSync, func(ctx context.Context) (bool, string) {
		n, err := replicasOf(ctx, ns, "web")
		return err == nil && n > 0, fmt.Sprintf("%d, %v", n, err)
	})
	system.Until(t, "the Event of that", soon, func(ctx context.Context) (bool, string) {
		n, err := eventsOf(ctx, ns, decide.EventOverwritten)
		return err == nil && n == 1, fmt.Sprintf("%d Events, %v", n, err)
	})
	resize(t, d, 0)
	stays(t, ns, 0, "a person's second 0")
	resize(t, d, 3) // a person's own waking is nobody's mistake
	size(t, ns, "web", 4, 3*hpaSync)
	if n, err := eventsOf(t.Context(), ns, decide.EventOverwritten); err != nil || n != 1 {
		t.Errorf("%d Events %s, 1 was due: %v", n, decide.EventOverwritten, err)
	}
}
