package adapter

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/loadline/loadline/provider/rule"
)

const (
	oneRule      = "rules:\n- {seriesQuery: a, resources: {template: '<<.Resource>>'}, metricsQuery: 'sum(<<.Series>>{<<.LabelMatchers>>}) by (<<.GroupBy>>)'}\n"
	oneExternal  = "externalRules:\n- {seriesQuery: b, resources: {namespaced: false}, metricsQuery: 'sum(<<.Series>>{<<.LabelMatchers>>})'}\n"
	badRule      = "rules:\n- {seriesQuery: a, metricsQuery: '<<.Nonsense>>'}\n"
	newerRule    = "rules:\n- {seriesQuery: a, resources: {template: '<<.Resource>>'}, metricsQuery: 'max(<<.Series>>{<<.LabelMatchers>>}) by (<<.GroupBy>>)'}\n"
	newestFile   = "configuration"
	notTheNewest = "configuration-is-not-the-newest-file,-see-the-log"
)

// compileAlone compiles a file for nobody in particular.
func compileAlone(content []byte) (*rule.Set, error) { return rule.Compile(content) }

// What becomes of a file that changes: the new one is in use, or the last good one is and
// that is said.
func TestReload(t *testing.T) {
	gone := errors.New("gone")
	type look struct {
		content string
		err     error
		refused error // by what applies it
		applied bool
		name    string // of the check
		bad     string // a part of what is wrong
	}
	for name, looks := range map[string][]look{
		"nothing changes":    {{content: oneRule, name: newestFile}},
		"another rule":       {{content: newerRule, applied: true, name: newestFile}, {content: newerRule, name: newestFile}},
		"a bad file":         {{content: badRule, name: notTheNewest, bad: "rules[0]"}, {content: badRule, name: notTheNewest, bad: "rules[0]"}, {content: newerRule, applied: true, name: newestFile}},
		"back to the old":    {{content: badRule, name: notTheNewest, bad: "rules[0]"}, {content: oneRule, applied: true, name: newestFile}},
		"no file":            {{err: gone, name: notTheNewest, bad: "gone"}, {content: oneRule, name: newestFile}},
		"no file, then more": {{err: gone, name: notTheNewest, bad: "gone"}, {content: newerRule, applied: true, name: newestFile}},
		"an API more":        {{content: oneRule + oneExternal, applied: true, name: notTheNewest, bad: "externalRules, for external.metrics.k8s.io, which it had not when the process started: restart it"}, {content: newerRule, applied: true, name: newestFile}},
		"an API less":        {{content: "rules: []", applied: true, name: newestFile}},
		"what it needs comes later": {
			{content: newerRule, refused: gone, applied: true, name: notTheNewest, bad: "gone"}, {content: newerRule, refused: gone, applied: true, name: notTheNewest, bad: "gone"},
			{content: newerRule, applied: true, name: newestFile}, {content: newerRule, name: newestFile},
		},
		"what it needs never comes": {{content: newerRule, refused: gone, applied: true, name: notTheNewest, bad: "gone"}, {content: badRule, name: notTheNewest, bad: "rules[0]"}, {content: badRule, name: notTheNewest, bad: "rules[0]"}},
		"too large":                 {{content: oneRule + "#" + strings.Repeat("x", maxConfig), name: notTheNewest, bad: "more than the limit"}},
	} {
		t.Run(name, func(t *testing.T) {
			rules, err := rule.Compile([]byte(oneRule))
			if err != nil {
				t.Fatal(err)
			}
			applied := 0
			var refused error
			r := newReloader("unread", []byte(oneRule), rules, compileAlone, func(context.Context, *rule.Set) error { applied++; return refused })
			for i, l := range looks {
				before, _ := r.status()
				r.now = func() time.Time { return before.Add(time.Minute) }
				r.read = func() ([]byte, error) { return []byte(l.content), l.err }
				applied, refused = 0, l.refused
				r.look(t.Context())
				loaded, bad := r.status()
				if (applied == 1) != l.applied || l.applied && l.refused == nil && !loaded.After(before) {
					t.Errorf("look %d: applied %d times, loaded %s", i, applied, loaded.Sub(before))
				}
				if diff := cmp.Diff(l.name, r.Name()); diff != "" || r.Check(nil) != nil {
					t.Errorf("look %d: %s", i, diff)
				}
				if (bad != nil) != (l.bad != "") || bad != nil && !strings.Contains(bad.Error(), l.bad) {
					t.Errorf("look %d: %v, want %q", i, bad, l.bad)
				}
			}
		})
	}
}
