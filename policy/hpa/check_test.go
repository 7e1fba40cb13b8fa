package hpa_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/loadline/loadline/policy/api/v1alpha1"
	"github.com/loadline/loadline/policy/hpa"
)

// check tells the problems of sound policies with the fields of each case.
func check(t *testing.T, cases map[string]struct {
	fields string
	want   []string
}) {
	t.Helper()
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			p := policy(spec(t, tc.fields))
			if diff := cmp.Diff(tc.want, lines(hpa.Check(p))); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			failed := strings.Contains(strings.Join(tc.want, "\n"), "Error ")
			if h, _ := hpa.Build(p, nil, all); (h == nil) != failed {
				t.Errorf("an HPA: %v", h != nil)
			}
		})
	}
}

type cases = map[string]struct {
	fields string
	want   []string
}

func TestCheckTarget(t *testing.T) {
	check(t, cases{
		"sound": {`{}`, nil},
		"nothing": {`targetRef: {apiVersion: "", kind: "", name: ""}`, []string{
			"Error spec.targetRef.apiVersion: it is missing: give it",
			"Error spec.targetRef.kind: it is missing: give it",
			"Error spec.targetRef.name: it is missing: give it",
		}},
		"nonsense": {`targetRef: {apiVersion: apps, kind: deployment, name: a/b}`, []string{
			`Error spec.targetRef.apiVersion: "apps" is no API version: give one such as apps/v1`,
			`Error spec.targetRef.kind: "deployment" is no kind: give one such as Deployment`,
			`Error spec.targetRef.name: "a/b" cannot stand in a URL, by which it is asked for: give a name without / and %, and neither . nor ..`,
		}},
		"too long": {`targetRef: {apiVersion: ` + strings.Repeat("a", 252) + `/v1, kind: A` + strings.Repeat("b", 63) + `, name: ` + strings.Repeat("c", 254) + `}`, []string{
			"Error spec.targetRef.apiVersion: it has 255 characters, more than 253",
			"Error spec.targetRef.kind: it has 64 characters, more than 63",
			"Error spec.targetRef.name: it has 254 characters, more than 253",
		}},
		"no replicas": {`targetRef: {apiVersion: apps/v1, kind: DaemonSet, name: web}`, []string{
			"Error spec.targetRef.kind: a DaemonSet has no replica count to scale: name a Deployment, a StatefulSet or another kind with a scale subresource",
		}},
		"no group": {`targetRef: {apiVersion: v1, kind: Deployment, name: web}`, []string{
			"Error spec.targetRef.apiVersion: v1 has no Deployment: give apps/v1",
		}},
		"no group of mine": {`targetRef: {apiVersion: v1, kind: Game, name: web}`, []string{
			"Error spec.targetRef.apiVersion: v1 has no Game that can be scaled: give GROUP/VERSION of the kind",
		}},
		"replaced by releases": {`targetRef: {apiVersion: v1, kind: ReplicationController, name: web}`, []string{
			"Warning spec.targetRef.kind: a release replaces a ReplicationController by another one, which nothing would scale: scale a Deployment",
		}},
	})
}

func TestCheckReplicas(t *testing.T) {
	check(t, cases{
		"min above max": {`replicas: {min: 7, max: 6}`, []string{"Error spec.replicas.min: min 7 is above max 6: lower min or raise max"}},
		"max 0": {`replicas: {min: 2, max: 0}`, []string{
			"Error spec.replicas.max: 0 is out of range: give 1 to 100000",
			"Error spec.replicas.min: min 2 is above max 0; min is 2 where it is left out: give a lower min or raise max",
		}},
		"out of range": {`replicas: {min: -1, max: 100001}`, []string{
			"Error spec.replicas.min: -1 is out of range: give 0 to 100000",
			"Error spec.replicas.max: 100001 is out of range: give 1 to 100000",
		}},
		"nothing to scale": {`replicas: {min: 1, max: 1}`, []string{"Warning spec.replicas.max: min and max are both 1: nothing can scale: raise max"}},
		"min 0 that cannot wake": {`{replicas: {min: 0, max: 6}, objectives: [{requestRate: {perPod: 1}}, {cpu: {perPod: 1}}, {custom: {metric: m, perPod: 1}}]}`, []string{
			"Error spec.replicas.min: min 0 needs an objective that can be read while no pod runs: add queue, external, query, or custom with an object, or give min 1",
		}},
		"min 0, queue":    {`{replicas: {min: 0, max: 6}, objectives: [{queue: {name: a, perPod: 1}}]}`, nil},
		"min 0, external": {`{replicas: {min: 0, max: 6}, objectives: [{external: {metric: a, perPod: 1}}]}`, nil},
		"min 0, query":    {`{replicas: {min: 0, max: 6}, objectives: [{query: {name: a, expr: up, perPod: 1}}]}`, nil},
		"min 0, object":   {`{replicas: {min: 0, max: 6}, objectives: [{custom: {metric: a, perPod: 1, object: {apiVersion: v1, kind: Service, name: a}}}]}`, nil},
		"min 0 and a fallback": {`{replicas: {min: 0, max: 6}, objectives: [{queue: {name: a, perPod: 1}}], fallback: {after: 2m, min: 2}}`, []string{
			"Warning spec.replicas.min: with no pod running the fallback starts none, since an HPA that can read no metric leaves a target at 0: give min 1",
		}},
	})
}

