package rule

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const (
	ofDefault = "\n- {seriesQuery: a, resources: {namespaced: false}, metricsQuery: a}"
	ofTeam    = "\n- {seriesQuery: b, source: team, resources: {namespaced: false}, metricsQuery: b}"
)

func TestSources(t *testing.T) {
	zero := time.Duration(0)
	for name, tc := range map[string]struct {
		file      string
		want      []Source
		of        []string // the sources of the rules
		unsourced string
		warnings  []string
	}{
		"none": {file: "externalRules:" + ofDefault, of: []string{""}, unsourced: "externalRules[0]"},
		"one, with an address only": {
			file: "sources: [{name: team, url: 'http://team'}]\nexternalRules:" + ofDefault + ofTeam,
			want: []Source{{ID: "sources[0]", Name: "team", URL: "http://team"}},
			of:   []string{"", "team"}, unsourced: "externalRules[0]",
		},
		"every rule names one": {
			file: "sources: [{name: team, url: 'http://team'}]\nexternalRules:" + ofTeam,
			want: []Source{{ID: "sources[0]", Name: "team", URL: "http://team"}}, of: []string{"team"},
		},
		"with everything": {
			file: `
sources:
- name: team
  url: https://team.example/prometheus?x=y
  verb: POST
  authInCluster: true
  authConfig: /kubeconfig
  caFile: /ca
  certFile: /crt
  keyFile: /key
  tokenFile: /token
  username: me
  passwordFile: /password
  headers: {X-Scope-OrgID: team, Host: a=b}
  disableHTTP2: true
  sampleMaxAge: 0
  queryTimeout: 7s
  queryConcurrency: 3
  maxAnswerBytes: 1000
  maxAnswerValues: 10
  maxSeriesBytes: 2000
externalRules:` + ofTeam,
			want: []Source{{
				ID: "sources[0]", Name: "team", URL: "https://team.example/prometheus?x=y", Verb: "POST", AuthInCluster: true, AuthConfig: "/kubeconfig",
				CAFile: "/ca", CertFile: "/crt", KeyFile: "/key", TokenFile: "/token", Username: "me", PasswordFile: "/password",
				Headers: []string{"Host=a=b", "X-Scope-OrgID=team"}, DisableHTTP2: true, SampleMaxAge: &zero, QueryTimeout: 7 * time.Second,
				QueryConcurrency: 3, MaxAnswerBytes: 1000, MaxAnswerValues: 10, MaxSeriesBytes: 2000,
			}},
			of: []string{"team"},
		},
		"one that no rule names": {
			file: "sources: [{name: idle, url: 'http://idle'}]\nexternalRules:" + ofDefault,
			want: []Source{{ID: "sources[0]", Name: "idle", URL: "http://idle"}}, of: []string{""}, unsourced: "externalRules[0]",
			warnings: []string{`sources[0]: no rule names the source "idle", so it is asked nothing`},
		},
	} {
		t.Run(name, func(t *testing.T) {
			set, err := Compile([]byte(tc.file))
			if err != nil {
				t.Fatal(err)
			}
			var of []string
			for _, r := range set.All() {
				of = append(of, r.Source())
			}
			if diff := cmp.Diff(tc.want, set.Sources); diff != "" {
				t.Errorf("sources (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tc.of, of); diff != "" {
				t.Errorf("of the rules (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tc.unsourced, set.Unsourced()); diff != "" {
				t.Errorf("without a source (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tc.warnings, set.Warnings); diff != "" {
				t.Errorf("warnings (-want +got):\n%s", diff)
			}
		})
	}
}

func TestSourceProblems(t *testing.T) {
	source := func(rest string) string {
		return "sources:\n- {name: team, url: 'http://team'" + rest + "}\nexternalRules:" + ofTeam
	}
	for name, tc := range map[string]struct{ file, want string }{
		"no list":        {"sources: {team: {}}\nexternalRules:" + ofDefault, "sources: must be a list, not a mapping (line 1)"},
		"an unknown key": {source(", URL: x"), `sources[0]: unknown key "URL": write url (line 2)`},
		"everything at once": {
			"sources:\n- {}\n- {name: a_b, url: 'http://me:secret@team'}\n- {name: default, url: 'http://x'}\nexternalRules:\n- {seriesQuery: a, source: tame, resources: {namespaced: false}}",
			`sources[0].name: is missing: give the name by which rules name this source (line 2)
sources[0].url: is missing: give the base URL of a Prometheus HTTP API, for example http://prometheus.monitoring.svc:9090 (line 2)
sources[1].name: "a_b" is no name: use up to 63 lower-case letters, digits and inner hyphens (line 3)
sources[1].url: has a user or password, which whoever may read this file would see: give username and passwordFile (line 3)
sources[2].name: "default" is what the source of --prometheus-url is called: choose another (line 4)
externalRules[0].source: there is no source "tame": known are a_b, default (line 6)
externalRules[0].metricsQuery: is missing: give a query, for example sum(<<.Series>>{<<.LabelMatchers>>}) by (<<.GroupBy>>) (line 6)`,
		},
		"two of one name":         {"sources: [{name: team, url: 'http://a'}, {name: team, url: 'http://b'}]\nexternalRules:" + ofTeam, `sources[1].name: "team" is the name of sources[0] as well (line 1)`},
		"no sources at all":       {"externalRules:" + ofTeam, `externalRules[0].source: there is no source "team": name one in the section sources (line 2)`},
		"an empty name":           {"externalRules:\n- {seriesQuery: a, source: '', resources: {namespaced: false}, metricsQuery: a}", `externalRules[0].source: there is no source "": leave it out for the source of --prometheus-url (line 2)`},
		"the default by name":     {"externalRules:\n- {seriesQuery: a, source: default, resources: {namespaced: false}, metricsQuery: a}", `externalRules[0].source: there is no source "default": leave it out for the source of --prometheus-url (line 2)`},
		"a secret header":         {source(", headers: {authorization: Bearer x}"), "sources[0].headers.authorization: is a secret, which whoever may read this file would see: give tokenFile, or username and passwordFile (line 2)"},
		"no header":               {source(", headers: {'a b': c}"), "sources[0].headers.a b: is no name of a header (line 2)"},
		"headers as a list":       {source(", headers: [a=b]"), "sources[0].headers: must be a mapping, not a list (line 2)"},
		"no duration":             {source(", sampleMaxAge: soon"), `sources[0].sampleMaxAge: "soon" is no duration from 0s to 24h0m0s, such as 30s (line 2)`},
		"a negative duration":     {source(", sampleMaxAge: -1s"), `sources[0].sampleMaxAge: "-1s" is no duration from 0s to 24h0m0s, such as 30s (line 2)`},
		"too long a time-out":     {source(", queryTimeout: 2m"), `sources[0].queryTimeout: "2m" is no duration from 10ms to 1m0s, such as 30s (line 2)`},
		"no number":               {source(", queryConcurrency: many"), `sources[0].queryConcurrency: "many" is no whole number from 1 to 1000 (line 2)`},
		"nothing at once":         {source(", queryConcurrency: 0"), `sources[0].queryConcurrency: "0" is no whole number from 1 to 1000 (line 2)`},
		"a switch that is a word": {source(", disableHTTP2: perhaps"), "sources[0].disableHTTP2: must be true or false (line 2)"},
		"a source of a source":    {source(", tokenFile: {a: b}"), "sources[0].tokenFile: must be a text, not a mapping (line 2)"},
		"two sources for one name": {
			"sources: [{name: team, url: 'http://a'}]\nexternalRules:" + ofDefault + "\n- {seriesQuery: a, source: team, resources: {namespaced: false}, metricsQuery: a}",
			"externalRules[1]: gives the same names as externalRules[0] (same seriesQuery, seriesFilters and name): remove one, or give it another name.as (line 4)",
		},
	} {
		t.Run(name, func(t *testing.T) {
			refuses(t, tc.file, tc.want)
		})
	}
}

func TestTooManySources(t *testing.T) {
	_, err := Compile([]byte("sources:" + strings.Repeat("\n- {name: a, url: 'http://a'}", maxSources+1)))
	if err == nil || !strings.Contains(err.Error(), "sources: has 101 sources, more than 100") {
		t.Errorf("%.300v", err)
	}
}

// What a check says has its place, and comes with the other mistakes.
func TestSourceCheck(t *testing.T) {
	check := func(s Source) error {
		return errors.New("url: of " + s.Name + " is bad\ncaFile: is, too\nverb and something: is neither")
	}
	_, err := Compile([]byte("sources:\n- name: team\n  url: 'http://x'\n  caFile: y\n- {name: other}\nexternalRules: [{source: team}]"), check, nil)
	want := `sources[0]: verb and something: is neither (line 2)
sources[0].url: of team is bad (line 3)
sources[0].caFile: is, too (line 4)
sources[1].url: is missing: give the base URL of a Prometheus HTTP API, for example http://prometheus.monitoring.svc:9090 (line 5)
sources[1].caFile: is, too (line 5)
sources[1]: verb and something: is neither (line 5)
externalRules[0].seriesQuery: is missing: give a series selector, for example {__name__=~"http_.+",pod!=""} (line 6)
externalRules[0].resources: gives no label for namespaces, which every query of a namespaced external rule needs: add overrides namespace: {resource: namespace}, or set namespaced: false (line 6)
externalRules[0].metricsQuery: is missing: give a query, for example sum(<<.Series>>{<<.LabelMatchers>>}) by (<<.GroupBy>>) (line 6)`
	if diff := cmp.Diff(want, err.Error()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestSame(t *testing.T) {
	a, b, zero, other := time.Second, time.Second, time.Duration(0), time.Minute
	one := Source{ID: "sources[0]", Name: "team", URL: "http://a", Headers: []string{"a=b"}, SampleMaxAge: &a}
	for name, tc := range map[string]struct {
		change func(*Source)
		want   bool
	}{
		"as it is":            {func(*Source) {}, true},
		"in another place":    {func(s *Source) { s.ID = "sources[1]" }, true},
		"an equal age":        {func(s *Source) { s.SampleMaxAge = &b }, true},
		"another age":         {func(s *Source) { s.SampleMaxAge = &other }, false},
		"no age, or 0":        {func(s *Source) { s.SampleMaxAge = &zero }, false},
		"another address":     {func(s *Source) { s.URL = "http://b" }, false},
		"another header":      {func(s *Source) { s.Headers = []string{"a=c"} }, false},
		"another concurrency": {func(s *Source) { s.QueryConcurrency = 2 }, false},
	} {
		changed := one
		tc.change(&changed)
		if one.Same(changed) != tc.want || changed.Same(one) != tc.want {
			t.Errorf("%s: want %t", name, tc.want)
		}
	}
}
