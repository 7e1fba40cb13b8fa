package hpa_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	"k8s.io/apimachinery/pkg/version"

	"github.com/loadline/loadline/policy/api/v1alpha1"
	"github.com/loadline/loadline/policy/hpa"
)

// The metrics and warnings of every kind of objective with every option are those in
// testdata/objective.
func TestObjectives(t *testing.T) {
	selector := "selector: {matchLabels: {handler: remind}, matchExpressions: [{key: code, operator: NotIn, values: [\"500\", \"503\"]}]}"
	texts := map[string]string{}
	for name, objective := range map[string]string{
		"request rate":              `requestRate: {perPod: 50}`,
		"request rate, a fraction":  `requestRate: {perPod: "0.5"}`,
		"request rate, named":       `requestRate: {perPod: 500m, metric: rpc_requests_per_second}`,
		"request rate, selected":    `requestRate: {perPod: 50, ` + selector + `}`,
		"queue":                     `queue: {name: reminders, perPod: 100}`,
		"queue, another metric":     `queue: {name: reminders, perPod: 1k, metric: jobs_waiting}`,
		"queue, selected":           `queue: {perPod: 100, ` + selector + `}`,
		"cpu, utilization":          `cpu: {utilization: 60}`,
		"cpu, each pod":             `cpu: {perPod: 500m}`,
		"cpu, container":            `cpu: {utilization: 60, container: web}`,
		"cpu, container, each pod":  `cpu: {perPod: "1.5", container: web}`,
		"memory, utilization":       `memory: {utilization: 80}`,
		"memory, each pod":          `memory: {perPod: 256Mi}`,
		"memory, container":         `memory: {utilization: 80, container: web}`,
		"memory, cont., each pod":   `memory: {perPod: 1Gi, container: web}`,
		"custom, pods":              `custom: {metric: sessions, perPod: 30}`,
		"custom, pods, selected":    `custom: {metric: sessions, perPod: 30, ` + selector + `}`,
		"custom, object, each pod":  `custom: {metric: hits, object: {apiVersion: v1, kind: Service, name: web}, perPod: 30}`,
		"custom, object, value":     `custom: {metric: latency, object: {apiVersion: networking.k8s.io/v1, kind: Ingress, name: web}, value: 250m}`,
		"custom, object, selected":  `custom: {metric: hits, object: {apiVersion: v1, kind: Service, name: web}, perPod: 30, ` + selector + `}`,
		"external, each pod":        `external: {metric: jobs, perPod: 10}`,
		"external, value":           `external: {metric: lag_seconds, value: 30}`,
		"external, selected":        `external: {metric: jobs, perPod: 10, ` + selector + `}`,
		"query, each pod":           `query: {name: open-carts, expr: 'sum(carts{state="open"})', perPod: 40}`,
		"query, value":              `query: {name: latency, expr: 'max(latency_seconds)', value: 250m}`,
		"cpu, a number of cores":    `cpu: {perPod: 500}`,
		"memory, a number of bytes": `memory: {perPod: 256}`,
		"queue, any":                `queue: {perPod: 100, selector: {}}`,
		"custom, less than counts":  `custom: {metric: sessions, perPod: 100u}`,
	} {
		t.Run(name, func(t *testing.T) {
			h, problems := hpa.Build(policy(spec(t, "objectives: [{"+objective+"}]")), nil, all)
			if h == nil {
				t.Fatalf("%q", lines(problems))
			}
			texts[name] = document(t, problems, map[string]any{"metrics": h.Spec.Metrics})
		})
	}
	goldens(t, "objective", texts)
}

// The behavior of every profile, and of spec.behavior with what it omits, on clusters
// with and without tolerances, is that in testdata/behavior.
func TestBehavior(t *testing.T) {
	const own = `behavior: {scaleUp: {tolerance: "0.05", selectPolicy: Min, policies: [{type: Pods, value: 1, periodSeconds: 60}]}, scaleDown: {tolerance: 20m, policies: [{type: Percent, value: 5, periodSeconds: 120}, {type: Pods, value: 1, periodSeconds: 30}]}}`
	texts := map[string]string{}
	for name, fields := range map[string]string{
		"none":               `{}`,
		"steady":             `profile: Steady`,
		"balanced":           `profile: Balanced`,
		"responsive":         `profile: Responsive`,
		"own":                own,
		"own, empty":         `behavior: {}`,
		"own, windows":       `behavior: {scaleUp: {stabilizationWindowSeconds: 30}, scaleDown: {stabilizationWindowSeconds: 60}}`,
		"own, never down":    `behavior: {scaleDown: {selectPolicy: Disabled}}`,
		"own, all pods down": `behavior: {scaleDown: {policies: [{type: Percent, value: 100, periodSeconds: 60}]}}`,
	} {
		for cluster, c := range map[string]hpa.Capabilities{"tolerance": {Tolerance: true}, "no tolerance": {}} {
			t.Run(name+", "+cluster, func(t *testing.T) {
				p := policy(spec(t, fields))
				h, problems := hpa.Build(p, nil, c)
				if h == nil {
					t.Fatalf("%q", lines(problems))
				}
				if diff := cmp.Diff(h.Spec.Behavior, hpa.Behavior(&p.Spec, c)); diff != "" {
					t.Errorf("Build and Behavior differ:\n%s", diff)
				}
				texts[name+", "+cluster] = document(t, problems, h.Spec.Behavior)
			})
		}
	}
	goldens(t, "behavior", texts)
}

