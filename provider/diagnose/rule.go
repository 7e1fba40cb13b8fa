package diagnose

import (
	"errors"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/loadline/loadline/provider/api/v1alpha1"
	"github.com/loadline/loadline/provider/catalog"
	"github.com/loadline/loadline/provider/metric"
	"github.com/loadline/loadline/provider/rule"
	"github.com/loadline/loadline/provider/source"
)

// given is what gives a metric.
type given struct {
	// promQL is a policy's query; empty for a rule.
	promQL string
	// anywhere: it is of an external rule that is not bound to a namespace.
	anywhere bool
	// err is why nothing gives it.
	err error
}

// problem tells of a read's error, nil for nil. What the source said and which series it has is
// left out where that can be another namespace's.
func (g given) problem(err error) *v1alpha1.Problem {
	if err != nil && (g.anywhere || g.err != nil) {
		return problem(err, unquoted(err))
	}
	return problemOf(err)
}

// rule says what gives a metric, or why nothing does.
func (d *Describer) rule(s *subject) (*v1alpha1.Rule, *v1alpha1.Problem, given) {
	missing := func(err error) (*v1alpha1.Rule, *v1alpha1.Problem, given) {
		return nil, problem(err, unquoted(err)), given{err: err}
	}
	if s.of.API == metric.External && d.Queries != nil {
		if promQL, ok, err := d.Queries.PromQL(s.namespace, s.of.Metric); err != nil {
			return missing(err)
		} else if ok {
			return policyQuery(s.of.Metric, promQL), nil, given{promQL: promQL}
		}
	}
	entry, ok := d.Catalog.Of(s.of)
	switch {
	case ok:
		return d.configured(entry), nil, given{anywhere: entry.Rule.External() && !entry.Rule.Namespaced()}
	case s.of.API == metric.Resource:
		return missing(catalog.NoUsage(s.of))
	default:
		return missing(d.Catalog.Why(catalog.Name{Resource: s.of.Resource, Metric: s.of.Metric}))
	}
}

// configured describes a rule of the configuration.
func (d *Describer) configured(e catalog.Entry) *v1alpha1.Rule {
	r := e.Rule
	out := &v1alpha1.Rule{
		ID: r.ID(), Section: r.Section(), Origin: v1alpha1.OriginFile, Source: rule.SourceLabel(r.Source()),
		SeriesQuery: r.SeriesSelector(), Series: e.Series, Template: r.Template(),
	}
	if i := r.Index(); i >= 0 {
		out.Index = ptr.To(int32(i))
	}
	if d.BuiltIn() {
		out.Origin = v1alpha1.OriginBuiltIn
	}
	if missed := e.Missed(); !missed.IsZero() {
		out.MissingSince = ptr.To(metav1.NewTime(missed))
	}
	if err := d.Catalog.Discovery(r); err != nil {
		out.Discovery = problem(metric.Because(metric.SourceFailed, err, "its series"), unquoted(err))
	}
	return out
}

// policyQuery describes a query of an AutoscalingPolicy, whose name has it behind the last dot.
func policyQuery(name, promQL string) *v1alpha1.Rule {
	policy, query := strings.TrimPrefix(name, metric.QueryPrefix), ""
	if i := strings.LastIndexByte(policy, '.'); i >= 0 {
		policy, query = policy[:i], policy[i+1:]
	}
	return &v1alpha1.Rule{Origin: v1alpha1.OriginPolicy, Policy: policy, Query: query, Source: rule.SourceLabel(""), Template: promQL}
}

// unquoted is the text of an error that is not about the reads of one namespace alone, without
// what the source said and the series it named, which can be any.
func unquoted(err error) string {
	text := err.Error()
	for ; err != nil; err = errors.Unwrap(err) {
		switch said := err.(type) {
		case *source.Error:
			if said.Quotes {
				text = strings.ReplaceAll(text, said.Text, "the log of the adapter has what it said")
			}
		case *metric.Error:
			if said.Quotes {
				text = strings.ReplaceAll(text, said.Message, "a series")
			}
		}
	}
	return text
}
