package adapter

import (
	"slices"
	"strings"

	"k8s.io/klog/v2"

	"github.com/loadline/loadline/provider/rule"
)

// customAPIServices are those of deploy/base for what rules serve.
func customAPIServices() []string {
	return []string{"v1beta1.custom.metrics.k8s.io", "v1beta2.custom.metrics.k8s.io"}
}

// externalAPIServices are those of deploy/base for what externalRules serve.
func externalAPIServices() []string { return []string{"v1beta1.external.metrics.k8s.io"} }

// usageAPIServices are those of deploy/components/resource-metrics for what resourceRules
// serve.
func usageAPIServices() []string { return []string{"v1beta1.metrics.k8s.io"} }

// diagnosticsAPIServices are those of deploy/base for our own API, which no rules are needed
// for.
func diagnosticsAPIServices() []string { return []string{"v1alpha1.diagnostics.loadline.dev"} }

// unserved are the APIServices whose group the rules do not serve. One that points
// here all the same is unavailable, and nothing we could answer would mend it.
func unserved(rules *rule.Set) []string {
	var names []string
	if len(rules.Custom) == 0 {
		names = append(names, customAPIServices()...)
	}
	if len(rules.External) == 0 {
		names = append(names, externalAPIServices()...)
	}
	return names
}

// split takes those of names that are among some apart.
func split(names, some []string) (others, those []string) {
	for _, name := range names {
		if slices.Contains(some, name) {
			those = append(those, name)
		} else {
			others = append(others, name)
		}
	}
	return others, those
}

// sayUnserved names the APIServices that the operator has to delete.
func sayUnserved(log klog.Logger, rules *rule.Set) {
	names := unserved(rules)
	if len(names) == 0 {
		return
	}
	log.Info("The configuration has no rules for an API group, which is therefore not served. Delete its APIServices unless another server is behind them: one that points here is unavailable, which breaks API discovery and the deletion of namespaces",
		"apiservices", names, "command", "kubectl delete apiservice "+strings.Join(names, " "))
}

// served are those of names whose group the rules serve. The CA is kept right in no
// others, so that one may be missing.
func served(names []string, rules *rule.Set) []string {
	not := unserved(rules)
	if rules.Usage == nil { // which metrics-server serves, where we do not
		not = append(not, usageAPIServices()...)
	}
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool { return slices.Contains(not, name) })
}
