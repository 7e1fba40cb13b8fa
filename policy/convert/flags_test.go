package convert_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/yaml"

	"github.com/loadline/loadline/policy/api/v1alpha1"
	"github.com/loadline/loadline/policy/convert"
)

var web = v1alpha1.TargetReference{APIVersion: "apps/v1", Kind: "Deployment", Name: "web"}

const requests = "Warning spec.objectives[%].cpu.utilization: a pod without a request stops it: set requests, or give perPod"

func TestAutoscale(t *testing.T) {
	cpu := func(i string) string { return strings.Replace(requests, "%", i, 1) }
	const memory = "Warning spec.objectives[%].memory: few programs give memory back, so that pods added for it rarely go: add an objective that follows the load"
	for name, tc := range map[string]struct {
		options    convert.Options
		name       string
		replicas   v1alpha1.Replicas
		objectives string // in one line of JSON
		problems   []string
	}{
		"the README's": {
			convert.Options{Target: web, RequestsPerPod: "50", Min: ptr.To[int32](2), Max: 6}, "web", v1alpha1.Replicas{Min: 2, Max: 6},
			`[{"requestRate":{"perPod":"50"}}]`, nil,
		},
		"everything": {
			convert.Options{Target: web, Name: "w", RequestsPerPod: "0.5", Queue: "reminders", QueuePerPod: "1k", CPU: "70%", Memory: "200Mi", Min: ptr.To[int32](1), Max: 6, Profile: "Steady"},
			"w", v1alpha1.Replicas{Min: 1, Max: 6},
			`[{"requestRate":{"perPod":"500m"}},{"queue":{"name":"reminders","perPod":"1k"}},{"cpu":{"utilization":70}},{"memory":{"perPod":"200Mi"}}]`,
			[]string{cpu("2"), strings.Replace(memory, "%", "3", 1)},
		},
		"kubectl's cpu percent": {
			convert.Options{Target: web, CPUPercent: 80, Max: 5}, "web", v1alpha1.Replicas{Min: 2, Max: 5},
			`[{"cpu":{"utilization":80}}]`, []string{cpu("0")},
		},
		"kubectl's cpu, a quantity":      {convert.Options{Target: web, CPU: "500m", Max: 5}, "web", v1alpha1.Replicas{Min: 2, Max: 5}, `[{"cpu":{"perPod":"500m"}}]`, nil},
		"kubectl's cpu, a number":        {convert.Options{Target: web, CPU: "500", Max: 5}, "web", v1alpha1.Replicas{Min: 2, Max: 5}, `[{"cpu":{"perPod":"500m"}}]`, nil},
		"kubectl's cpu, a fraction":      {convert.Options{Target: web, CPU: " 1.5 ", Max: 5}, "web", v1alpha1.Replicas{Min: 2, Max: 5}, `[{"cpu":{"perPod":"1500u"}}]`, nil},
		"kubectl's memory, a number":     {convert.Options{Target: web, RequestsPerPod: "1", Memory: "200", Max: 5}, "web", v1alpha1.Replicas{Min: 2, Max: 5}, `[{"requestRate":{"perPod":"1"}},{"memory":{"perPod":"200Mi"}}]`, []string{strings.Replace(memory, "%", "1", 1)}},
		"kubectl's cpu, a large number":  {convert.Options{Target: web, CPU: "1500000", Max: 5}, "web", v1alpha1.Replicas{Min: 2, Max: 5}, `[{"cpu":{"perPod":"1500"}}]`, []string{"Warning spec.objectives[0].cpu.perPod: it is 1500 cores: give thousandths of one with m, such as 500m"}},
		"kubectl's memory, a fraction":   {convert.Options{Target: web, RequestsPerPod: "1", Memory: "0.3", Max: 5}, "web", v1alpha1.Replicas{Min: 2, Max: 5}, `[{"requestRate":{"perPod":"1"}},{"memory":{"perPod":"314573"}}]`, []string{strings.Replace(memory, "%", "1", 1), "Warning spec.objectives[1].memory.perPod: it is less than a mebibyte: give a number of them with Mi, such as 200Mi"}},
		"kubectl's memory, thousands":    {convert.Options{Target: web, RequestsPerPod: "1", Memory: "1500M", Max: 5}, "web", v1alpha1.Replicas{Min: 2, Max: 5}, `[{"requestRate":{"perPod":"1"}},{"memory":{"perPod":"1500M"}}]`, []string{strings.Replace(memory, "%", "1", 1)}},
		"kubectl's memory, and a half":   {convert.Options{Target: web, RequestsPerPod: "1", Memory: "200.5", Max: 5}, "web", v1alpha1.Replicas{Min: 2, Max: 5}, `[{"requestRate":{"perPod":"1"}},{"memory":{"perPod":"205312Ki"}}]`, []string{strings.Replace(memory, "%", "1", 1)}},
		"kubectl's negative min and cpu": {convert.Options{Target: web, CPUPercent: -1, Min: ptr.To[int32](-1), Max: 1, RequestsPerPod: "1"}, "web", v1alpha1.Replicas{Min: 1, Max: 1}, `[{"requestRate":{"perPod":"1"}}]`, []string{"Warning spec.replicas.max: min and max are both 1: nothing can scale: raise max"}},
		"kubectl's default": {convert.Options{Target: web, Max: 5}, "web", v1alpha1.Replicas{Min: 2, Max: 5}, `[{"cpu":{"utilization":80}}]`, []string{
			"Warning no target is given: as with kubectl autoscale it is 80% of the cpu requested: give --requests-per-pod, --queue or another", cpu("0"),
		}},
		"to zero": {convert.Options{Target: web, Queue: "a", QueuePerPod: "1", Min: ptr.To[int32](0), Max: 5}, "web", v1alpha1.Replicas{Min: 0, Max: 5}, `[{"queue":{"name":"a","perPod":"1"}}]`, nil},
	} {
		t.Run(name, func(t *testing.T) {
			p, problems := convert.Autoscale(tc.options)
			if diff := cmp.Diff(tc.problems, lines(problems)); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
			if p == nil {
				t.Fatal("no policy")
			}
			objectives, err := yaml.Marshal(p.Spec.Objectives)
			if err != nil {
				t.Fatal(err)
			}
			got, err := yaml.YAMLToJSON(objectives)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.objectives, string(got)); diff != "" {
				t.Errorf("objectives (-want +got):\n%s", diff)
			}
			want := v1alpha1.AutoscalingPolicySpec{TargetRef: web, Replicas: tc.replicas, Profile: v1alpha1.Profile(tc.options.Profile)}
			spec := p.Spec
			spec.Objectives = nil
			if diff := cmp.Diff(want, spec); diff != "" || p.Name != tc.name || p.Kind != v1alpha1.Kind {
				t.Errorf("%s %s (-want +got):\n%s", p.Kind, p.Name, diff)
			}
		})
	}
}

