package catalog

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/loadline/loadline/provider/rule"
	"github.com/loadline/loadline/provider/source"
)

// failing fails while it holds an error.
type failing struct{ err error }

func (f *failing) Series(context.Context, []string, time.Duration) ([]source.Series, error) {
	return nil, f.err
}

// TestTrouble: a name that is not there may exist for as long as the newest
// discovery failed, and before the first.
func TestTrouble(t *testing.T) {
	rules, err := rule.Compile([]byte(`{externalRules: [{seriesQuery: up, resources: {overrides: {namespace: {resource: namespace}}}, metricsQuery: "sum(<<.Series>>{<<.LabelMatchers>>})"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	away := errors.New("away")
	src := &failing{err: away}
	c := New(Options{Rules: rules, Source: src, Now: time.Now})
	if c.Trouble() == nil {
		t.Error("complete before the first discovery")
	}
	c.Relist(t.Context())
	if !errors.Is(c.Trouble(), away) {
		t.Errorf("after a failure: %v", c.Trouble())
	}
	src.err = nil
	c.Relist(t.Context())
	if c.Trouble() != nil {
		t.Errorf("after a success: %v", c.Trouble())
	}
}
