package guard

import (
	"fmt"
	"strings"

	autoscalingv2 "k8s.io/api/autoscaling/v2"

	"github.com/loadline/loadline/policy/quota"
)

func containerRenamed() Mode {
	return Mode{
		ID: 20, Name: "container-renamed", Severity: High,
		Summary: "an HPA follows one container by its name, and pods have it under another",
		Why: "while pods with the old and pods with the new name run side by side, the metric of the one name is missing in the others: " +
			"a target of type Utilization is an error until the rollout is over (replica_calculator.go:539-542), and one that nobody has stays one",
		Remedy: "for the time of the change use a target of type AverageValue, or a Resource metric of whole pods",
		Needs:  []Kind{HorizontalPodAutoscaler, Deployment},
		check: func(w *world, r *result) {
			w.each(func(s *scaler, t *workload) {
				if t.template == nil {
					return
				}
				for i := range s.hpa.Spec.Metrics {
					c := s.hpa.Spec.Metrics[i].ContainerResource
					if c == nil {
						continue
					}
					field := s.metricField(i, "container")
					if _, here := t.container(c.Container); here == nil {
						r.advise(s.Object, field, fmt.Sprintf("the pods of the %s have no container %s", s.targetName(), c.Container),
							"name one of "+strings.Join(t.containerNames(), ", "), t.Object)
						continue
					}
					if w.renames(s, t, c) {
						r.find(s.Object, field, fmt.Sprintf("the pods of the %s that run now have no container %s: the metric is an error until the last of them is gone", s.targetName(), c.Container), t.Object)
					}
				}
			})
		},
	}
}

// renames says whether a change makes a container appear that a metric follows in share.
func (w *world) renames(s *scaler, t *workload, c *autoscalingv2.ContainerResourceMetricSource) bool {
	if w.old == nil || c.Target.AverageUtilization == nil {
		return false
	}
	before := w.old.byKey[s.target]
	if before == nil || before.template == nil {
		return false
	}
	_, was := before.container(c.Container)
	return was == nil
}

func (t *workload) containerNames() []string {
	var names []string
	for i := range t.template.Spec.Containers {
		names = append(names, t.template.Spec.Containers[i].Name)
	}
	for i := range t.template.Spec.InitContainers {
		if c := &t.template.Spec.InitContainers[i]; quota.Sidecar(c) {
			names = append(names, c.Name)
		}
	}
	return names
}