func TestAutoscaleRefuses(t *testing.T) {
	for name, tc := range map[string]struct {
		options  convert.Options
		problems []string
	}{
		"no max":        {convert.Options{Target: web, CPU: "1"}, []string{"Error --max: the greatest number of pods is missing or below 1: give 1 or more"}},
		"min above max": {convert.Options{Target: web, CPU: "1", Min: ptr.To[int32](6), Max: 5}, []string{"Error spec.replicas.min: min 6 is above max 5: lower min or raise max"}},
		"both of cpu":   {convert.Options{Target: web, CPU: "1", CPUPercent: 5, Max: 5}, []string{"Error --cpu-percent: there is --cpu as well: give one of the two"}},
		"half a queue":  {convert.Options{Target: web, Queue: "a", Max: 5}, []string{"Error --queue-per-pod: it is missing: give how many waiting items a pod of the queue a may have before it"}},
		"no queue":      {convert.Options{Target: web, QueuePerPod: "1", Max: 5}, []string{"Error --queue: it is missing: give the queue's name"}},
		"values": {convert.Options{Target: web, RequestsPerPod: "-1", Queue: "a", QueuePerPod: "many", CPU: "x%", Memory: "0", Max: 5}, []string{
			"Error --requests-per-pod: -1 is no target: give a number above 0",
			`Error --queue-per-pod: "many" is no quantity: give a number such as 50, 1.5k or 500m`,
			`Error --cpu: "x%" is no percentage: give one such as 70%`,
			"Error --memory: 0Mi is no target: give a number above 0",
		}},
		"no number":  {convert.Options{Target: web, CPU: "inf", Memory: "0%", Max: 5}, []string{`Error --cpu: "inf" is no quantity: give a number such as 50, 1.5k or 500m`, `Error --memory: "0%" is no percentage: give one such as 70%`}},
		"endless":    {convert.Options{Target: web, RequestsPerPod: "1e-2147483647", Max: 5}, []string{`Error --requests-per-pod: "1e-2147483647" is no quantity: its exponent is out of range`}},
		"no profile": {convert.Options{Target: web, RequestsPerPod: "1", Max: 5, Profile: "Fast"}, []string{`Error spec.profile: "Fast" is unknown: give Steady, Balanced, Responsive or nothing`}},
	} {
		t.Run(name, func(t *testing.T) {
			p, problems := convert.Autoscale(tc.options)
			if diff := cmp.Diff(tc.problems, lines(problems)); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
			if p != nil {
				t.Errorf("a policy all the same: %+v", p)
			}
		})
	}
}