func TestCheckObjectives(t *testing.T) {
	const selectorRemedy = "give what a label of Kubernetes can be; other values need a rule of the adapter, or the objective query"
	check(t, cases{
		"none":     {`objectives: []`, []string{"Error spec.objectives: there is no objective: give at least one, since an HPA without follows the CPU"}},
		"too many": {`objectives: [` + strings.Repeat(`{cpu: {perPod: 1}}, `, 10) + `{cpu: {perPod: 1}}]`, append([]string{"Error spec.objectives: there are 11 objectives, more than 10"}, same("cpu", 11)...)},
		"empty":    {`objectives: [{}]`, []string{"Error spec.objectives[0]: it says nothing to follow: give exactly one of requestRate, queue, cpu, memory, custom, external, query"}},
		"two in one": {`objectives: [{cpu: {perPod: 1}, queue: {name: x, perPod: 5}}]`, []string{
			"Error spec.objectives[0]: it has queue and cpu: give exactly one of requestRate, queue, cpu, memory, custom, external, query",
		}},
		"no targets": {`objectives: [{cpu: {}}, {memory: {container: a}}, {custom: {metric: m}}, {external: {metric: m}}, {query: {name: q, expr: up}}]`, []string{
			"Error spec.objectives[0].cpu: it needs one target: give exactly one of utilization, perPod",
			"Error spec.objectives[1].memory: it needs one target: give exactly one of utilization, perPod",
			"Warning spec.objectives[1].memory: few programs give memory back, so that pods added for it rarely go: add an objective that follows the load",
			"Error spec.objectives[2].custom: it needs one target: give exactly one of perPod, value",
			"Error spec.objectives[3].external: it needs one target: give exactly one of perPod, value",
			"Error spec.objectives[4].query: it needs one target: give exactly one of perPod, value",
		}},
		"targets that are none": {`objectives: [{requestRate: {perPod: 0}}, {queue: {name: a, perPod: -1}}, {cpu: {perPod: 9e15}}, {external: {metric: m, perPod: "1e2147483647"}}]`, []string{
			"Error spec.objectives[0].requestRate.perPod: 0 is no target: give a number above 0",
			"Error spec.objectives[1].queue.perPod: -1 is no target: give a number above 0",
			"Error spec.objectives[2].cpu.perPod: 9P is too much for an HPA, which counts in thousandths: give less than 9e15",
			"Error spec.objectives[3].external.perPod: 10e2147483646 is too much for an HPA, which counts in thousandths: give less than 9e15",
		}},
		"the greatest target": {`objectives: [{requestRate: {perPod: 8999999999999999}}]`, nil},
		"utilization, said once": {`objectives: [{cpu: {utilization: 50}}, {cpu: {utilization: 60, container: app}}, {requestRate: {perPod: 5}}]`, []string{
			"Warning spec.objectives[0].cpu.utilization: a pod without a request stops it: set requests, or give perPod"}},
		"utilization": {`objectives: [{cpu: {utilization: 0}}, {memory: {perPod: 1Gi, container: No_Name}}]`, []string{"Error spec.objectives[0].cpu.utilization: 0 is out of range: give 1 to 1000", "Error spec.objectives[1].memory.container: \"No_Name\" is no name of a container: use a-z, 0-9 and -", "Warning spec.objectives[1].memory: few programs give memory back, so that pods added for it rarely go: add an objective that follows the load"}},
		"queue without either": {`objectives: [{queue: {perPod: 1}}]`, []string{
			"Error spec.objectives[0].queue: a queue is told by its name or by a selector: give one of the two, since a metric without either is the sum of all queues",
		}},
		"queue with both": {`objectives: [{queue: {name: a, selector: {matchLabels: {b: c}}, perPod: 1}}]`, []string{
			"Error spec.objectives[0].queue: a queue is told by its name or by a selector: give one of the two, since a metric without either is the sum of all queues",
		}},
		"queue of no label": {`objectives: [{queue: {name: "a b", perPod: 1}}]`, []string{
			`Error spec.objectives[0].queue.name: "a b" is no value of the label queue (a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?'))`,
		}},
		"metric names": {`objectives: [{requestRate: {perPod: 1, metric: a/b}}, {custom: {metric: "..", perPod: 1}}, {external: {metric: "", perPod: 1}}, {queue: {name: a, perPod: 1, metric: "50%"}}]`, []string{
			`Error spec.objectives[0].requestRate.metric: "a/b" cannot stand in a URL, by which it is asked for: give a name without / and %, and neither . nor ..`,
			`Error spec.objectives[1].custom.metric: ".." cannot stand in a URL, by which it is asked for: give a name without / and %, and neither . nor ..`,
			"Error spec.objectives[2].external.metric: it is missing: give it",
			`Error spec.objectives[3].queue.metric: "50%" cannot stand in a URL, by which it is asked for: give a name without / and %, and neither . nor ..`,
		}},
		"selectors": {`objectives: [{requestRate: {perPod: 1, selector: {matchLabels: {handler: /remind}}}}, {external: {metric: m, perPod: 1, selector: {matchExpressions: [{key: a, operator: Like}]}}}]`, []string{
			`Error spec.objectives[0].requestRate.selector.matchLabels: Invalid value: "/remind": a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?'): ` + selectorRemedy,
			`Error spec.objectives[1].external.selector.matchExpressions[0].operator: Invalid value: "Like": not a valid selector operator: ` + selectorRemedy,
		}},
		"value of pods": {`objectives: [{custom: {metric: m, value: 1}}]`, []string{
			"Error spec.objectives[0].custom.value: value is for a metric of an object: of the pods give perPod",
			"Warning spec.objectives[0].custom.value: the size is multiplied by metric/value at each look, so that what more pods do not lower at once drives it to max: give perPod unless it is a measure of each request, such as a latency",
		}},
		"object": {`objectives: [{custom: {metric: m, perPod: 1, object: {apiVersion: "", kind: service, name: "%"}}}]`, []string{
			"Error spec.objectives[0].custom.object.apiVersion: it is missing: give it",
			`Error spec.objectives[0].custom.object.kind: "service" is no kind: give one such as Deployment`,
			`Error spec.objectives[0].custom.object.name: "%" cannot stand in a URL, by which it is asked for: give a name without / and %, and neither . nor ..`,
		}},
		"query": {`objectives: [{query: {name: Carts, expr: "", perPod: 1}}, {query: {name: a` + strings.Repeat("b", 40) + `, expr: "` + strings.Repeat("ü", 2048) + `x", perPod: 1}}]`, []string{
			`Error spec.objectives[0].query.name: "Carts" is no name of a query: use a-z, 0-9 and -`,
			"Error spec.objectives[0].query.expr: it is missing: give it",
			"Error spec.objectives[1].query.name: it has 41 characters, more than 40",
			"Error spec.objectives[1].query.expr: it has 2049 characters, more than 2048",
		}},
	})
}

