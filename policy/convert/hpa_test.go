package convert_test

import (
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/yaml"

	"github.com/loadline/loadline/policy/convert"
)

// head begins an HPA of autoscaling/v2 that only metrics are missing of.
const head = `
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: web, namespace: shop, labels: {team: a}}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}
  minReplicas: 2
  maxReplicas: 6
  behavior: {scaleUp: {}, scaleDown: {policies: [{type: Pods, value: 1, periodSeconds: 60}]}}
`

// The spec of the policy of an HPA, in YAML, and what is said about it.
func TestReadHPA(t *testing.T) {
	for name, tc := range map[string]struct {
		document string
		spec     string
		problems []string
	}{
		"v1": {
			`{apiVersion: autoscaling/v1, kind: HorizontalPodAutoscaler, metadata: {name: old}, spec: {scaleTargetRef: {kind: ReplicationController, name: old}, maxReplicas: 3, targetCPUUtilizationPercentage: 50}}`,
			`{objectives: [{cpu: {utilization: 50}}], profile: Balanced, replicas: {min: 1, max: 3}, targetRef: {apiVersion: v1, kind: ReplicationController, name: old}}`,
			[]string{
				"Warning spec.behavior: the HPA has none: the policy has the profile Balanced, which scales up as before and lets a quarter of the pods go each 30 seconds, not all at once: give behavior: {} in the policy to have it as before",
				"Warning spec.targetRef.kind: a release replaces a ReplicationController by another one, which nothing would scale: scale a Deployment",
				"Warning spec.objectives[0].cpu.utilization: a pod without a request stops it: set requests, or give perPod",
			},
		},
		"v1 without a target": {
			`{apiVersion: autoscaling/v1, kind: HorizontalPodAutoscaler, metadata: {name: a, annotations: {autoscaling.alpha.kubernetes.io/conditions: "[]"}}, spec: {scaleTargetRef: {apiVersion: apps/v1, kind: StatefulSet, name: a}, minReplicas: 2, maxReplicas: 3}}`,
			`{objectives: [{cpu: {utilization: 80}}], profile: Balanced, replicas: {min: 2, max: 3}, targetRef: {apiVersion: apps/v1, kind: StatefulSet, name: a}}`,
			[]string{
				"Warning spec.metrics: the HPA has none: it follows 80% of the cpu requested, and so does the policy",
				"Warning spec.behavior: the HPA has none: the policy has the profile Balanced, which scales up as before and lets a quarter of the pods go each 30 seconds, not all at once: give behavior: {} in the policy to have it as before",
				"Warning spec.objectives[0].cpu.utilization: a pod without a request stops it: set requests, or give perPod",
			},
		},
		"of a policy": {
			`{apiVersion: autoscaling/v2, kind: HorizontalPodAutoscaler, metadata: {name: a, labels: {loadline.dev/policy: a}}, spec: {scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: a}, minReplicas: 2, maxReplicas: 3,
				metrics: [{type: Pods, pods: {metric: {name: m}, target: {type: AverageValue, averageValue: 1}}}],
				behavior: {scaleUp: {selectPolicy: Disabled}, scaleDown: {selectPolicy: Disabled}}}}`,
			`{objectives: [{custom: {metric: m, perPod: "1"}}], replicas: {min: 2, max: 3}, targetRef: {apiVersion: apps/v1, kind: Deployment, name: a}, behavior: {scaleUp: {selectPolicy: Disabled}, scaleDown: {selectPolicy: Disabled}}}`,
			[]string{"Warning metadata.labels[loadline.dev/policy]: the HPA was made by the policy a: its minReplicas may be that of a floor: change that policy if it is still there"},
		},
		"two request rates": {
			head + `  metrics:
  - {type: Pods, pods: {metric: {name: http_requests_per_second, selector: {matchLabels: {a: b}}}, target: {type: AverageValue, averageValue: 20}}}
  - {type: Pods, pods: {metric: {name: http_requests_per_second}, target: {type: AverageValue, averageValue: 30}}}
`,
			`{objectives: [{requestRate: {perPod: "20", selector: {matchLabels: {a: b}}}}, {custom: {metric: http_requests_per_second, perPod: "30"}}], replicas: {min: 2, max: 6}, targetRef: {apiVersion: apps/v1, kind: Deployment, name: web}, behavior: {scaleUp: {}, scaleDown: {policies: [{type: Pods, value: 1, periodSeconds: 60}]}}}`,
			nil,
		},
		"queues": {
			head + `  metrics:
  - {type: External, external: {metric: {name: reminder_queue_depth, selector: {matchLabels: {queue: a}}}, target: {type: AverageValue, averageValue: 20}}}
  - {type: External, external: {metric: {name: reminder_queue_depth, selector: {matchLabels: {queue: a, zone: b}}}, target: {type: AverageValue, averageValue: 20}}}
  - {type: External, external: {metric: {name: reminder_queue_depth}, target: {type: AverageValue, averageValue: 20}}}
  - {type: External, external: {metric: {name: jobs, selector: {matchLabels: {queue: a}}}, target: {type: AverageValue, averageValue: 20}}}
`,
			`{objectives: [{queue: {name: a, perPod: "20"}}, {external: {metric: reminder_queue_depth, selector: {matchLabels: {queue: a, zone: b}}, perPod: "20"}}, {external: {metric: reminder_queue_depth, perPod: "20"}}, {external: {metric: jobs, selector: {matchLabels: {queue: a}}, perPod: "20"}}], replicas: {min: 2, max: 6}, targetRef: {apiVersion: apps/v1, kind: Deployment, name: web}, behavior: {scaleUp: {}, scaleDown: {policies: [{type: Pods, value: 1, periodSeconds: 60}]}}}`,
			nil,
		},
	} {
		t.Run(name, func(t *testing.T) {
			p, problems := convert.ReadHPA([]byte(tc.document))
			if diff := cmp.Diff(tc.problems, lines(problems)); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
			if p == nil {
				t.Fatal("no policy")
			}
			var want any
			if err := yaml.Unmarshal([]byte(tc.spec), &want); err != nil {
				t.Fatal(err)
			}
			text, err := yaml.Marshal(p.Spec)
			if err != nil {
				t.Fatal(err)
			}
			var got any
			if err := yaml.Unmarshal(text, &got); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("spec (-want +got):\n%s", diff)
			}
			if len(p.Labels) > 0 {
				t.Errorf("labels %v", p.Labels)
			}
		})
	}
}

