package provider

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"

	"github.com/loadline/loadline/provider/metric"
)

// seconds is a window as the metrics APIs carry it: whole seconds, nil for none.
func seconds(window time.Duration) *int64 {
	if window <= 0 {
		return nil
	}
	s := int64(window.Round(time.Second) / time.Second)
	return &s
}

// labelSelector is selector in the form in which answers repeat it; nil where it
// selects everything. A LabelSelector knows no !=, which means the same as not in
// with one value (metav1.ParseToLabelSelector refuses it).
func labelSelector(selector labels.Selector) (*metav1.LabelSelector, error) {
	requirements, _ := selector.Requirements()
	if len(requirements) == 0 {
		return nil, nil
	}
	out := &metav1.LabelSelector{}
	operators := map[selection.Operator]metav1.LabelSelectorOperator{
		selection.In: metav1.LabelSelectorOpIn, selection.NotIn: metav1.LabelSelectorOpNotIn, selection.NotEquals: metav1.LabelSelectorOpNotIn,
		selection.Exists: metav1.LabelSelectorOpExists, selection.DoesNotExist: metav1.LabelSelectorOpDoesNotExist,
		// A second equality on one key would not fit into MatchLabels.
		selection.Equals: metav1.LabelSelectorOpIn, selection.DoubleEquals: metav1.LabelSelectorOpIn,
	}
	for _, r := range requirements {
		operator, ok := operators[r.Operator()]
		if !ok {
			return nil, metric.Errorf(metric.Invalid, "metric selector: the operator %q is not supported", r.Operator())
		}
		values := r.Values().List()
		equality := r.Operator() == selection.Equals || r.Operator() == selection.DoubleEquals
		if _, taken := out.MatchLabels[r.Key()]; equality && !taken {
			if out.MatchLabels == nil {
				out.MatchLabels = map[string]string{}
			}
			out.MatchLabels[r.Key()] = values[0]
			continue
		}
		out.MatchExpressions = append(out.MatchExpressions, metav1.LabelSelectorRequirement{Key: r.Key(), Operator: operator, Values: values})
	}
	return out, nil
}