// same tells n objectives of a kind to read one metric.
func same(kind string, n int) []string {
	var out []string
	for i := 1; i < n; i++ {
		index := string(rune('0' + i%10))
		if i == 10 {
			index = "10"
		}
		out = append(out, "Error spec.objectives["+index+"]."+kind+": objectives 0 ("+kind+") and "+index+" ("+kind+") read the same metric: keep the one with the lower target, since of two the HPA takes what asks for more pods")
	}
	return out
}

func TestCheckDuplicates(t *testing.T) {
	const remedy = ": keep the one with the lower target, since of two the HPA takes what asks for more pods"
	check(t, cases{
		"request rates":                {`objectives: [{requestRate: {perPod: 1}}, {cpu: {perPod: 1}}, {requestRate: {perPod: 2, metric: other}}]`, []string{"Error spec.objectives: objectives 0 and 2 are both requestRate: a second metric of the pods is an objective custom"}},
		"queries":                      {`objectives: [{query: {name: a, expr: x, perPod: 1}}, {query: {name: a, expr: y, perPod: 1}}]`, []string{"Error spec.objectives: objectives 0 and 1 are both queries of the name a: rename one"}},
		"a queue":                      {`objectives: [{queue: {name: a, perPod: 1}}, {queue: {name: a, perPod: 2}}]`, []string{"Error spec.objectives[1].queue: objectives 0 (queue) and 1 (queue) read the same metric" + remedy}},
		"a queue and an external":      {`objectives: [{queue: {name: a, perPod: 1}}, {external: {metric: reminder_queue_depth, perPod: 1, selector: {matchLabels: {queue: a}}}}]`, []string{"Error spec.objectives[1].external: objectives 0 (queue) and 1 (external) read the same metric" + remedy}},
		"a rate and a custom":          {`objectives: [{requestRate: {perPod: 1}}, {custom: {metric: http_requests_per_second, perPod: 2, selector: {}}}]`, []string{"Error spec.objectives[1].custom: objectives 0 (requestRate) and 1 (custom) read the same metric" + remedy}},
		"cpu by two targets":           {`objectives: [{cpu: {perPod: 1}}, {memory: {perPod: 1Gi, container: a}}, {cpu: {perPod: 2}}]`, []string{"Warning spec.objectives[1].memory: few programs give memory back, so that pods added for it rarely go: add an objective that follows the load", "Error spec.objectives[2].cpu: objectives 0 (cpu) and 2 (cpu) read the same metric" + remedy}},
		"selectors in another order":   {`objectives: [{external: {metric: m, perPod: 1, selector: {matchExpressions: [{key: c, operator: Exists}, {key: a, operator: In, values: [b, e]}]}}}, {external: {metric: m, perPod: 2, selector: {matchExpressions: [{key: a, operator: In, values: [e, b]}, {key: c, operator: Exists}]}}}]`, []string{"Error spec.objectives[1].external: objectives 0 (external) and 1 (external) read the same metric" + remedy}},
		"cpu of containers":            {`objectives: [{cpu: {perPod: 1}}, {cpu: {perPod: 1, container: a}}, {cpu: {perPod: 1, container: b}}]`, nil},
		"metrics of different objects": {`objectives: [{custom: {metric: m, perPod: 1}}, {custom: {metric: m, perPod: 1, object: {apiVersion: v1, kind: Service, name: a}}}, {custom: {metric: m, perPod: 1, object: {apiVersion: v1, kind: Service, name: b}}}, {external: {metric: m, perPod: 1}}]`, nil},
		"two selectors that are none":  {`objectives: [{external: {metric: m, perPod: 1, selector: {matchLabels: {a: /}}}}, {external: {metric: m, perPod: 1, selector: {matchLabels: {b: /}}}}]`, []string{strings.Replace(notALabel, "N", "0", 1), strings.Replace(notALabel, "N", "1", 1)}},
	})
}

