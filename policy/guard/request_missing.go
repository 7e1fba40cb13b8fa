package guard

import (
	"fmt"
	"strings"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
)

func requestMissing() Mode {
	return Mode{
		ID: 19, Name: "request-missing", Severity: High,
		Summary: "an HPA follows a share of what pods request, and a container requests nothing",
		Why:     "one container without a request makes the whole metric an error (replica_calculator.go:528), sidecars included; the HPA then does not scale on it",
		Remedy:  "give every container a request, or use a target of type AverageValue, or a ContainerResource metric of the container that matters",
		Needs:   []Kind{HorizontalPodAutoscaler, Deployment, LimitRange},
		check: func(w *world, r *result) {
			w.each(func(s *scaler, t *workload) {
				if t.template == nil || s.unread {
					return
				}
				for i := range s.hpa.Spec.Metrics {
					of, container, ok := utilization(&s.hpa.Spec.Metrics[i])
					if !ok {
						continue
					}
					fields, names := w.unrequested(t.Namespace, &t.template.Spec, path(t.at, "spec"), of, container)
					if len(fields) == 0 {
						continue
					}
					r.find(t.Object, fields[0], fmt.Sprintf("%s has no request for %s, of which %s follows %s", containers(names), of, s.Object, share(s, i)), s.Object)
				}
			})
		},
	}
}

func containers(names []string) string {
	if len(names) == 1 {
		return "the container " + names[0]
	}
	return "the containers " + strings.Join(names, ", ") // all of them: one by one would be as many runs
}

// share is the target of a metric of utilization, in words.
func share(s *scaler, i int) string {
	m := &s.hpa.Spec.Metrics[i]
	target := map[autoscalingv2.MetricSourceType]*autoscalingv2.MetricTarget{}
	if m.Resource != nil {
		target[autoscalingv2.ResourceMetricSourceType] = &m.Resource.Target
	}
	if m.ContainerResource != nil {
		target[autoscalingv2.ContainerResourceMetricSourceType] = &m.ContainerResource.Target
	}
	text := fmt.Sprintf("%d %%", *target[m.Type].AverageUtilization)
	if s.unwritten {
		text += ", as an HPA does that names no metric"
	}
	return text
}
