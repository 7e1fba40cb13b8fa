package convert_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/loadline/loadline/policy/convert"
	"github.com/loadline/loadline/policy/hpa"
)

// What is no HPA is refused with the reason.
func TestReadHPANoHPA(t *testing.T) {
	for name, tc := range map[string]struct{ document, want string }{
		"empty":         {"", "Error it is empty"},
		"only comments": {"# a\n---\n# b\n", "Error it is empty"},
		"two":           {head + "---\n" + head, "Error it is more than one document: give one"},
		"a field twice": {head + "  maxReplicas: 7\n", `Error it cannot be read: yaml: unmarshal errors:` + "\n" + `  line 10: key "maxReplicas" already set in map`},
		"no kind":       {"spec: {}\n", "Error it has no apiVersion or no kind"},
		"no object":     {"- a\n", "Error couldn't get version/kind; json parse error: json: cannot unmarshal array into Go value of type struct { APIVersion string \"json:\\\"apiVersion,omitempty\\\"\"; Kind string \"json:\\\"kind,omitempty\\\"\" }"},
		"a wrong type":  {head + "  metrics: many\n", "Error json: cannot unmarshal string into Go struct field HorizontalPodAutoscalerSpec.spec.metrics of type []v2.MetricSpec"},
		"too long":      {strings.Repeat("#", convert.MaxBytes+1), "Error it has 3145729 bytes, more than 3145728"},
	} {
		t.Run(name, func(t *testing.T) {
			p, problems := convert.ReadHPA([]byte(tc.document))
			if diff := cmp.Diff([]string{tc.want}, lines(problems)); diff != "" || p != nil {
				t.Errorf("%+v (-want +got):\n%s", p, diff)
			}
		})
	}
}

// Whatever is read as an HPA, there is a policy from which an HPA can be built, or an Error.
func FuzzReadHPA(f *testing.F) {
	for _, metrics := range []string{
		"", "  metrics: []\n", "  metrics: [{type: Pods}]\n",
		"  metrics: [{type: Pods, pods: {metric: {name: a, selector: {matchLabels: {a: b}}}, target: {type: AverageValue, averageValue: 1e3}}}]\n",
		"  metrics: [{type: Object, object: {metric: {name: a}, describedObject: {apiVersion: v1, kind: Service, name: a}, target: {type: Value, value: 500m}}}]\n",
		"  metrics: [{type: External, external: {metric: {name: reminder_queue_depth, selector: {matchLabels: {queue: a}}}, target: {type: AverageValue, averageValue: 1Gi}}}]\n",
		"  metrics: [{type: ContainerResource, containerResource: {name: cpu, container: a, target: {type: Utilization, averageUtilization: 5}}}]\n",
	} {
		f.Add([]byte(head + metrics))
	}
	f.Add([]byte(`{"apiVersion":"autoscaling/v1","kind":"HorizontalPodAutoscaler","metadata":{"name":"a"},"spec":{"scaleTargetRef":{"kind":"ReplicationController","name":"a"},"maxReplicas":3,"targetCPUUtilizationPercentage":50}}`))
	f.Fuzz(func(t *testing.T, document []byte) {
		p, problems := convert.ReadHPA(document)
		if (p == nil) != hpa.Failed(problems) {
			t.Fatalf("policy %v, %q", p, lines(problems))
		}
		if p == nil {
			return
		}
		if h, problems := hpa.Build(p, nil, all); h == nil {
			t.Errorf("the policy makes no HPA: %q", lines(problems))
		}
	})
}