func TestTarget(t *testing.T) {
	ref := func(version, kind, name string) v1alpha1.TargetReference {
		return v1alpha1.TargetReference{APIVersion: version, Kind: kind, Name: name}
	}
	for text, want := range map[string]v1alpha1.TargetReference{
		"deployment/web":             ref("apps/v1", "Deployment", "web"),
		"Deployment/web":             ref("apps/v1", "Deployment", "web"),
		"deploy/web":                 ref("apps/v1", "Deployment", "web"),
		"deployments.apps/web":       ref("apps/v1", "Deployment", "web"),
		"deployments.v1.apps/web":    ref("apps/v1", "Deployment", "web"),
		"sts/api":                    ref("apps/v1", "StatefulSet", "api"),
		"rs/web":                     ref("apps/v1", "ReplicaSet", "web"),
		"rc/old":                     ref("v1", "ReplicationController", "old"),
		"replicationcontrollers/old": ref("v1", "ReplicationController", "old"),
		"ds/logs":                    ref("apps/v1", "DaemonSet", "logs"), // hpa.Check refuses it
		"cronjobs.batch/nightly":     ref("batch/v1", "CronJob", "nightly"),
		"job/once":                   ref("batch/v1", "Job", "once"),
		"po/web":                     ref("v1", "Pod", "web"),
		"Game.v1.example.org/chess":  ref("example.org/v1", "Game", "chess"),
		"Game.v1beta1.a.b.c.d/chess": ref("a.b.c.d/v1beta1", "Game", "chess"),
	} {
		if got, err := convert.Target(text); err != nil || got != want {
			t.Errorf("%s: %+v, %v, want %+v", text, got, err, want)
		}
	}
	for text, want := range map[string]string{
		"":               `"" is no target: give TYPE/NAME, such as deployment/web`,
		"web":            `"web" is no target: give TYPE/NAME, such as deployment/web`,
		"deployment/":    `"deployment/" is no target: give TYPE/NAME, such as deployment/web`,
		"/web":           `"/web" is no target: give TYPE/NAME, such as deployment/web`,
		"deployment/a/b": `"deployment/a/b" is no target: give TYPE/NAME, such as deployment/web`,
		"games.v1.x.y/a": `"games.v1.x.y" is not known: give deployment, statefulset, replicaset or replicationcontroller, or KIND.VERSION.GROUP such as Game.v1.example.org`,
		"Game/a":         `"Game" is not known: give deployment, statefulset, replicaset or replicationcontroller, or KIND.VERSION.GROUP such as Game.v1.example.org`,
	} {
		if _, err := convert.Target(text); err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}
