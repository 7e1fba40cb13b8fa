package query

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"
)

func TestFlags(t *testing.T) {
	s := Defaults()
	fs := pflag.NewFlagSet("", pflag.ContinueOnError)
	s.AddFlags(fs)
	err := fs.Parse([]string{
		"--queries=false", "--query-namespace-label=kubernetes_namespace", `--query-matcher=cluster="eu-1"`, `--query-matcher=env=~"prod|stage",az!=""`,
		"--query-max-length=100", "--query-max-selectors=2", "--query-max-range=2h", "--query-max-offset=0s", "--query-max-steps=10", "--queries-per-namespace=3",
	})
	if err != nil {
		t.Fatal(err)
	}
	var matchers []string
	for _, m := range s.Matchers {
		matchers = append(matchers, m.String())
	}
	if diff := cmp.Diff([]string{`cluster="eu-1"`, `env=~"prod|stage"`, `az!=""`}, matchers); diff != "" {
		t.Error(diff)
	}
	s.Matchers = nil
	if diff := cmp.Diff(Settings{
		NamespaceLabel: "kubernetes_namespace", MaxLength: 100, MaxSelectors: 2, MaxRange: 2 * time.Hour, MaxSteps: 10, PerNamespace: 3,
	}, s); diff != "" {
		t.Error(diff)
	}
	if err := s.Validate(); err != nil {
		t.Error(err)
	}
	if err := Defaults().Validate(); err != nil {
		t.Error(err)
	}
}

func TestMatcherFlagRefuses(t *testing.T) {
	for name, test := range map[string]struct{ text, want string }{
		"nothing":          {``, `not a matcher: give one such as cluster="eu-1" or env=~"prod|stage"`},
		"no matcher":       {`cluster`, `not a matcher`},
		"a selector":       {`{cluster="eu"}`, `not a matcher`},
		"more":             {`cluster="eu"} or {a="b"`, `not a matcher`},
		"the name":         {`__name__="up"`, `the label "__name__" is not one that series can be confined by`},
		"matches nothing":  {`cluster=~".*"`, `the matcher cluster=~".*" confines nothing: it matches series without the label, too`},
		"without quotes":   {`cluster=eu`, `not a matcher`},
		"broken pattern":   {`cluster=~"("`, `not a matcher`},
		"a quoted, dotted": {`"a.b"="c"`, `the label "a.b" is not one that series can be confined by`},
	} {
		t.Run(name, func(t *testing.T) {
			s := Defaults()
			err := (&matchersFlag{to: &s.Matchers}).Set(test.text)
			if err == nil || !strings.HasPrefix(err.Error(), test.want) || s.Matchers != nil {
				t.Errorf("got %v, %v, want %s", err, s.Matchers, test.want)
			}
		})
	}
}

func TestValidate(t *testing.T) {
	err := Settings{NamespaceLabel: "__name__", MaxLength: 4096, MaxOffset: -1}.Validate()
	want := `--query-namespace-label="__name__": must be a label's name of letters, digits and underscores, such as namespace
--query-max-length=4096: must be from 1 to 2048
--query-max-selectors=0: must be from 1 to 1000
--query-max-steps=0: must be from 1 to 100000
--queries-per-namespace=0: must be from 1 to 10000
--query-max-range=0s: must be from 1s to 8784h0m0s
--query-max-offset=-1ns: must be from 0s to 8784h0m0s`
	if err == nil {
		t.Fatal("valid")
	}
	if diff := cmp.Diff(want, err.Error()); diff != "" {
		t.Error(diff)
	}
}

func TestNames(t *testing.T) {
	for name, test := range map[string]struct {
		policy, query, metric string
		ok                    bool
	}{
		"plain":          {"web", "lag", "loadline-query.web.lag", true},
		"policy of dots": {"a.b.c", "lag", "loadline-query.a.b.c.lag", true},
		"no query":       {"", "", "loadline-query.web", false},
		"empty query":    {"", "", "loadline-query.web.", false},
		"empty policy":   {"", "", "loadline-query..lag", false},
		"another":        {"", "", "reminder_queue_depth", false},
		"like it":        {"", "", "loadline-queryweb.lag", false},
	} {
		t.Run(name, func(t *testing.T) {
			policy, query, ok := Names(test.metric)
			if policy != test.policy || query != test.query || ok != test.ok {
				t.Errorf("%q %q %v", policy, query, ok)
			}
			if ok && MetricName(policy, query) != test.metric {
				t.Error(MetricName(policy, query))
			}
		})
	}
}
