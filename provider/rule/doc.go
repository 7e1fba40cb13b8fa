// Package rule compiles prometheus-adapter's configuration format
// (https://github.com/kubernetes-sigs/prometheus-adapter/blob/master/docs/config.md)
// into rules that can no longer fail to parse, and renders their PromQL.
//
// It is pure: no I/O, no clock. Resources of the cluster are looked up through a
// Mapper that the caller gives to each call, because a cluster's kinds change
// while a rule does not.
//
// The safety property everything here serves: whatever the object names, the
// namespace, the metric selector and the series name of a read are, the rendered
// query differs from the rule's own query only in the values of label matchers.
package rule
