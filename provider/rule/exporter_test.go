package rule

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/loadline/loadline/provider/endpoint"
)

// sameSelector compares selectors by what they say.
func sameSelector() cmp.Option {
	return cmp.Comparer(func(a, b labels.Selector) bool {
		return (a == nil) == (b == nil) && (a == nil || a.String() == b.String())
	})
}

func TestExporters(t *testing.T) {
	selector := func(text string) labels.Selector {
		s, err := labels.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	queue := endpoint.Exporter{Name: "queue", Namespace: "infra", Service: "queue", PortName: "metrics", Path: "/metrics", Scheme: "http"}
	with := func(change func(*endpoint.Exporter)) []endpoint.Exporter {
		e := queue
		change(&e)
		return []endpoint.Exporter{e}
	}
	pods := func(text string) []endpoint.Exporter {
		return with(func(e *endpoint.Exporter) { e.Service, e.Pods = "", selector(text) })
	}
	for name, tc := range map[string]struct {
		file     string
		want     []endpoint.Exporter
		ruleless bool
	}{
		"none":                  {file: "rules: []"},
		"an empty list":         {file: "exporters: []", ruleless: true},
		"by a Service":          {file: "exporters: [{name: queue, namespace: infra, service: queue}]", want: []endpoint.Exporter{queue}, ruleless: true},
		"beside rules":          {file: "rules: []\nexporters: [{name: queue, namespace: infra, service: queue}]", want: []endpoint.Exporter{queue}},
		"beside no rules":       {file: "externalRules:\nexporters: [{name: queue, namespace: infra, service: queue}]", want: []endpoint.Exporter{queue}},
		"by labels":             {file: "exporters: [{name: queue, namespace: infra, podSelector: 'app=queue,tier in (a,b)'}]", want: pods("app=queue,tier in (a,b)"), ruleless: true},
		"by labels as a map":    {file: "exporters: [{name: queue, namespace: infra, podSelector: {matchLabels: {app: queue, on: true}}}]", want: pods("app=queue,on=true"), ruleless: true},
		"by expressions":        {file: "exporters: [{name: queue, namespace: infra, podSelector: {matchExpressions: [{key: a, operator: In, values: [b, 1]}, {key: c, operator: DoesNotExist}]}}]", want: pods("a in (1,b),!c"), ruleless: true},
		"a port by its number":  {file: "exporters: [{name: queue, namespace: infra, service: queue, port: 7777}]", want: with(func(e *endpoint.Exporter) { e.Port, e.PortName = 7777, "" }), ruleless: true},
		"a port by its name":    {file: "exporters: [{name: queue, namespace: infra, service: queue, port: http-metrics}]", want: with(func(e *endpoint.Exporter) { e.PortName = "http-metrics" }), ruleless: true},
		"all that can be given": {file: "exporters: [{name: queue, namespace: infra, service: queue, port: web, path: /q, scheme: https, honorLabels: true}]", want: with(func(e *endpoint.Exporter) { e.PortName, e.Path, e.Scheme, e.HonorLabels = "web", "/q", "https", true }), ruleless: true},
	} {
		t.Run(name, func(t *testing.T) {
			set, err := Compile([]byte(tc.file))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, set.Exporters, sameSelector()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if set.Ruleless != tc.ruleless {
				t.Errorf("ruleless: %t", set.Ruleless)
			}
		})
	}
}

func TestExporterProblems(t *testing.T) {
	exporter := func(rest string) string { return "exporters:\n- {name: queue, namespace: infra" + rest + "}" }
	served := func(rest string) string { return exporter(", service: queue" + rest) }
	for name, tc := range map[string]struct{ file, want string }{
		"no list":         {"exporters: {queue: {}}", "exporters: must be a list, not a mapping (line 1)"},
		"an unknown key":  {served(", honor_labels: true"), `exporters[0]: unknown key "honor_labels": known here are name, namespace, service, port, path, scheme, podSelector, honorLabels (line 2)`},
		"a key's capital": {served(", Port: 1"), `exporters[0]: unknown key "Port": write port (line 2)`},
		"nothing": {
			"exporters:\n- {}", `exporters[0].name: is missing: give a name, which the label job of its series will have (line 2)
exporters[0].namespace: is missing: give the namespace of the exporter's pods (line 2)
exporters[0]: says nothing of its pods: give podSelector, for example app=queue-exporter, or service (line 2)`,
		},
		"names that are none": {
			"exporters:\n- name: a_b\n  namespace: C\n  service: d.e",
			`exporters[0].name: "a_b" is no name: use up to 63 lower-case letters, digits and inner hyphens (line 2)
exporters[0].namespace: "C" is no name: use up to 63 lower-case letters, digits and inner hyphens (line 3)
exporters[0].service: "d.e" is no name: use up to 63 lower-case letters, digits and inner hyphens (line 4)`,
		},
		"two of one name":           {served("") + "\n- {name: queue, namespace: other, service: a}", `exporters[1].name: "queue" is the name of exporters[0] as well: give each its own (line 3)`},
		"both":                      {served(", podSelector: a=b"), "exporters[0]: has both podSelector and service: keep one (line 2)"},
		"an empty Service":          {exporter(", service: ''"), "exporters[0].service: is empty: give the name of a Service (line 2)"},
		"every pod":                 {exporter(", podSelector: ''"), "exporters[0].podSelector: chooses every pod of the namespace: give labels that only the exporter's pods have (line 2)"},
		"every pod, as a map":       {exporter(", podSelector: {}"), "exporters[0].podSelector: chooses every pod of the namespace: give labels that only the exporter's pods have (line 2)"},
		"no selector":               {exporter(", podSelector: 'a in'"), `exporters[0].podSelector: "a in" is no selector: unable to parse requirement: found '' expected: '(' (line 2)`},
		"a selector that is a list": {exporter(", podSelector: [a=b]"), "exporters[0].podSelector: must be a selector such as app=queue-exporter, or a mapping with matchLabels, not a list (line 2)"},
		"labels without a key":      {exporter(", podSelector: {app: queue}"), `exporters[0].podSelector: unknown key "app": known here are matchLabels, matchExpressions (line 2)`},
		"a label that is none":      {exporter(", podSelector: {matchLabels: {a: 'b c'}}"), `exporters[0].podSelector.matchLabels.a: is no requirement: values[0][a]: Invalid value: "b c": a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9…` + " (line 2)"},
		"an operator that is none":  {exporter(", podSelector: {matchExpressions: [{key: a, operator: in, values: [b]}]}"), "exporters[0].podSelector.matchExpressions[0].operator: must be In, NotIn, Exists or DoesNotExist (line 2)"},
		"no operator":               {exporter(", podSelector: {matchExpressions: [{key: a}]}"), "exporters[0].podSelector.matchExpressions[0].operator: must be In, NotIn, Exists or DoesNotExist (line 2)"},
		"values of nothing":         {exporter(", podSelector: {matchExpressions: [{key: a, operator: Exists, values: [b]}]}"), `exporters[0].podSelector.matchExpressions[0]: is no requirement: values: Invalid value: ["b"]: values set must be empty for exists and does not exist (line 2)`},
		"port 0":                    {served(", port: 0"), `exporters[0].port: "0" is neither a number from 1 to 65535 nor the name of a container port: give one, or leave it out for ports of the name "metrics" (line 2)`},
		"a port too large":          {served(", port: 65536"), `exporters[0].port: "65536" is neither a number from 1 to 65535 nor the name of a container port: give one, or leave it out for ports of the name "metrics" (line 2)`},
		"a port that is a mapping":  {served(", port: {a: b}"), `exporters[0].port: must be a text, not a mapping (line 2)`},
		"a path that is none":       {served(", path: metrics"), `exporters[0].path: "metrics" does not begin with a slash: give one such as /metrics (line 2)`},
		"a scheme":                  {served(", scheme: unix"), `exporters[0].scheme: "unix" is neither http nor https: give one of these (line 2)`},
		"a switch":                  {served(", honorLabels: perhaps"), "exporters[0].honorLabels: must be true or false (line 2)"},
	} {
		t.Run(name, func(t *testing.T) {
			refuses(t, tc.file, tc.want)
		})
	}
}

func TestTooManyExporters(t *testing.T) {
	_, err := Compile([]byte("exporters:" + strings.Repeat("\n- {name: a, namespace: b, service: c}", maxExporters+1)))
	if err == nil || !strings.Contains(err.Error(), "exporters: has 101 exporters, more than 100") {
		t.Errorf("%.300v", err)
	}
}
