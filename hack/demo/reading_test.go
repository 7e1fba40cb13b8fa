package demo

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	"sigs.k8s.io/yaml"
)

func TestRead(t *testing.T) {
	const (
		spec = `
metadata: {name: web}
spec:
  minReplicas: 2
  maxReplicas: 6
  metrics:
  - type: Pods
    pods: {metric: {name: rps}, target: {type: AverageValue, averageValue: "20"}}
`
		active = `
  conditions: [{type: ScalingActive, status: "True", reason: ValidMetricFound, message: m}]
`
		value = `
  currentMetrics:
  - {type: Pods, pods: {metric: {name: rps}, current: {averageValue: 74960m}}}
`
	)
	base := Scaler{Name: "web", Metric: "rps", Unit: "a pod", Target: 20, Min: 2, Max: 6}
	ok := base
	ok.Desired, ok.Conditions = 4, []Condition{{"ScalingActive", true, "ValidMetricFound", "m"}}
	known, failed := ok, ok
	known.Known, known.Value = true, 74.96
	failed.Conditions = []Condition{{"ScalingActive", false, "FailedGetPodsMetric", "m"}}
	tests := map[string]struct {
		hpa  string
		want Scaler
	}{
		"new":      {spec, base},
		"no value": {spec + "status:\n  desiredReplicas: 4" + active, ok},
		"value":    {spec + "status:\n  desiredReplicas: 4" + active + value, known},
		"value of before the failure": {spec + `status:
  desiredReplicas: 4
  conditions: [{type: ScalingActive, status: "False", reason: FailedGetPodsMetric, message: m}]` + value, failed},
		"external, no minimum": {`
metadata: {name: worker}
spec:
  maxReplicas: 3
  metrics:
  - type: External
    external: {metric: {name: depth}, target: {type: AverageValue, averageValue: "10"}}
status:
  conditions: [{type: ScalingActive, status: "True"}]
  currentMetrics:
  - {type: External, external: {metric: {name: depth}, current: {averageValue: "0"}}}
`, Scaler{Name: "worker", Metric: "depth", Unit: "a pod", Known: true, Target: 10, Min: 1, Max: 3, Conditions: []Condition{{Type: "ScalingActive", True: true}}}},
		"another type": {"metadata: {name: cpu}\nspec:\n  maxReplicas: 3\n  metrics: [{type: Resource, resource: {name: cpu}}]", Scaler{Name: "cpu", Min: 1, Max: 3}},
		"no metrics":   {"metadata: {name: none}\nspec: {maxReplicas: 3}", Scaler{Name: "none", Min: 1, Max: 3}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var h autoscalingv2.HorizontalPodAutoscaler
			if err := yaml.UnmarshalStrict([]byte(test.hpa), &h); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, Read(&h), cmpopts.EquateApprox(1e-9, 0)); diff != "" {
				t.Error(diff)
			}
		})
	}
}
