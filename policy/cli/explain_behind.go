package cli

import (
	"context"
	"slices"
	"strings"
	"sync"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/loadline/loadline/policy/chain"
	diagnostics "github.com/loadline/loadline/provider/api/v1alpha1"
)

// diagnosed collects what the adapter says of the metrics of an HPA, in their order.
type diagnosed struct {
	all     []*chain.Diagnosis
	missing []*chain.Break // why it says nothing
}

// into adds to the answers what is behind them, or why that is not known. Where nothing is
// known of any it is returned instead, of several reasons the first; nil if nothing is missed.
func (d *diagnosed) into(answers []chain.Answer) *chain.Break {
	if !slices.ContainsFunc(d.all, func(one *chain.Diagnosis) bool { return one != nil }) {
		if i := slices.IndexFunc(d.missing, func(b *chain.Break) bool { return b != nil }); i >= 0 {
			return d.missing[i]
		}
	}
	for i := range answers {
		answers[i].Diagnosis, answers[i].Undiagnosed = d.all[i], d.missing[i]
	}
	return nil
}

// diagnoses asks the adapter about each metric, side by side. Nothing depends on what it says,
// which is there once reading is done.
func (g *gatherer) diagnoses(ctx context.Context, selector *string, reading *sync.WaitGroup) *diagnosed {
	n := len(g.hpa.Spec.Metrics)
	d := &diagnosed{all: make([]*chain.Diagnosis, n), missing: make([]*chain.Break, n)}
	for i := range g.hpa.Spec.Metrics {
		reading.Go(func() {
			d.all[i], d.missing[i] = g.diagnosis(ctx, &g.hpa.Spec.Metrics[i], selector)
		})
	}
	return d
}

// diagnosis is what the adapter says of a metric of the HPA; nil if it does not serve it, which
// for CPU and memory others mostly do.
func (g *gatherer) diagnosis(ctx context.Context, m *autoscalingv2.MetricSpec, selector *string) (*chain.Diagnosis, *chain.Break) {
	name, mine, ok := g.readOf(ctx, m, selector)
	if !ok {
		return nil, nil
	}
	q := question{of: diagnostics.GroupVersion, right: "get " + diagnostics.Plural, optional: true, served: true}
	r := g.get(q.of).Namespace(g.namespace).Resource(diagnostics.Plural).Name(name)
	if r.Error() != nil { // a name that no path can have, of which the answer says enough
		return nil, nil
	}
	var of diagnostics.Metric
	if b := fetch(ctx, r, q, &of); b != nil || of.Name == "" {
		return nil, b
	}
	d := &chain.Diagnosis{Metric: &of}
	if i := slices.IndexFunc(of.Reads, mine); i >= 0 {
		d.Read = &of.Reads[i]
	}
	return d, nil
}

// readOf names a metric, and says which read of it is the HPA's. It is false where that is not
// known.
func (g *gatherer) readOf(ctx context.Context, m *autoscalingv2.MetricSpec, selector *string) (name string, mine func(diagnostics.Read) bool, ok bool) {
	canonical := func(s *metav1.LabelSelector) string {
		text, _ := seriesOf(autoscalingv2.MetricIdentifier{Selector: s})
		return text
	}
	switch {
	case m.Resource != nil, m.ContainerResource != nil: // of all pods of the namespace
		of := resourceName(m)
		return diagnostics.Name(diagnostics.ResourceMetrics, "pods", of), func(diagnostics.Read) bool { return true }, true
	case m.Pods != nil && selector != nil:
		series := canonical(m.Pods.Metric.Selector)
		return diagnostics.Name(diagnostics.CustomMetrics, "pods", m.Pods.Metric.Name), func(r diagnostics.Read) bool {
			return r.Object == "" && r.ObjectSelector == *selector && r.MetricSelector == series
		}, true
	case m.Object != nil:
		resource, b := g.resource(ctx, "", m.Object.DescribedObject)
		if b != nil {
			return "", nil, false
		}
		series, object := canonical(m.Object.Metric.Selector), m.Object.DescribedObject.Name
		if resource.Group == "" && resource.Resource == "namespaces" { // its own, whatever its name in the HPA is
			object = g.namespace
		}
		return diagnostics.Name(diagnostics.CustomMetrics, resource.GroupResource().String(), m.Object.Metric.Name), func(r diagnostics.Read) bool {
			return r.Object == object && r.MetricSelector == series
		}, true
	case m.External != nil: // asked for in lower case, whatever its name in the HPA is
		series, name := canonical(m.External.Metric.Selector), strings.ToLower(m.External.Metric.Name)
		return diagnostics.Name(diagnostics.ExternalMetrics, "", name), func(r diagnostics.Read) bool { return r.MetricSelector == series }, true
	}
	return "", nil, false
}

func resourceName(m *autoscalingv2.MetricSpec) string {
	if m.Resource != nil {
		return string(m.Resource.Name)
	}
	return string(m.ContainerResource.Name)
}
