package eval

import (
	"errors"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/loadline/loadline/provider/metric"
	"github.com/loadline/loadline/provider/plan"
	"github.com/loadline/loadline/provider/store"
)

func TestPartial(t *testing.T) {
	objects := func(names ...string) *store.Data {
		d := &store.Data{Evaluated: at, Objects: map[string]store.Value{}}
		for _, n := range names {
			d.Objects[n] = store.Value{}
		}
		return d
	}
	series := func(queues ...string) *store.Data {
		d := &store.Data{Evaluated: at}
		for _, q := range queues {
			d.Series = append(d.Series, store.Value{Labels: map[string]string{"queue": q}})
		}
		return d
	}
	away := metric.Errorf(metric.SourceFailed, "away")
	since := func(ago time.Duration) error {
		return metric.Because(metric.SourceFailed, &recovering{at.Add(-ago)}, "back")
	}
	bad := objects("a")
	bad.Bad = map[string]error{"b": errors.New("NaN")}
	valued := func(milli int64, ago time.Duration) *store.Data {
		return &store.Data{Evaluated: at.Add(-ago), Objects: map[string]store.Value{"a": {Quantity: *resource.NewMilliQuantity(milli, resource.DecimalSI)}}}
	}
	for name, tc := range map[string]struct {
		prev   *store.Snapshot
		next   *store.Data
		live   []string
		window time.Duration
		held   bool
	}{
		"the first answer ever":            {nil, objects("a"), []string{"a", "b"}, 0, false},
		"no value before":                  {&store.Snapshot{Err: away}, objects("a"), []string{"a", "b"}, 0, false},
		"no outage":                        {&store.Snapshot{Data: objects("a", "b")}, objects("a"), []string{"a", "b"}, 0, false},
		"an error that is no outage":       {&store.Snapshot{Data: objects("a", "b"), Err: metric.Errorf(metric.Duplicate, "x")}, objects("a"), []string{"a", "b"}, 0, false},
		"complete":                         {&store.Snapshot{Data: objects("a", "b"), Err: away}, objects("a", "b", "c"), []string{"a", "b", "c"}, 0, false},
		"one is missing":                   {&store.Snapshot{Data: objects("a", "b"), Err: away}, objects("a"), []string{"a", "b"}, 0, true},
		"all are missing":                  {&store.Snapshot{Data: objects("a", "b"), Err: away}, objects(), []string{"a", "b"}, 0, true},
		"the missing one is gone":          {&store.Snapshot{Data: objects("a", "b"), Err: away}, objects("a"), []string{"a"}, 0, false},
		"the missing one never had any":    {&store.Snapshot{Data: objects("a"), Err: away}, objects("a"), []string{"a", "b"}, 0, false},
		"the missing one has a bad value":  {&store.Snapshot{Data: objects("a", "b"), Err: away}, bad, []string{"a", "b"}, 0, false},
		"still missing":                    {&store.Snapshot{Data: objects("a", "b"), Err: since(30 * time.Second)}, objects("a"), []string{"a", "b"}, 0, true},
		"missing for good":                 {&store.Snapshot{Data: objects("a", "b"), Err: since(31 * time.Second)}, objects("a"), []string{"a", "b"}, 0, false},
		"a longer window":                  {&store.Snapshot{Data: objects("a", "b"), Err: since(31 * time.Second)}, objects("a"), []string{"a", "b"}, time.Minute, true},
		"a window longer than the bound":   {&store.Snapshot{Data: objects("a", "b"), Err: since(121 * time.Second)}, objects("a"), []string{"a", "b"}, time.Hour, false},
		"a rate fell in a long outage":     {&store.Snapshot{Data: valued(20000, time.Minute), Err: away}, valued(1500, 0), []string{"a"}, time.Minute, true},
		"a rate rose in a long outage":     {&store.Snapshot{Data: valued(20000, time.Minute), Err: away}, valued(30000, 0), []string{"a"}, time.Minute, false},
		"a rate fell in a short outage":    {&store.Snapshot{Data: valued(20000, 20*time.Second), Err: away}, valued(1500, 0), []string{"a"}, time.Minute, false},
		"a gauge fell in a long outage":    {&store.Snapshot{Data: valued(20000, time.Minute), Err: away}, valued(1500, 0), []string{"a"}, 0, false},
		"it fell for good":                 {&store.Snapshot{Data: valued(20000, 3*time.Minute), Err: since(61 * time.Second)}, valued(1500, 0), []string{"a"}, time.Minute, false},
		"a series is missing":              {&store.Snapshot{Data: series("x", "y"), Err: away}, series("y"), nil, 0, true},
		"another series":                   {&store.Snapshot{Data: series("x"), Err: away}, series("y"), nil, 0, true},
		"all series, and one more":         {&store.Snapshot{Data: series("x", "y"), Err: away}, series("y", "z", "x"), nil, 0, false},
		"an external metric that was none": {&store.Snapshot{Data: series(), Err: away}, series(), nil, 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			q := plan.Query{Names: tc.live}
			q.Window = tc.window
			err := partial(tc.prev, tc.next, q)
			if (err != nil) != tc.held {
				t.Fatalf("err %v, want held %v", err, tc.held)
			}
			if err != nil && metric.ReasonOf(err) != metric.SourceFailed {
				t.Errorf("reason %q would replace the last data at once", metric.ReasonOf(err))
			}
		})
	}
}
