package rule

import (
	"slices"
	"strconv"
	"strings"
)

// Same says whether two rules say the same, wherever they stand in their files: what one
// gave is what the other gives.
func (r *Rule) Same(other *Rule) bool { return r.content == other.content }

// content is all that a rule says.
func (r rawRule) content(external bool) string {
	parts := []string{
		strconv.FormatBool(external), r.source.value, r.seriesQuery.value, r.metricsQuery.value,
		r.name.matches.value, r.name.as.value, strconv.Itoa(min(r.emptyValue.line, 1)), r.emptyValue.value,
	}
	for _, f := range r.filters {
		parts = append(parts, f.is.value, f.isNot.value)
	}
	return strings.Join(append(parts, r.resources.content()...), "\x00")
}

// content is all that the file says of one query for usage.
func (r rawResource) content(field string, query text) string {
	parts := []string{field, r.source.value, query.value, r.containers.value}
	return strings.Join(append(parts, r.resources.content()...), "\x00")
}

func (r rawResources) content() []string {
	var overrides []string
	for _, o := range r.overrides {
		overrides = append(overrides, o.label+"\x01"+o.group+"\x01"+o.resource)
	}
	slices.Sort(overrides) // they are a mapping
	return append(overrides, r.template.value, strconv.FormatBool(r.namespaced == nil || *r.namespaced))
}