// A group that Kubernetes took away has the same kinds in another one.
func TestReadHPAOfExtensions(t *testing.T) {
	for kind, want := range map[string]string{"Deployment": "apps/v1", "ReplicaSet": "apps/v1", "StatefulSet": ""} {
		document := `{apiVersion: autoscaling/v2, kind: HorizontalPodAutoscaler, metadata: {name: a}, spec: {scaleTargetRef: {apiVersion: extensions/v1beta1, kind: ` + kind + `, name: a}, maxReplicas: 3, behavior: {},
  metrics: [{type: Pods, pods: {metric: {name: m}, target: {type: AverageValue, averageValue: 5}}}]}}`
		p, problems := convert.ReadHPA([]byte(document))
		said := strings.Join(lines(problems), "\n")
		switch {
		case want == "":
			if p != nil || !strings.Contains(said, "Error spec.targetRef.apiVersion: extensions/v1beta1 has no StatefulSet: give apps/v1") {
				t.Errorf("%s: %v, %s", kind, p, said)
			}
		case p == nil || p.Spec.TargetRef.APIVersion != want ||
			!strings.Contains(said, "Warning spec.scaleTargetRef.apiVersion: extensions/v1beta1 is gone: the policy says apps/v1, which has the same "+kind):
			t.Errorf("%s: %v, %s", kind, p, said)
		}
	}
}

