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

func TestDoubt(t *testing.T) {
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
		return metric.Because(metric.SourceFailed, &recovering{since: at.Add(-ago)}, "back")
	}
	lost := func(ago time.Duration) error {
		return metric.Because(metric.SourceFailed, &recovering{since: at.Add(-ago), lost: true}, "back")
	}
	two := func(a, b int64, ago time.Duration) *store.Data {
		d := &store.Data{Evaluated: at.Add(-ago), Objects: map[string]store.Value{}}
		for name, milli := range map[string]int64{"a": a, "b": b} {
			d.Objects[name] = store.Value{Quantity: *resource.NewMilliQuantity(milli, resource.DecimalSI)}
		}
		return d
	}
	usage := func(ago time.Duration, milli int64, names ...string) *store.Data {
		d := &store.Data{Evaluated: at.Add(-ago), Containers: map[string][]store.Container{}}
		for _, n := range names {
			d.Containers["a"] = append(d.Containers["a"], store.Container{Name: n, Value: store.Value{Quantity: *resource.NewMilliQuantity(milli, resource.DecimalSI)}})
		}
		return d
	}
	bad := objects("a")
	bad.Bad = map[string]error{"b": errors.New("NaN")}
	valued := func(milli int64, ago time.Duration) *store.Data {
		return &store.Data{Evaluated: at.Add(-ago), Objects: map[string]store.Value{"a": {Quantity: *resource.NewMilliQuantity(milli, resource.DecimalSI)}}}
	}
	summed := func(milli int64, ago time.Duration) *store.Data {
		return &store.Data{Evaluated: at.Add(-ago), Series: []store.Value{{Quantity: *resource.NewMilliQuantity(milli, resource.DecimalSI)}}}
	}
	// A window of -1 stands for instant selectors, -2 for a window that is not known.
	const instant, unknown = -1, -2
	for name, tc := range map[string]struct {
		prev   *store.Snapshot
		next   *store.Data
		live   []string
		window time.Duration
		held   bool
		source coverage
	}{
		"the first answer ever":             {nil, objects("a"), []string{"a", "b"}, 0, false, unknown},
		"no value before":                   {&store.Snapshot{Err: away}, objects("a"), []string{"a", "b"}, 0, false, unknown},
		"no outage":                         {&store.Snapshot{Data: objects("a", "b")}, objects("a"), []string{"a", "b"}, 0, false, unknown},
		"an error that is no outage":        {&store.Snapshot{Data: objects("a", "b"), Err: metric.Errorf(metric.Duplicate, "x")}, objects("a"), []string{"a", "b"}, 0, false, unknown},
		"complete":                          {&store.Snapshot{Data: objects("a", "b"), Err: away}, objects("a", "b", "c"), []string{"a", "b", "c"}, 0, false, unknown},
		"one is missing":                    {&store.Snapshot{Data: objects("a", "b"), Err: away}, objects("a"), []string{"a", "b"}, 0, true, unknown},
		"all are missing":                   {&store.Snapshot{Data: objects("a", "b"), Err: away}, objects(), []string{"a", "b"}, 0, true, unknown},
		"the missing one is gone":           {&store.Snapshot{Data: objects("a", "b"), Err: away}, objects("a"), []string{"a"}, 0, false, unknown},
		"the missing one never had any":     {&store.Snapshot{Data: objects("a"), Err: away}, objects("a"), []string{"a", "b"}, 0, false, unknown},
		"the missing one has a bad value":   {&store.Snapshot{Data: objects("a", "b"), Err: away}, bad, []string{"a", "b"}, 0, false, unknown},
		"still missing":                     {&store.Snapshot{Data: objects("a", "b"), Err: since(30 * time.Second)}, objects("a"), []string{"a", "b"}, 0, true, unknown},
		"missing for good":                  {&store.Snapshot{Data: objects("a", "b"), Err: since(31 * time.Second)}, objects("a"), []string{"a", "b"}, 0, false, unknown},
		"a longer window":                   {&store.Snapshot{Data: objects("a", "b"), Err: since(31 * time.Second)}, objects("a"), []string{"a", "b"}, time.Minute, true, unknown},
		"a window longer than the bound":    {&store.Snapshot{Data: objects("a", "b"), Err: since(121 * time.Second)}, objects("a"), []string{"a", "b"}, time.Hour, false, unknown},
		"a rate fell in a long outage":      {&store.Snapshot{Data: valued(20000, time.Minute), Err: away}, valued(1500, 0), []string{"a"}, time.Minute, true, unknown},
		"a rate rose in a long outage":      {&store.Snapshot{Data: valued(20000, time.Minute), Err: away}, valued(30000, 0), []string{"a"}, time.Minute, false, unknown},
		"a short window is not full yet":    {&store.Snapshot{Data: valued(20000, time.Minute), Err: since(10 * time.Second)}, valued(1500, 0), []string{"a"}, 10 * time.Second, true, unknown},
		"a short window is full":            {&store.Snapshot{Data: valued(20000, time.Minute), Err: since(11 * time.Second)}, valued(1500, 0), []string{"a"}, 10 * time.Second, false, unknown},
		"a short window after a loss":       {&store.Snapshot{Data: valued(20000, time.Minute), Err: lost(11 * time.Second)}, valued(1500, 0), []string{"a"}, 10 * time.Second, true, unknown},
		"one fell, more rose":               {&store.Snapshot{Data: two(20000, 20000, time.Minute), Err: away}, two(19900, 60000, 0), []string{"a", "b"}, time.Minute, false, unknown},
		"one rose, more fell":               {&store.Snapshot{Data: two(20000, 20000, time.Minute), Err: away}, two(1500, 20100, 0), []string{"a", "b"}, time.Minute, true, unknown},
		"a rate fell in a short outage":     {&store.Snapshot{Data: valued(20000, 20*time.Second), Err: away}, valued(1500, 0), []string{"a"}, time.Minute, false, unknown},
		"of no known window, soon":          {&store.Snapshot{Data: valued(20000, time.Minute), Err: away}, valued(1500, 0), []string{"a"}, unknown, true, unknown},
		"of no known window, late":          {&store.Snapshot{Data: valued(20000, 4*time.Minute), Err: since(121 * time.Second)}, valued(1500, 0), []string{"a"}, unknown, false, unknown},
		"a gauge fell, old samples count":   {&store.Snapshot{Data: summed(20000, 149*time.Second), Err: away}, summed(1500, 0), nil, instant, false, unknown},
		"a gauge fell, none of them does":   {&store.Snapshot{Data: summed(20000, 150*time.Second), Err: away}, summed(1500, 0), nil, instant, true, unknown},
		"a gauge rose, none of them does":   {&store.Snapshot{Data: summed(20000, 150*time.Second), Err: away}, summed(30000, 0), nil, instant, false, unknown},
		"a gauge is still lower":            {&store.Snapshot{Data: summed(20000, 210*time.Second), Err: since(60 * time.Second)}, summed(1500, 0), nil, instant, true, unknown},
		"a gauge fell for good":             {&store.Snapshot{Data: summed(20000, 211*time.Second), Err: since(61 * time.Second)}, summed(1500, 0), nil, instant, false, unknown},
		"it fell and something was lost":    {&store.Snapshot{Data: summed(20000, 40*time.Second), Err: lost(20 * time.Second)}, summed(1500, 0), nil, instant, true, unknown},
		"it is back after a loss":           {&store.Snapshot{Data: summed(20000, 40*time.Second), Err: lost(20 * time.Second)}, summed(20000, 0), nil, instant, false, unknown},
		"it fell, a loss is long ago":       {&store.Snapshot{Data: summed(20000, 90*time.Second), Err: lost(61 * time.Second)}, summed(1500, 0), nil, instant, false, unknown},
		"missing where samples are rare":    {&store.Snapshot{Data: objects("a", "b"), Err: since(60 * time.Second)}, objects("a"), []string{"a", "b"}, instant, true, unknown},
		"it fell for good":                  {&store.Snapshot{Data: valued(20000, 3*time.Minute), Err: since(61 * time.Second)}, valued(1500, 0), []string{"a"}, time.Minute, false, unknown},
		"a container is missing":            {&store.Snapshot{Data: usage(time.Minute, 1, "x", "y"), Err: away}, usage(0, 1, "y"), []string{"a"}, time.Minute, true, covered},
		"a container of a pod that is gone": {&store.Snapshot{Data: usage(time.Minute, 1, "x", "y"), Err: away}, usage(0, 1), []string{"b"}, time.Minute, false, unknown},
		"a container fell":                  {&store.Snapshot{Data: usage(time.Minute, 500, "x"), Err: away}, usage(0, 100, "x"), []string{"a"}, time.Minute, true, unknown},
		"a container rose":                  {&store.Snapshot{Data: usage(time.Minute, 100, "x"), Err: away}, usage(0, 500, "x"), []string{"a"}, time.Minute, false, unknown},
		"a series is missing":               {&store.Snapshot{Data: series("x", "y"), Err: away}, series("y"), nil, 0, true, unknown},
		"another series":                    {&store.Snapshot{Data: series("x"), Err: away}, series("y"), nil, 0, true, unknown},
		"all series, and one more":          {&store.Snapshot{Data: series("x", "y"), Err: away}, series("y", "z", "x"), nil, 0, false, unknown},
		"an external metric that was none":  {&store.Snapshot{Data: series(), Err: away}, series(), nil, 0, false, unknown},

		"a rate fell, and nothing was lost":         {&store.Snapshot{Data: valued(20000, time.Minute), Err: away}, valued(1500, 0), []string{"a"}, time.Minute, false, covered},
		"a gauge fell, and nothing was lost":        {&store.Snapshot{Data: summed(20000, 150*time.Second), Err: away}, summed(1500, 0), nil, instant, false, covered},
		"a rate fell, and its window is full again": {&store.Snapshot{Data: valued(20000, time.Minute), Err: lost(20 * time.Second)}, valued(1500, 0), []string{"a"}, time.Minute, false, covered},
		"one is missing among full windows":         {&store.Snapshot{Data: objects("a", "b"), Err: away}, objects("a"), []string{"a", "b"}, time.Minute, true, covered},
		"a rate fell in a short outage with all":    {&store.Snapshot{Data: valued(20000, 20*time.Second), Err: away}, valued(1500, 0), []string{"a"}, time.Minute, true, forgotten},
		"a gauge fell in a short outage with all":   {&store.Snapshot{Data: summed(20000, 20*time.Second), Err: away}, summed(1500, 0), nil, instant, true, forgotten},
		"a rate rose in a short outage with all":    {&store.Snapshot{Data: valued(20000, 20*time.Second), Err: away}, valued(30000, 0), []string{"a"}, time.Minute, false, forgotten},
		"a short window, all is long ago":           {&store.Snapshot{Data: valued(20000, time.Minute), Err: since(31 * time.Second)}, valued(1500, 0), []string{"a"}, 10 * time.Second, false, forgotten},
	} {
		t.Run(name, func(t *testing.T) {
			q := &plan.Part{Names: tc.live}
			q.Instant, q.Range, q.Window = tc.window == instant, tc.window == unknown || tc.window > 0, max(tc.window, 0)
			err := doubtOf(tc.prev, tc.next, q, 150*time.Second).verdict(tc.source)
			if (err != nil) != tc.held {
				t.Fatalf("err %v, want held %v", err, tc.held)
			}
			if err != nil && metric.ReasonOf(err) != metric.SourceFailed {
				t.Errorf("reason %q would replace the last data at once", metric.ReasonOf(err))
			}
		})
	}
}

