// Package diagnose says what the metrics of a namespace are: the rule, the query and the
// values of each that somebody wants there, and who that is. Storage serves it as
// diagnostics.loadline.dev.
//
// It says what is in memory. No answer has a source asked, or waits, and none has anything of
// another namespace than it is about: see places.
package diagnose

import (
	"cmp"
	"context"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/loadline/loadline/provider/api/v1alpha1"
	"github.com/loadline/loadline/provider/catalog"
	"github.com/loadline/loadline/provider/demand"
	"github.com/loadline/loadline/provider/eval"
	"github.com/loadline/loadline/provider/metric"
	"github.com/loadline/loadline/provider/store"
)

// Demand says what is wanted.
type Demand interface {
	In(namespace string) []demand.Want
}

// Evaluation says how it is evaluated.
type Evaluation interface {
	Asks(ctx context.Context, id metric.Identifier) eval.Asked
}

// Queries are external metrics that no rule gives, as in provider.Queries.
type Queries interface {
	PromQL(namespace, metric string) (promQL string, ok bool, err error)
}

// Describer makes the answers.
type Describer struct {
	Demand     Demand
	Catalog    *catalog.Catalog
	Evaluation Evaluation
	Queries    Queries // asked before the catalog; nil: there are none
	Store      *store.Store
	// MaxAge of an evaluation: older data is served to nobody.
	MaxAge time.Duration
	// BuiltIn says whether the rules in use are those that need no file.
	BuiltIn func() bool
	Now     func() time.Time
}

// subject is a metric of a namespace, and what somebody wants of it.
type subject struct {
	namespace, name string
	of              metric.Identifier // without what tells reads apart
	wants           []want
}

// want is a wanted metric as one namespace may see it.
type want struct {
	id   metric.Identifier
	hpas []string  // names
	read time.Time // zero if it is not for this namespace to know
}

// wanted are the subjects of a namespace, or of all if it is empty, in the order of
// namespaces and names. What is in none is left out.
func (d *Describer) wanted(namespace string) []*subject {
	type key struct{ namespace, name string }
	found := map[key]*subject{}
	for _, w := range d.Demand.In(namespace) {
		for in, mine := range places(w) {
			if namespace != "" && in != namespace {
				continue
			}
			k := key{in, nameOf(w.ID)}
			if found[k] == nil {
				found[k] = &subject{namespace: in, name: k.name, of: subjectOf(w.ID, in)}
			}
			found[k].wants = append(found[k].wants, mine)
		}
	}
	all := make([]*subject, 0, len(found))
	for _, s := range found {
		all = append(all, s)
	}
	slices.SortFunc(all, func(a, b *subject) int {
		return cmp.Or(cmp.Compare(a.namespace, b.namespace), cmp.Compare(a.name, b.name))
	})
	return all
}

// subjectOf is an identifier without what tells reads of a namespace apart.
func subjectOf(id metric.Identifier, namespace string) metric.Identifier {
	return metric.Identifier{API: id.API, Metric: id.Metric, Resource: id.Resource, Namespace: namespace}
}

// one is the subject of a name; nil where nobody wants it, which says nothing about whether
// it is served.
func (d *Describer) one(namespace, name string) *subject {
	all := d.wanted(namespace)
	if i := slices.IndexFunc(all, func(s *subject) bool { return s.name == name }); i >= 0 {
		return all[i]
	}
	return nil
}

// unwanted is the subject of a name that nobody wants; false for what is no name.
func unwanted(namespace, name string) (*subject, bool) {
	api, resource, of, ok := v1alpha1.ParseName(name)
	if !ok {
		return nil, false
	}
	id := metric.Identifier{Metric: of, Namespace: namespace, Resource: schema.ParseGroupResource(resource)}
	for kind, group := range groups() {
		if group == api {
			id.API = kind
		}
	}
	return &subject{namespace: namespace, name: name, of: id}, true
}

// describe makes the answer about a subject, of maxMetric bytes about.
func (d *Describer) describe(ctx context.Context, s *subject) v1alpha1.Metric {
	now := d.Now()
	m := v1alpha1.Metric{
		TypeMeta:   metav1.TypeMeta{APIVersion: v1alpha1.GroupVersion.String(), Kind: "Metric"},
		ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: s.name},
		Time:       metav1.NewTime(now), API: groups()[s.of.API], Metric: s.of.Metric, Reads: []v1alpha1.Read{},
	}
	if s.of.API.OfObjects() {
		m.Resource = s.of.Resource.String()
	}
	var known given
	m.Rule, m.Problem, known = d.rule(s)
	slices.SortFunc(s.wants, func(a, b want) int {
		return cmp.Or(cmp.Compare(a.id.Name, b.id.Name), cmp.Compare(a.id.Selector, b.id.Selector), cmp.Compare(a.id.MetricSelector, b.id.MetricSelector))
	})
	room := maxMetric
	for i, w := range s.wants {
		if i == maxReads || room <= 0 {
			m.OmittedReads = int32(len(s.wants) - i)
			break
		}
		r := d.read(ctx, w, known, now, room)
		room -= sizeOfRead(&r)
		m.Reads = append(m.Reads, r)
	}
	return m
}

// groups are the API groups by the APIs.
func groups() map[metric.API]string {
	return map[metric.API]string{metric.Custom: v1alpha1.CustomMetrics, metric.External: v1alpha1.ExternalMetrics, metric.Resource: v1alpha1.ResourceMetrics}
}

func nameOf(id metric.Identifier) string {
	return v1alpha1.Name(groups()[id.API], id.Resource.String(), id.Metric)
}
