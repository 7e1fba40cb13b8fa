package adapter

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/klog/v2/ktesting"

	"github.com/loadline/loadline/provider/rule"
)

// What a configuration does not serve is named at the start, with the command that
// mends it, and its APIServices get no CA.
func TestUnservedAPIServices(t *testing.T) {
	const (
		custom   = `{seriesQuery: a, resources: {template: "<<.Resource>>"}, metricsQuery: "sum(<<.Series>>{<<.LabelMatchers>>}) by (<<.GroupBy>>)"}`
		external = `{seriesQuery: b, resources: {namespaced: false}, metricsQuery: "sum(<<.Series>>{<<.LabelMatchers>>})"}`
		beta1    = "v1beta1.custom.metrics.k8s.io"
		beta2    = "v1beta2.custom.metrics.k8s.io"
		ext1     = "v1beta1.external.metrics.k8s.io"
		ours     = "v1alpha1.diagnostics.loadline.dev"
	)
	for name, tc := range map[string]struct {
		file    string
		kept    []string
		command string
	}{
		"both":          {"{rules: [" + custom + "], externalRules: [" + external + "]}", []string{beta1, beta2, ext1, ours, "other"}, ""},
		"only rules":    {"{rules: [" + custom + "]}", []string{beta1, beta2, ours, "other"}, "kubectl delete apiservice " + ext1 + `"`},
		"only external": {"{externalRules: [" + external + "]}", []string{ext1, ours, "other"}, "kubectl delete apiservice " + beta1 + " " + beta2 + `"`},
	} {
		t.Run(name, func(t *testing.T) {
			rules, err := rule.Compile([]byte(tc.file))
			if err != nil {
				t.Fatal(err)
			}
			all := append(newCertOptions().APIServices, "other")
			if diff := cmp.Diff(tc.kept, served(all, rules)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			logger := ktesting.NewLogger(t, ktesting.NewConfig(ktesting.BufferLogs(true)))
			sayUnserved(logger, rules)
			text := logger.GetSink().(ktesting.Underlier).GetBuffer().String()
			if tc.command == "" && text != "" || !strings.Contains(text, tc.command) {
				t.Errorf("said %q, want %q", text, tc.command)
			}
		})
	}
}