const notALabel = `Error spec.objectives[N].external.selector.matchLabels: Invalid value: "/": a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?'): give what a label of Kubernetes can be; other values need a rule of the adapter, or the objective query`

func TestCheckBehavior(t *testing.T) {
	check(t, cases{
		"profile":       {`profile: Fast`, []string{`Error spec.profile: "Fast" is unknown: give Steady, Balanced, Responsive or nothing`}},
		"both":          {`{profile: Steady, behavior: {scaleDown: {policies: [{type: Pods, value: 1, periodSeconds: 60}]}}}`, []string{"Error spec.behavior: there are both profile and behavior: give one of the two"}},
		"bounds":        {`behavior: {scaleUp: {stabilizationWindowSeconds: 3601, policies: [{type: Pods, value: 0, periodSeconds: 0}, {type: Some, value: 1, periodSeconds: 1801}]}, scaleDown: {stabilizationWindowSeconds: -1, selectPolicy: Most, tolerance: "-0.1", policies: [{type: Percent, value: 10, periodSeconds: 60}]}}`, []string{"Error spec.behavior.scaleUp.stabilizationWindowSeconds: 3601 is out of range: give 0 to 3600", "Error spec.behavior.scaleUp.policies[0].value: 0 allows no change: give a number above 0", "Error spec.behavior.scaleUp.policies[0].periodSeconds: 0 is out of range: give 1 to 1800", `Error spec.behavior.scaleUp.policies[1].type: "Some" is unknown: give Pods or Percent`, "Error spec.behavior.scaleUp.policies[1].periodSeconds: 1801 is out of range: give 1 to 1800", "Error spec.behavior.scaleDown.stabilizationWindowSeconds: -1 is out of range: give 0 to 3600", `Error spec.behavior.scaleDown.selectPolicy: "Most" is unknown: give Max, Min, Disabled or nothing`, "Error spec.behavior.scaleDown.tolerance: -100m is no tolerance: give 0 or more, such as 0.05"}},
		"empty lists":   {`behavior: {scaleUp: {policies: [], selectPolicy: ""}, scaleDown: {selectPolicy: Disabled}}`, []string{"Error spec.behavior.scaleUp.selectPolicy: it is empty: give Max, Min or Disabled, or leave it out", "Error spec.behavior.scaleUp.policies: the list is empty: leave it out for Kubernetes' default, or give a policy"}},
		"not paced":     {`behavior: {scaleDown: {stabilizationWindowSeconds: 299, policies: [{type: Percent, value: 100, periodSeconds: 60}]}}`, []string{"Warning spec.behavior.scaleDown.stabilizationWindowSeconds: with 299 seconds a longer gap in the load takes the pods away: give 300 or more", "Warning spec.behavior.scaleDown.policies: they let all pods go at once when a floor ends or a metric comes back: give a percentage below 100, such as 25 in 30 seconds, or a number of pods"}},
		"paced by one":  {`behavior: {scaleDown: {selectPolicy: Min, policies: [{type: Percent, value: 100, periodSeconds: 60}, {type: Pods, value: 2, periodSeconds: 60}]}}`, nil},
		"paced":         {`behavior: {scaleDown: {policies: [{type: Percent, value: 99, periodSeconds: 60}]}}`, nil},
		"never down":    {`behavior: {scaleDown: {selectPolicy: Disabled, stabilizationWindowSeconds: 0}}`, nil},
		"other choices": {`{mode: Sleep, deletionPolicy: Retain}`, []string{`Error spec.mode: "Sleep" is unknown: give Enforce, DryRun, Paused or nothing`, `Error spec.deletionPolicy: "Retain" is unknown: give Delete, Orphan or nothing`}},
		"no choices":    {`{mode: "", deletionPolicy: ""}`, nil},
		"an orphan with a query": {`{deletionPolicy: Orphan, objectives: [{query: {name: load, expr: sum(x), perPod: "5"}}]}`, []string{
			"Warning spec.deletionPolicy: the HPA that is left reads a query, which is served only while the policy is in the cluster: it does not scale in any more: use another metric, or Delete"}},
		"an orphan without": {`deletionPolicy: Orphan`, nil},
	})
}

