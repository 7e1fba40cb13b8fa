package guard

import (
	"fmt"
	"maps"
	"slices"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// scrape is the annotation by which Prometheus' example configuration, and many after
// it, finds pods to scrape.
const scrape = "prometheus.io/scrape"

func newRevisionUnmetered() Mode {
	return Mode{
		ID: 22, Name: "new-revision-unmetered", Severity: High,
		Summary: "the new revision's pods do not show in the metric that the HPA follows",
		Why: "pods without a sample count as missing, and a selector that matches no series gives an error: " +
			"as the old pods go, the HPA sees less and less of the load, and at last nothing",
		Remedy: "keep the version out of the metric's selector; check that the new revision's series are there before the old one's go",
		Needs:  []Kind{HorizontalPodAutoscaler, Deployment},
		check: func(w *world, r *result) {
			w.each(func(s *scaler, t *workload) {
				before := (*workload)(nil)
				if w.old != nil {
					before = w.old.byKey[s.target]
				}
				custom := false
				for i := range s.hpa.Spec.Metrics {
					m := &s.hpa.Spec.Metrics[i]
					custom = custom || m.Pods != nil
					pinned(r, s, t, before, i, m)
				}
				if custom && before != nil && before.template != nil && t.template != nil {
					unscraped(r, s, t, before)
				}
			})
		},
	}
}

// pinned finds a selector of a metric that asks for the version that the pods had.
func pinned(r *result, s *scaler, t, before *workload, i int, m *autoscalingv2.MetricSpec) {
	selector, source := metricSelector(m)
	if selector == nil {
		return
	}
	for _, k := range slices.Sorted(maps.Keys(selector.MatchLabels)) {
		v, is := selector.MatchLabels[k], t.pods()[k]
		switch {
		case is == "" || is == v:
			continue
		case before != nil && before.pods()[k] == v:
		// Without a change to compare with, only of the pods' own metrics it is known
		// that the label means them.
		case before == nil && source == "pods" && versionLike(k, v, is):
		default:
			continue
		}
		r.find(s.Object, mapField(s.metricField(i, "metric.selector.matchLabels"), k),
			fmt.Sprintf("it asks for %s=%s, and the pods of the %s are labelled %s=%s", k, v, s.targetName(), k, is), t.Object)
	}
}

func metricSelector(m *autoscalingv2.MetricSpec) (*metav1.LabelSelector, string) {
	switch {
	case m.Pods != nil:
		return m.Pods.Metric.Selector, "pods"
	case m.Object != nil:
		return m.Object.Metric.Selector, "object"
	case m.External != nil:
		return m.External.Metric.Selector, "external"
	}
	return nil, ""
}

// unscraped finds a change after which Prometheus looks for the metrics elsewhere, or
// not at all.
func unscraped(r *result, s *scaler, t, before *workload) {
	was, is := before.template.Annotations, t.template.Annotations
	if was[scrape] == "true" && is[scrape] != "true" {
		r.advise(t.Object, mapField(path(t.at, "metadata.annotations"), scrape), fmt.Sprintf("the annotation goes, and %s follows a metric of these pods", s.Object),
			"keep the annotation, or make sure that the new pods are scraped otherwise", s.Object)
	}
}