// The whole HPA, metadata included, is that in testdata/hpa.
func TestBuild(t *testing.T) {
	texts := map[string]string{}
	for name, tc := range map[string]struct {
		policy *v1alpha1.AutoscalingPolicy
		floors []v1alpha1.Floor
		c      hpa.Capabilities
	}{
		"remind me": {policy: policy(spec(t, `{
			objectives: [{requestRate: {perPod: 50}}, {queue: {name: reminders, perPod: 100}}, {cpu: {utilization: 60}}], profile: Balanced,
			schedules: [{name: morning, start: "0 7 * * 1-5", duration: 3h, timeZone: Europe/Berlin, min: 4}], fallback: {after: 2m, min: 4}}`)), c: all},
		"with floors": {policy: policy(), floors: []v1alpha1.Floor{{Owner: "schedule/a", Value: 3}, {Owner: "fallback", Value: 5}}, c: all},
		"capped":      {policy: policy(), floors: []v1alpha1.Floor{{Owner: "fallback", Value: 50}}, c: all},
		"orphan":      {policy: policy(func(p *v1alpha1.AutoscalingPolicy) { p.Spec.DeletionPolicy = v1alpha1.Orphan }), c: all},
		"from a file": {policy: policy(func(p *v1alpha1.AutoscalingPolicy) { p.UID, p.Namespace = "", "" }), c: all},
		"tracked": {policy: policy(func(p *v1alpha1.AutoscalingPolicy) {
			p.Labels = map[string]string{"argocd.argoproj.io/instance": "shop", "helm.sh/chart": "shop-1"}
			p.Annotations = map[string]string{"argocd.argoproj.io/tracking-id": "shop:x"}
		}), c: all},
		"to zero":        {policy: policy(spec(t, `{replicas: {min: 0, max: 6}, objectives: [{queue: {name: a, perPod: 1}}]}`)), c: all},
		"a kind of mine": {policy: policy(spec(t, `{targetRef: {apiVersion: example.org/v1beta2, kind: Game, name: chess}}`)), c: all},
		"controller": {policy: policy(spec(t, `{targetRef: {apiVersion: v1, kind: ReplicationController, name: web}}`)),
			c: all},
	} {
		t.Run(name, func(t *testing.T) {
			h, problems := hpa.Build(tc.policy, tc.floors, tc.c)
			if h == nil {
				t.Fatalf("%q", lines(problems))
			}
			texts[name] = document(t, problems, h)
		})
	}
	goldens(t, "hpa", texts)
}

// What a cluster cannot do is refused with the reason, and there is no HPA.
func TestUnsupported(t *testing.T) {
	old, err := hpa.Assume("1.29")
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		fields string
		c      hpa.Capabilities
		want   []string
	}{
		"min 0": {`{replicas: {min: 0, max: 6}, objectives: [{queue: {name: a, perPod: 1}}]}`, old, []string{
			"Error spec.replicas.min: this cluster (v1.29) refuses min 0, since its feature gate HPAScaleToZero is off: give min 1",
		}},
		"min 0, unknown version": {`{replicas: {min: 0, max: 6}, objectives: [{queue: {name: a, perPod: 1}}]}`, hpa.Capabilities{}, []string{
			"Error spec.replicas.min: this cluster refuses min 0, since its feature gate HPAScaleToZero is off: give min 1",
		}},
		"floors of what is at 0, before 1.37": {
			`{replicas: {min: 0, max: 6}, objectives: [{queue: {name: a, perPod: 1}}], schedules: [{name: a, start: "0 7 * * *", duration: 1h, min: 3}], fallback: {after: 5m, min: 2}}`,
			hpa.Capabilities{ScaleToZero: true}.Of(version.Info{GitVersion: "v1.36.1"}), []string{
				"Warning spec.replicas.min: with no pod running the fallback starts none, since an HPA that can read no metric leaves a target at 0: give min 1",
				"Error spec.schedules: on this cluster (v1.36.1) a minimum above 0 leaves a target that is at 0 there, and switches its HPA off: with min 0 that takes Kubernetes 1.37: give min 1, or leave schedules out",
				"Error spec.fallback: on this cluster (v1.36.1) a minimum above 0 leaves a target that is at 0 there, and switches its HPA off: with min 0 that takes Kubernetes 1.37: give min 1, or leave fallback out",
			},
		},
		"one container": {`objectives: [{requestRate: {perPod: 1}}, {cpu: {perPod: 1, container: web}}, {memory: {perPod: 1Gi, container: web}}]`, old, []string{
			"Warning spec.objectives[2].memory: few programs give memory back, so that pods added for it rarely go: add an objective that follows the load",
			"Error spec.objectives[1].cpu.container: this cluster (v1.29) does not know metrics of one container: leave container out, or use Kubernetes 1.30 or later",
			"Error spec.objectives[2].memory.container: this cluster (v1.29) does not know metrics of one container: leave container out, or use Kubernetes 1.30 or later",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			h, problems := hpa.Build(policy(spec(t, tc.fields)), nil, tc.c)
			if diff := cmp.Diff(tc.want, lines(problems)); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
			if h != nil {
				t.Errorf("there is an HPA: %+v", h)
			}
		})
	}
}

// Every objective has one metric, and one without a source has none rather than a panic.
func TestMetricsOfNothing(t *testing.T) {
	p := policy(func(p *v1alpha1.AutoscalingPolicy) {
		p.Spec.Objectives = append(p.Spec.Objectives, v1alpha1.Objective{})
	})
	if got := hpa.Metrics(p); len(got) != 1 || got[0].Type != autoscalingv2.PodsMetricSourceType {
		t.Errorf("%+v", got)
	}
}