func TestCheckFloors(t *testing.T) {
	check(t, cases{
		"sound": {`{schedules: [{name: a, start: "0 7 * * 1-5", duration: 168h, min: 4}, {name: b, start: "@ @ @ @ @", duration: 1m, min: 6}], fallback: {after: 30s, min: 3}}`, nil},
		"schedule": {`schedules: [{name: "", start: "0 7 * *", duration: 59s, timeZone: ` + strings.Repeat("z", 65) + `, min: 0}, {name: A, start: "0 7 * * *", duration: 169h, min: 100001}]`, []string{
			"Error spec.schedules[0].name: it is missing: give it",
			`Error spec.schedules[0].start: "0 7 * *" is no start: give the five fields of cron, such as 0 7 * * 1-5`,
			"Error spec.schedules[0].duration: 59s is no duration of a schedule: give 1m to 168h",
			"Error spec.schedules[0].timeZone: it has 65 characters, more than 64",
			"Error spec.schedules[0].min: 0 is out of range: give 1 to 100000",
			`Error spec.schedules[1].name: "A" is no name of a schedule: use a-z, 0-9 and -`,
			"Error spec.schedules[1].duration: 169h0m0s is no duration of a schedule: give 1m to 168h",
			"Error spec.schedules[1].min: 100001 is out of range: give 1 to 100000",
		}},
		"one name": {`schedules: [{name: a, start: "0 7 * * *", duration: 1h, min: 3}, {name: b, start: "0 7 * * *", duration: 1h, min: 3}, {name: a, start: "0 9 * * *", duration: 1h, min: 4}]`, []string{
			"Error spec.schedules[2].name: schedules 0 and 2 are both called a: rename one",
		}},
		"fallback": {`fallback: {after: 61m, min: 0}`, []string{
			"Error spec.fallback.after: 1h1m0s is no time after which to fall back: give 30s to 1h",
			"Error spec.fallback.min: 0 is out of range: give 1 to 100000",
		}},
		"above max": {`{schedules: [{name: a, start: "0 7 * * *", duration: 1h, min: 7}], fallback: {after: 2m, min: 8}}`, []string{
			"Warning spec.schedules[0].min: min 7 is capped at replicas.max, 6: raise replicas.max",
			"Warning spec.fallback.min: min 8 is capped at replicas.max, 6: raise replicas.max",
		}},
		"not above min": {`{schedules: [{name: a, start: "0 7 * * *", duration: 1h, min: 2}], fallback: {after: 2m, min: 1}}`, []string{
			"Warning spec.schedules[0].min: min 2 changes nothing: replicas.min is 2: give more than 2",
			"Warning spec.fallback.min: min 1 changes nothing: replicas.min is 2: give more than 2",
		}},
	})
	p := policy(func(p *v1alpha1.AutoscalingPolicy) {
		for i := range 21 {
			p.Spec.Schedules = append(p.Spec.Schedules, v1alpha1.Schedule{Name: "a" + string(rune('a'+i)), Start: "0 7 * * *", Duration: metav1.Duration{Duration: time.Hour}, Min: 3})
		}
	})
	if diff := cmp.Diff([]string{"Error spec.schedules: there are 21 schedules, more than 20"}, lines(hpa.Check(p))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestCheckName(t *testing.T) {
	for name, tc := range map[string]struct {
		name string
		want []string
	}{
		"sound":         {"web.v2", nil},
		"63 characters": {strings.Repeat("a", 63), nil},
		"64 characters": {strings.Repeat("a", 64), []string{"Error metadata.name: the name has 64 characters, more than the 63 of a label, in which the HPA carries it: shorten it"}},
		"none":          {"", []string{"Error metadata.name: the policy has no name: give one, since the HPA is called the same"}},
		"no name": {"Web", []string{
			`Error metadata.name: "Web" is no name of an object (a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*'))`,
		}},
	} {
		t.Run(name, func(t *testing.T) {
			p := policy(func(p *v1alpha1.AutoscalingPolicy) { p.Name = tc.name })
			if diff := cmp.Diff(tc.want, lines(hpa.Check(p))); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// A namespace stands in commands that are printed to be copied.
func TestCheckNamespace(t *testing.T) {
	for namespace, sound := range map[string]bool{"": true, "shop-2": true, "shop; ls": false, "a\nb": false, "$(ls)": false, "a.b": false} {
		p := policy(func(p *v1alpha1.AutoscalingPolicy) { p.Namespace = namespace })
		said := strings.Join(lines(hpa.Check(p)), "\n")
		if got := !strings.Contains(said, "Error metadata.namespace: "); got != sound {
			t.Errorf("%q: %s", namespace, said)
		}
	}
}

func TestAssume(t *testing.T) {
	type can struct{ Container, Tolerance, Zero, WakesFromZero bool }
	for version, want := range map[string]can{
		"1.29": {}, "1.30": {Container: true}, "v1.34.1": {Container: true}, "1.35+": {Container: true, Tolerance: true},
		"1.36.0-rc.1": {Container: true, Tolerance: true}, "v1.37.2": {true, true, true, true}, "1.40": {true, true, true, true},
	} {
		c, err := hpa.Assume(version)
		if got := (can{c.ContainerResource, c.Tolerance, c.ScaleToZero, !c.StrandsAtZero}); err != nil || got != want {
			t.Errorf("%s: %+v, %v, want %+v", version, got, err, want)
		}
		if got := c.Version.GitVersion; got != "v"+strings.TrimPrefix(version, "v") || !c.Probed.IsZero() {
			t.Errorf("%s: version %s, probed %s", version, got, c.Probed)
		}
	}
	for _, version := range []string{"", "1", "v2.0", "1.x", "1.", ".37", "1.-3", "latest"} {
		if _, err := hpa.Assume(version); err == nil {
			t.Errorf("%q: no error", version)
		}
	}
}
