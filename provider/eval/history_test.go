package eval

import (
	"errors"
	"testing"
	"time"

	"github.com/loadline/loadline/provider/metric"
	"github.com/loadline/loadline/provider/plan"
	"github.com/loadline/loadline/provider/source"
	"github.com/loadline/loadline/provider/store"
)

var (
	asked   = plan.Query{Rule: "rules[0]", For: []metric.Identifier{{Metric: "m"}}, Parts: []plan.Part{{For: []metric.Identifier{{Metric: "m"}}}}}
	timeout = &source.Error{Kind: source.Timeout}
)

func evaluatorOf(s *store.Store) *Evaluator {
	return New(Options{Store: s, Concurrency: 1, Now: func() time.Time { return at }})
}

func TestHistory(t *testing.T) {
	answered := &store.Data{Evaluated: at, PromQL: "m"}
	for name, tc := range map[string]struct {
		data   *store.Data
		err    error
		want   record
		valued bool
	}{
		"nothing":                             {nil, nil, untried, false},
		"a value":                             {answered, nil, proven, true},
		"no objects to ask about":             {&store.Data{Evaluated: at}, nil, untried, false},
		"no such metric":                      {nil, metric.Errorf(metric.Undefined, "no rule"), untried, false},
		"refused":                             {nil, failure(asked.Rule, asked.PromQL, &source.Error{Kind: source.Rejected}), proven, false},
		"never answered":                      {nil, failure(asked.Rule, asked.PromQL, timeout), suspect, false},
		"unanswered after a value":            {answered, failure(asked.Rule, asked.PromQL, timeout), suspect, true},
		"not sent":                            {nil, failure(asked.Rule, asked.PromQL, &notSent{timeout}), untried, false},
		"not sent after a value":              {answered, failure(asked.Rule, asked.PromQL, &notSent{timeout}), proven, true},
		"no turn":                             {nil, failure(asked.Rule, asked.PromQL, &overloaded{}), untried, false},
		"the source is back and not complete": {answered, metric.Because(metric.SourceFailed, &recovering{}, "back"), proven, true},
	} {
		t.Run(name, func(t *testing.T) {
			s := store.New()
			if tc.data != nil {
				s.Succeed(asked.For[0], tc.data)
			}
			if tc.err != nil {
				s.Fail(asked.For[0], at.Add(time.Second), tc.err)
			}
			got := evaluatorOf(s).history(asked.For[0])
			if got.record != tc.want || got.valued.IsZero() == tc.valued {
				t.Errorf("got %+v, want record %d", got, tc.want)
			}
		})
	}
}

// That a query was not sent is no news where it was answered since it was queued, by
// another evaluation.
func TestSkipKeepsWhatCameSince(t *testing.T) {
	s := store.New()
	id := asked.For[0]
	s.Succeed(id, &store.Data{Evaluated: at, PromQL: "m"})
	e := evaluatorOf(s)
	before, _ := e.histories(asked)
	e.skip(t.Context(), asked, before, &notSent{timeout})
	if got := s.Get(id); got.Err == nil {
		t.Error("not told that it was not sent")
	}
	s.Succeed(id, &store.Data{Evaluated: at.Add(time.Second), PromQL: "m"})
	e.skip(t.Context(), asked, before, &notSent{timeout})
	if got := s.Get(id); got.Err != nil || got.Data == nil {
		t.Errorf("got %+v", got)
	}
	if e.skip(t.Context(), asked, before, errors.New("sent")); s.Get(id).Err != nil {
		t.Error("what was sent was noted as not sent")
	}
}
