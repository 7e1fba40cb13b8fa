package query

import "strings"

// Prefix begins the name of each external metric that is a policy's query. No rule
// may give such a name.
const Prefix = "loadline-query."

// MetricName is the external metric of a policy's query, loadline-query.POLICY.NAME.
// A query's name has no dot, so the last one divides.
func MetricName(policy, query string) string { return Prefix + policy + "." + query }

// Names takes a name of MetricName apart; ok is false for any other.
func Names(metric string) (policy, query string, ok bool) {
	rest, ok := strings.CutPrefix(metric, Prefix)
	i := strings.LastIndexByte(rest, '.')
	if !ok || i <= 0 || i == len(rest)-1 {
		return "", "", false
	}
	return rest[:i], rest[i+1:], true
}