// A loss that one answer showed is remembered until the metric has recovered.
func TestALossIsRemembered(t *testing.T) {
	q := &plan.Part{}
	q.Instant = true
	series := func(milli int64, queues ...string) *store.Data {
		d := &store.Data{Evaluated: at}
		for _, name := range queues {
			d.Series = append(d.Series, store.Value{Labels: map[string]string{"queue": name}, Quantity: *resource.NewMilliQuantity(milli, resource.DecimalSI)})
		}
		return d
	}
	before := series(5000, "x")
	before.Evaluated = at.Add(-20 * time.Second)
	verdict := func(err error, next *store.Data, c coverage) error {
		return doubtOf(&store.Snapshot{Data: before, Err: err}, next, q, time.Minute).verdict(c)
	}
	away := metric.Errorf(metric.SourceFailed, "away")
	first := verdict(away, series(0), unknown)
	if first == nil {
		t.Fatal("an answer without what was there is let through")
	}
	second := verdict(first, series(1000, "x"), unknown)
	if second == nil {
		t.Fatal("a part of the sum is let through")
	}
	if third := verdict(second, series(5000, "x"), unknown); third != nil {
		t.Errorf("the whole sum is held back: %v", third)
	}
	forgot := verdict(away, series(1000, "x"), forgotten)
	if forgot == nil {
		t.Fatal("what fell is let through though the source knows nothing of before")
	}
	if then := verdict(forgot, series(1000, "x"), unknown); then == nil {
		t.Error("what fell is let through as soon as the source does not say")
	}
}