// What a policy cannot say is an Error with its field, and there is no policy.
func TestReadHPARefuses(t *testing.T) {
	metric := func(text string) string { return head + "  metrics: [" + text + "]\n" }
	for name, tc := range map[string]struct {
		document string
		problems []string
	}{
		"v1 with metrics": {
			`{apiVersion: autoscaling/v1, kind: HorizontalPodAutoscaler, metadata: {name: a, annotations: {autoscaling.alpha.kubernetes.io/metrics: "[]", autoscaling.alpha.kubernetes.io/behavior: "{}"}}, spec: {scaleTargetRef: {apiVersion: apps/v1, kind: StatefulSet, name: a}, maxReplicas: 3}}`,
			[]string{
				"Error metadata.annotations[autoscaling.alpha.kubernetes.io/metrics]: it is a part of the spec that autoscaling/v1 has no field for: get the HPA as autoscaling/v2: kubectl get hpa.v2.autoscaling a",
				"Error metadata.annotations[autoscaling.alpha.kubernetes.io/behavior]: it is a part of the spec that autoscaling/v1 has no field for: get the HPA as autoscaling/v2: kubectl get hpa.v2.autoscaling a",
			},
		},
		"owned": {
			`{apiVersion: autoscaling/v2, kind: HorizontalPodAutoscaler, metadata: {name: a, ownerReferences: [{apiVersion: keda.sh/v1alpha1, kind: ScaledObject, name: s, uid: u, controller: true}]}, spec: {scaleTargetRef: {kind: Deployment, name: a}, maxReplicas: 3, behavior: {}}}`,
			[]string{
				"Error metadata.ownerReferences: the HPA is made by the ScaledObject s, which would go on writing it: change or delete that one",
				"Error spec.scaleTargetRef.apiVersion: it is missing: give it, such as apps/v1",
				"Warning spec.metrics: the HPA has none: it follows 80% of the cpu requested, and so does the policy",
			},
		},
		"another resource": {metric(`{type: Resource, resource: {name: nvidia.com/gpu, target: {type: Utilization, averageUtilization: 5}}}`), []string{
			`Error spec.metrics[0].resource.name: a policy knows cpu and memory, not "nvidia.com/gpu": keep this HPA, or follow another metric`,
		}},
		"a query": {metric(`{type: External, external: {metric: {name: loadline-query.my.web.carts}, target: {type: AverageValue, averageValue: 5}}}`), []string{
			"Error spec.metrics[0].external.metric.name: it is a query of the policy my.web, and the HPA does not have its expression: copy the objective query from there",
		}},
		"no sources": {metric(`{type: Pods}, {type: Nothing}, {type: Pods, resource: {name: cpu, target: {type: Utilization, averageUtilization: 5}}}`), []string{
			`Error spec.metrics[0].type: "Pods" has no source of its name beside it: give one of Resource, ContainerResource, Pods, Object, External, and its field`,
			`Error spec.metrics[1].type: "Nothing" has no source of its name beside it: give one of Resource, ContainerResource, Pods, Object, External, and its field`,
			`Error spec.metrics[2].type: "Pods" has no source of its name beside it: give one of Resource, ContainerResource, Pods, Object, External, and its field`,
		}},
		"two sources": {metric(`{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 5}}, pods: {metric: {name: a}, target: {type: AverageValue, averageValue: 5}}}`), []string{
			"Error spec.metrics[0]: it has 2 sources: give the one that type names",
		}},
		"targets": {metric(`
			{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 5, averageValue: 5}}},
			{type: ContainerResource, containerResource: {name: memory, target: {type: Value, value: 5}}},
			{type: Pods, pods: {metric: {name: a}, target: {type: Value, value: 5}}},
			{type: Object, object: {metric: {name: a}, describedObject: {kind: Service, name: a}, target: {type: Value, averageValue: 5}}},
			{type: External, external: {metric: {name: a}, target: {type: Value, value: 5, averageValue: 5}}},
			{type: External, external: {metric: {name: b}, target: {type: Utilization, value: 5}}}`), []string{
			"Error spec.metrics[0].resource.target: it needs one target: give exactly one of averageUtilization, averageValue",
			"Error spec.metrics[1].containerResource.container: it is missing: give it",
			"Error spec.metrics[1].containerResource.target: it needs one target: give exactly one of averageUtilization, averageValue",
			"Error spec.metrics[2].pods.target: a metric of pods has an average: give averageValue and nothing else",
			"Error spec.metrics[3].object.describedObject.apiVersion: it is missing: give it, such as v1",
			`Error spec.metrics[3].object.target.type: "Value" is not what the target beside it is: give AverageValue with averageValue, or Value with value`,
			"Error spec.metrics[4].external.target: it needs one target: give exactly one of averageValue, value",
			`Error spec.metrics[5].external.target.type: "Utilization" is not what the target beside it is: give AverageValue with averageValue, or Value with value`,
		}},
		"what no policy may say": {metric(`{type: External, external: {metric: {name: a}, target: {type: AverageValue, averageValue: 0}}}`), []string{
			"Error spec.objectives[0].external.perPod: 0 is no target: give a number above 0",
		}},
		"an unknown field": {head + "  strategy: fast\n", []string{`Error unknown field "spec.strategy"`}},
		"an old version": {`{apiVersion: autoscaling/v2beta2, kind: HorizontalPodAutoscaler}`, []string{
			"Error it is a HorizontalPodAutoscaler of autoscaling/v2beta2: give a HorizontalPodAutoscaler of autoscaling/v1 or autoscaling/v2",
		}},
		"a list":  {`{apiVersion: autoscaling/v2, kind: HorizontalPodAutoscalerList, items: []}`, []string{"Error it is a HorizontalPodAutoscalerList: give one HorizontalPodAutoscaler"}},
		"endless": {metric(`{type: External, external: {metric: {name: a}, target: {type: AverageValue, averageValue: "1e-2147483647"}}}`), []string{`Error spec.metrics[0].external.target.averageValue: "1e-2147483647" is no quantity: its exponent is out of range`}},
	} {
		t.Run(name, func(t *testing.T) {
			p, problems := convert.ReadHPA([]byte(tc.document))
			if diff := cmp.Diff(tc.problems, lines(problems)); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
			if p != nil {
				t.Errorf("a policy all the same: %+v", p)
			}
		})
	}
}

