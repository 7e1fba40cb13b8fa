package guard

import (
	"fmt"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func sharedExternal() Mode {
	return Mode{
		ID: 27, Name: "shared-external", Severity: High,
		Summary: "two releases of one application each have an HPA that follows the same External metric",
		Why: "an External metric is of no pod: each HPA divides the whole of it among its own pods, " +
			"so that blue and green are each sized for all the work",
		Remedy: "let only one of the two have an HPA, and keep the other at a fixed size; or give each a queue of its own",
		Needs:  []Kind{HorizontalPodAutoscaler, Deployment},
		check: func(w *world, r *result) {
			// By what releases of one application have in common, or every HPA on a metric would
			// be compared with every other.
			type metric struct{ sibling, name, selector string }
			first := map[metric][]*scaler{}
			w.each(func(s *scaler, t *workload) {
				if s.keda || t.template == nil {
					return // KEDA's metrics have names of their own, and what is behind is not known
				}
				for i := range s.hpa.Spec.Metrics {
					m := &s.hpa.Spec.Metrics[i]
					if m.External == nil {
						continue
					}
					k := metric{siblingKey(t), m.External.Metric.Name, metav1.FormatLabelSelector(m.External.Metric.Selector)}
					for _, other := range first[k] {
						if other == s || other.target == s.target || len(colours(other.of.pods(), t.pods())) == 0 || t.size() == 0 || other.of.size() == 0 {
							continue
						}
						r.find(s.Object, s.metricField(i, "metric"), fmt.Sprintf("%s follows %s, too, and scales the %s: both are sized for all of it%s",
							other.Object, m.External.Metric.Name, other.targetName(), together(other, s, m)), other.Object)
						break
					}
					first[k] = append(first[k], s)
				}
			})
		},
	}
}

// together says how far the two go.
func together(a, b *scaler, m *autoscalingv2.MetricSpec) string {
	if m.External.Target.AverageValue == nil {
		return ""
	}
	return fmt.Sprintf(", up to %d pods in all", a.max()+b.max())
}
