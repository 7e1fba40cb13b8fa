package provider_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/loadline/loadline/provider/metric"
	"github.com/loadline/loadline/provider/store"
)

func TestReadWarm(t *testing.T) {
	data := &store.Data{Evaluated: start, Series: []store.Value{value(7)}}
	refused := metric.Errorf(metric.SourceFailed, "connection refused")
	for name, tc := range map[string]struct {
		age  time.Duration // of the evaluation at the read
		data *store.Data
		err  error // of a later attempt; nil: none
		want string
		soon int
	}{
		"fresh":                            {age: 0, data: data},
		"as old as the bound":              {age: maxAge, data: data},
		"older than the bound":             {age: maxAge + time.Second, data: data, want: "stale: the newest value is 31s old, more than --value-max-age=30s"},
		"the source failed, within":        {age: maxAge, data: data, err: refused},
		"the source failed, after":         {age: maxAge + time.Second, data: data, err: refused, want: "stale: the newest value is 31s old, more than --value-max-age=30s: connection refused"},
		"the objects are unknown, within":  {age: maxAge, data: data, err: metric.Errorf(metric.ObjectsUnknown, "no list")},
		"the source failed from the start": {err: refused, want: "source-failed: connection refused"},
		"NaN replaces the value at once":   {data: data, err: metric.Errorf(metric.NotFinite, "NaN"), want: "not-finite: NaN"},
		"a rule that fails does":           {data: data, err: metric.Errorf(metric.RuleFailed, "template"), want: "rule-failed: template"},
		"forbidden does":                   {data: data, err: metric.Errorf(metric.Forbidden, "rbac"), want: "forbidden: rbac"},
		"beyond a limit at once":           {err: metric.Errorf(metric.LimitReached, "too many"), want: "limit-reached: too many"},
		"undefined at first is tried soon": {err: metric.Errorf(metric.Undefined, "no rule"), want: "pending: not evaluated since its series were discovered; that is under way: no rule", soon: 1},
		"no data and stuck is not forever": {age: time.Hour, data: data, want: "stale: the newest value is 1h0m0s old, more than --value-max-age=30s"},
	} {
		t.Run(name, func(t *testing.T) {
			f := setup(t)
			if tc.data != nil {
				f.store.Succeed(queue(), tc.data)
			}
			if tc.err != nil {
				f.store.Fail(queue(), start.Add(time.Second), tc.err)
			}
			f.now = start.Add(tc.age)
			got, err := f.reader.Read(t.Context(), queue(), "a")
			text := ""
			if err != nil {
				text = string(metric.ReasonOf(err)) + ": " + err.Error()
			}
			if diff := cmp.Diff(tc.want, text); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if (err == nil) != (got == data) {
				t.Errorf("data %+v with error %v", got, err)
			}
			if len(f.evaluator.soon) != tc.soon {
				t.Errorf("asked for %v", f.evaluator.soon)
			}
			if !f.demand.Has(queue()) {
				t.Error("the read left no demand")
			}
		})
	}
}

func TestOldest(t *testing.T) {
	id := func(name string) metric.Identifier { return metric.Identifier{API: metric.External, Metric: name} }
	away := metric.Errorf(metric.SourceFailed, "away")
	held := func(age time.Duration) *store.Data {
		return &store.Data{Evaluated: start.Add(-age), Series: []store.Value{value(1)}}
	}
	for name, tc := range map[string]struct {
		held map[string]*store.Data
		err  map[string]error // of a later attempt
		want time.Duration    // age; -1: no value
	}{
		"nothing is held":                   {want: -1},
		"the oldest of several":             {held: map[string]*store.Data{"a": held(3 * time.Second), "b": held(7 * time.Second), "c": held(0)}, want: 7 * time.Second},
		"the last values of an outage":      {held: map[string]*store.Data{"a": held(maxAge)}, err: map[string]error{"a": away}, want: maxAge},
		"too old to be served":              {held: map[string]*store.Data{"a": held(maxAge + time.Second), "b": held(time.Second)}, want: time.Second},
		"nothing but what is too old":       {held: map[string]*store.Data{"a": held(maxAge + time.Second)}, err: map[string]error{"a": away}, want: -1},
		"an error stands in for the value":  {held: map[string]*store.Data{"a": held(7 * time.Second)}, err: map[string]error{"a": metric.Errorf(metric.NotFinite, "NaN")}, want: -1},
		"an evaluation that found no value": {held: map[string]*store.Data{"a": {Evaluated: start.Add(-7 * time.Second)}}, want: -1},
		"an evaluation that failed":         {err: map[string]error{"a": away}, want: -1},
	} {
		t.Run(name, func(t *testing.T) {
			f := setup(t)
			for name, data := range tc.held {
				f.store.Succeed(id(name), data)
			}
			for name, err := range tc.err {
				f.store.Fail(id(name), start, err)
			}
			got := time.Duration(-1)
			if at, ok := f.reader.Oldest(); ok {
				got = f.now.Sub(at)
			}
			if got != tc.want {
				t.Errorf("got %s, want %s", got, tc.want)
			}
		})
	}
}

func TestReadCold(t *testing.T) {
	t.Run("waits for the first evaluation", func(t *testing.T) {
		f := setup(t)
		f.reader.Patience = time.Minute
		data := &store.Data{Evaluated: start}
		f.evaluator.do = func(id metric.Identifier) { go f.store.Succeed(id, data) }
		got, err := f.reader.Read(t.Context(), queue(), "a")
		if err != nil || got != data {
			t.Errorf("%v, %v", got, err)
		}
	})
	t.Run("no longer than its patience", func(t *testing.T) {
		f := setup(t)
		_, err := f.reader.Read(t.Context(), queue(), "a")
		if metric.ReasonOf(err) != metric.Pending {
			t.Errorf("err %v", err)
		}
		if diff := cmp.Diff([]metric.Identifier{queue()}, f.evaluator.soon); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
	t.Run("no longer than its context", func(t *testing.T) {
		f := setup(t)
		f.reader.Patience = time.Hour
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := f.reader.Read(ctx, queue(), "a"); metric.ReasonOf(err) != metric.Pending {
			t.Errorf("err %v", err)
		}
	})
	t.Run("not at all while the source is away", func(t *testing.T) {
		f := setup(t)
		f.reader.Patience = time.Hour
		f.evaluator.outage = errors.New("connection refused")
		_, err := f.reader.Read(t.Context(), queue(), "a")
		if err == nil || metric.ReasonOf(err) != metric.SourceFailed || err.Error() != "not evaluated yet: connection refused" {
			t.Errorf("err %v", err)
		}
		if !f.demand.Has(queue()) {
			t.Error("the read left no demand, so it is not evaluated after the outage either")
		}
	})
	t.Run("not at all beyond the limit", func(t *testing.T) {
		f := setup(t)
		f.reader.Patience = time.Hour
		for _, selector := range []string{"a", "b", "c", "d", "e"} {
			if err := f.demand.Read(podMetric("a", selector), start); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := f.reader.Read(t.Context(), queue(), "a"); metric.ReasonOf(err) != metric.LimitReached {
			t.Errorf("err %v", err)
		}
		if len(f.evaluator.soon) != 0 {
			t.Errorf("asked for %v", f.evaluator.soon)
		}
	})
}
