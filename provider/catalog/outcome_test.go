package catalog

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/loadline/loadline/provider/rule"
	"github.com/loadline/loadline/provider/source"
)

// failing fails for the selectors it names.
type failing map[string]error

func (f failing) Series(_ context.Context, selectors []string, _ time.Duration) ([]source.Series, error) {
	return nil, f[selectors[0]]
}

func TestOutcome(t *testing.T) {
	const two = `
externalRules:
- {seriesQuery: one, resources: {namespaced: false}, metricsQuery: 'sum(<<.Series>>{<<.LabelMatchers>>})'}
- {seriesQuery: other, resources: {namespaced: false}, metricsQuery: 'sum(<<.Series>>{<<.LabelMatchers>>})'}
`
	down := errors.New("down")
	for name, tc := range map[string]struct {
		source failing
		want   error
	}{
		"no rule got its series": {failing{"one": down, "other": down}, down},
		"one rule did":           {failing{"other": down}, nil},
		"all did":                {nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			set, err := rule.Compile([]byte(two))
			if err != nil {
				t.Fatal(err)
			}
			c := New(Options{Rules: set, Source: tc.source, Scopes: newCluster(), MaxAge: grace, Now: time.Now})
			if done, err := c.Outcome(""); done || err != nil {
				t.Errorf("before the first relist: %v, %v", done, err)
			}
			c.Relist(t.Context())
			if done, err := c.Outcome(""); !done || !errors.Is(err, tc.want) {
				t.Errorf("got %v, %v, want true, %v", done, err, tc.want)
			}
		})
	}
}
