package rule

import (
	"regexp"

	"github.com/prometheus/common/model"
)

// MayGive says whether a metric of the API's name can come of the rule. False is certain; true
// says that there are names of series that the rule would call so, and not that the source
// has one.
func (r *Rule) MayGive(metric string) bool {
	pattern, given := r.givenBy(metric)
	if !given {
		return false
	}
	compiled, err := regexp.Compile(pattern)
	if err != nil {
		return true
	}
	series, one := compiled.LiteralPrefix()
	if !one {
		return true
	}
	for _, m := range r.selector {
		if m.Name == model.MetricNameLabel && !m.Matches(series) {
			return false
		}
	}
	name, ok := r.MetricName(series)
	return ok && name == metric
}
