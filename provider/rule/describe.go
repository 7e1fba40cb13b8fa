package rule

import "k8s.io/apimachinery/pkg/runtime/schema"

// Description is what the file says of a rule, for people.
type Description struct {
	// Series is the one series that seriesQuery names; empty where it may find several.
	Series string
	// Metric is the API's name of Series; empty where a filter or a pattern leaves none.
	Metric string
	// Matches and As are name.matches and name.as, as they are in force.
	Matches, As string
	// Labels are those that name objects, in the order of the file. Resources are as written,
	// singular or plural.
	Labels []Object
	// Template is resources.template, by which labels of any kind are known; empty without one.
	Template string
	// Query is the template of the query.
	Query string
	// Values: it prints LabelValuesByName.
	Values bool
}

// Describe returns what the file says of the rule.
func (r *Rule) Describe() Description {
	d := Description{As: r.naming.as, Query: r.template.parsed.Root.String(), Values: r.usesValues}
	if r.naming.matches != nil { // there is none in resourceRules
		d.Matches = r.naming.matches.String()
		if d.Series = r.namedSeries(); d.Series != "" {
			d.Metric, _ = r.MetricName(d.Series)
		}
	}
	for _, o := range r.association.overrides {
		d.Labels = append(d.Labels, Object{Resource: schema.GroupResource{Group: o.resource.Group, Resource: o.resource.Resource}, Label: o.label})
	}
	if r.association.template != nil {
		d.Template = r.association.template.text
	}
	return d
}