// An HPA with the behavior of a profile becomes a policy with its name, whatever the
// HPA leaves to the server.
func TestProfiles(t *testing.T) {
	for want, behavior := range map[string]string{
		"Balanced":   "scaleUp: {policies: [{type: Percent, value: 100, periodSeconds: 15}, {type: Pods, value: 4, periodSeconds: 15}]}, scaleDown: {policies: [{type: Percent, value: 25, periodSeconds: 30}]}",
		"Responsive": "scaleUp: {policies: [{type: Percent, value: 300, periodSeconds: 15}, {type: Pods, value: 10, periodSeconds: 15}]}, scaleDown: {selectPolicy: Max, policies: [{type: Percent, value: 50, periodSeconds: 15}]}",
		"":           "scaleDown: {policies: [{type: Percent, value: 25, periodSeconds: 30}]}", // up in another order
	} {
		p, problems := convert.ReadHPA([]byte(`{apiVersion: autoscaling/v2, kind: HorizontalPodAutoscaler, metadata: {name: a}, spec: {
			scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: a}, maxReplicas: 3, behavior: {` + behavior + `}}}`))
		if p == nil {
			t.Fatalf("%q", lines(problems))
		}
		if string(p.Spec.Profile) != want || (p.Spec.Behavior == nil) != (want != "") {
			t.Errorf("%q: profile %q, behavior %+v", want, p.Spec.Profile, p.Spec.Behavior)
		}
	}
}

// What is read is not changed, and what is returned is not shared with it.
func TestNothingIsShared(t *testing.T) {
	labels := func() *metav1.LabelSelector { return &metav1.LabelSelector{MatchLabels: map[string]string{"a": "b"}} }
	h := &autoscalingv2.HorizontalPodAutoscaler{
		ObjectMeta: metav1.ObjectMeta{Name: "web"},
		Spec: autoscalingv2.HorizontalPodAutoscalerSpec{
			ScaleTargetRef: autoscalingv2.CrossVersionObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Name: "web"}, MaxReplicas: 3,
			Metrics: []autoscalingv2.MetricSpec{{Type: "External", External: &autoscalingv2.ExternalMetricSource{
				Metric: autoscalingv2.MetricIdentifier{Name: "m", Selector: labels()},
				Target: autoscalingv2.MetricTarget{Type: "AverageValue", AverageValue: ptr.To(resource.MustParse("1"))},
			}}},
			Behavior: &autoscalingv2.HorizontalPodAutoscalerBehavior{ScaleDown: &autoscalingv2.HPAScalingRules{StabilizationWindowSeconds: ptr.To[int32](5)}},
		},
	}
	before := h.DeepCopy()
	p, problems := convert.FromV2(h)
	if p == nil {
		t.Fatalf("%q", lines(problems))
	}
	p.Spec.Objectives[0].External.PerPod.Set(77)
	p.Spec.Objectives[0].External.Selector.MatchLabels["x"] = "y"
	*p.Spec.Behavior.ScaleDown.StabilizationWindowSeconds = 77
	if !reflect.DeepEqual(before, h) {
		t.Errorf("(-before +after):\n%s", cmp.Diff(before, h))
	}
}
