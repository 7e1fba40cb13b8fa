package crd

import (
	"fmt"
	"maps"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/yaml"

	"github.com/loadline/loadline/deploy/crd"
	"github.com/loadline/loadline/policy/api/v1alpha1"
	"github.com/loadline/loadline/policy/hpa"
	"github.com/loadline/loadline/policy/manifest"
)

// who refuses a document.
type who int

const (
	nobody      who = iota
	both            // the API server and hpa.Check, on the same field
	check           // hpa.Check alone: the schema cannot say it, or does not
	onReading       // the API server, and manifest where it reads the document: there is no policy to check
	theSpelling     // the API server alone: the policy that is read no longer shows it
)

// long is n characters that may stand in a name.
func long(n int) string { return strings.Repeat("a", n) }

// What hpa.Check refuses is what the API server refuses, on the same field, and what it
// refuses beyond is said in the case.
func TestCheckIsAsTheServer(t *testing.T) {
	objective := func(text string) string { return "objectives: [" + text + "]" }
	schedule := func(text string) string {
		fields := map[string]string{"name": "a", "start": `"0 7 * * *"`, "duration": "3h", "min": "3"}
		for _, one := range strings.Split(text, "; ") {
			if key, value, ok := strings.Cut(one, "="); ok {
				fields[key] = value
			}
		}
		var out []string
		for _, key := range []string{"name", "start", "duration", "min", "timeZone"} {
			if fields[key] != "" {
				out = append(out, key+": "+fields[key])
			}
		}
		return "schedules: [{" + strings.Join(out, ", ") + "}]"
	}
	turns := func(more string) string {
		return "blueGreen: {service: web, otherRef: {apiVersion: apps/v1, kind: Deployment, name: green}, " + more + "}"
	}
	cases := map[string]who{
		"": nobody,
		// The target
		"targetRef: {apiVersion: apps/v1, kind: DaemonSet, name: a}":                       both,
		"targetRef: {apiVersion: batch/v1, kind: CronJob, name: a}":                        both,
		"targetRef: {apiVersion: v1, kind: Pod, name: a}":                                  both,
		"targetRef: {apiVersion: autoscaling/v2, kind: HorizontalPodAutoscaler, name: a}":  both,
		"targetRef: {apiVersion: loadline.dev/v1alpha1, kind: AutoscalingPolicy, name: a}": both,
		"targetRef: {apiVersion: apps, kind: Deployment, name: a}":                         both,
		`targetRef: {apiVersion: "", kind: Deployment, name: a}`:                           both,
		`targetRef: {apiVersion: apps/v1, kind: "", name: a}`:                              both,
		"targetRef: {apiVersion: apps/v1, kind: deployment, name: a}":                      both,
		`targetRef: {apiVersion: apps/v1, kind: Deployment, name: ""}`:                     both,
		"targetRef: {apiVersion: apps/v1, kind: Deployment, name: " + long(254) + "}":      both,
		"targetRef: {apiVersion: apps/v1, kind: A" + long(63) + ", name: a}":               both,
		"targetRef: {apiVersion: " + long(251) + "/v1, kind: A, name: a}":                  both,
		"targetRef: {apiVersion: apps/v1, kind: Deployment, name: a/b}":                    both,
		"targetRef: {apiVersion: v1, kind: Deployment, name: a}":                           both,
		"targetRef: {apiVersion: v1, kind: ReplicationController, name: a}":                nobody,
		"targetRef: {apiVersion: batch/v1, kind: StatefulSet, name: a}":                    both,
		"targetRef: {apiVersion: apps/v1beta2, kind: Deployment, name: a}":                 nobody,
		"targetRef: {apiVersion: apps.kruise.io/v1beta1, kind: StatefulSet, name: a}":      nobody,
		"targetRef: {apiVersion: apps/v1, kind: ReplicationController, name: a}":           both,
		"targetRef: {apiVersion: v2, kind: ReplicationController, name: a}":                both,
		"targetRef: {apiVersion: v1, kind: Game, name: a}":                                 both,
		"targetRef: {apiVersion: example.org/v1, kind: Game, name: a}":                     nobody,
		"targetRef: {apiVersion: apps/v1, kind: Deployment, name: 100%}":                   both,
		"targetRef: {apiVersion: apps/v1, kind: Deployment, name: ..}":                     both,
		"targetRef: {apiVersion: apps/v1, kind: Deployment, name: a..}":                    nobody,
		"targetRef: {kind: Deployment, name: a}":                                           onReading,
		// The bounds
		"replicas: {min: 7, max: 6}":           both,
		"replicas: {max: 1}":                   both,
		"replicas: {min: 2, max: 0}":           both,
		"replicas: {min: -1, max: 6}":          both,
		"replicas: {min: 2, max: 100001}":      both,
		"replicas: {min: 100001, max: 100000}": both,
		"replicas: {min: 6, max: 6}":           nobody,
		"replicas: {min: 2}":                   onReading,
		`replicas: {min: "2", max: 6}`:         onReading,
		"replicas: {min: 2.5, max: 6}":         onReading,
		"replicas: {min: 2, max: 6, step: 1}":  onReading, // kubectl asks for it; the server only prunes
		"replicas: {min: 0, max: 6}":           both,
		"replicas: {min: 0, max: 6}, " + objective(`{cpu: {utilization: 5}}, {memory: {perPod: 1Gi}}, {custom: {metric: m, perPod: 1}}`): both,
		"replicas: {min: 0, max: 6}, " + objective(`{queue: {name: a, perPod: 1}}`):                                                      nobody,
		"replicas: {min: 0, max: 6}, " + objective(`{cpu: {perPod: 1}}, {external: {metric: a, perPod: 1}}`):                             nobody,
		"replicas: {min: 0, max: 6}, " + objective(`{query: {name: a, expr: up, perPod: 1}}`):                                            nobody,
		"replicas: {min: 0, max: 6}, " + objective(`{custom: {metric: m, perPod: 1, object: {apiVersion: v1, kind: Service, name: a}}}`): nobody,
		// The objectives
		"objectives: []": both,
		"objectives: [" + strings.Repeat("{cpu: {perPod: 1}}, ", 10) + "{cpu: {perPod: 1}}]": both,
		objective(`{}`): both,
		objective(`{cpu: {utilization: 60}, queue: {name: x, perPod: 5}}`):                                                   both,
		objective(`{requestRate: {perPod: 0}}`):                                                                              both,
		objective(`{requestRate: {perPod: -1}}`):                                                                             both,
		objective(`{requestRate: {perPod: "0.0"}}`):                                                                          both,
		objective(`{requestRate: {perPod: "0.1"}}`):                                                                          nobody,
		objective(`{requestRate: {perPod: 9e15}}`):                                                                           both,
		objective(`{requestRate: {perPod: "9e15"}}`):                                                                         both,
		objective(`{requestRate: {perPod: "8999999999999999"}}`):                                                             nobody,
		objective(`{requestRate: {perPod: 8999999999999999}}`):                                                               nobody,
		objective(`{requestRate: {perPod: 9000000000000001}}`):                                                               both,
		objective(`{memory: {perPod: 8Pi}}`):                                                                                 both,
		objective(`{queue: {name: a, perPod: 1E}}`):                                                                          both,
		objective(`{external: {metric: m, value: "9000000000000000.1"}}`):                                                    both,
		objective(`{query: {name: a, expr: up, value: 9P}}`):                                                                 both,
		objective(`{custom: {metric: m/n, perPod: 1}}`):                                                                      both,
		objective(`{external: {metric: "50%", perPod: 1}}`):                                                                  both,
		objective(`{queue: {name: a, metric: ., perPod: 1}}`):                                                                both,
		objective(`{external: {metric: "a:b c@d#1", perPod: 1}}`):                                                            nobody,
		objective(`{custom: {metric: m, perPod: 1, object: {apiVersion: v1, kind: Service, name: a/b}}}`):                    both,
		objective(`{requestRate: {perPod: "1e2147483647"}}`):                                                                 onReading,
		objective(`{requestRate: {perPod: "abc"}}`):                                                                          onReading,
		objective(`{requestRate: {perPod: ""}}`):                                                                             onReading,
		objective(`{requestRate: {perPod: 1.5}}`):                                                                            onReading,
		objective(`{requestRate: {}}`):                                                                                       onReading,
		objective(`{requestRate: {perPod: 1, metric: ` + long(254) + `}}`):                                                   both,
		objective(`{requestRate: {perPod: 1, metric: a/b}}`):                                                                 both,
		objective(`{requestRate: {perPod: 1, selector: {matchLabels: {handler: /remind}}}}`):                                 check,
		objective(`{requestRate: {perPod: 1}}, {requestRate: {perPod: 2, metric: m}}`):                                       both,
		objective(`{queue: {perPod: 1}}`):                                                                                    both,
		objective(`{queue: {perPod: 1, name: ""}}`):                                                                          both,
		objective(`{queue: {perPod: 1, name: a, selector: {matchLabels: {a: b}}}}`):                                          both,
		objective(`{queue: {perPod: 1, selector: {}}}`):                                                                      nobody,
		objective(`{queue: {perPod: 1, name: a b}}`):                                                                         both,
		objective(`{queue: {perPod: 1, name: ` + long(64) + `}}`):                                                            both,
		objective(`{queue: {perPod: 0, name: a}}`):                                                                           both,
		objective(`{queue: {perPod: 1, name: a}}, {queue: {perPod: 2, name: a}}`):                                            both,
		objective(`{cpu: {}}`):                                                                                               both,
		objective(`{cpu: {utilization: 60, perPod: 1}}`):                                                                     both,
		objective(`{cpu: {utilization: 0}}`):                                                                                 both,
		objective(`{cpu: {utilization: 1001}}`):                                                                              both,
		objective(`{cpu: {perPod: 0}}`):                                                                                      both,
		objective(`{cpu: {perPod: 1, container: A}}`):                                                                        both,
		objective(`{cpu: {perPod: 1, container: ` + long(64) + `}}`):                                                         both,
		objective(`{cpu: {perPod: 1}}, {cpu: {utilization: 5}}`):                                                             both,
		objective(`{memory: {utilization: 80, perPod: 1Gi}}`):                                                                both,
		objective(`{memory: {perPod: -1Gi}}`):                                                                                both,
		objective(`{custom: {metric: "", perPod: 1}}`):                                                                       both,
		objective(`{custom: {metric: m}}`):                                                                                   both,
		objective(`{custom: {metric: m, value: 1}}`):                                                                         both,
		objective(`{custom: {metric: m, value: 1, perPod: 1, object: {apiVersion: v1, kind: Service, name: a}}}`):            both,
		objective(`{custom: {metric: m, value: 0, object: {apiVersion: v1, kind: Service, name: a}}}`):                       both,
		objective(`{custom: {metric: m, value: 1, object: {apiVersion: v1, kind: service, name: a}}}`):                       both,
		objective(`{custom: {metric: m, value: 1, object: {apiVersion: "", kind: Service, name: a}}}`):                       both,
		objective(`{custom: {metric: m, perPod: 1}}, {custom: {metric: m, perPod: 2}}`):                                      both,
		objective(`{external: {metric: m}}`):                                                                                 both,
		objective(`{external: {metric: m, perPod: 1, value: 1}}`):                                                            both,
		objective(`{external: {metric: "", perPod: 1}}`):                                                                     both,
		objective(`{external: {metric: m, perPod: 1}}, {external: {metric: m, value: 1}}`):                                   both,
		objective(`{query: {name: a, expr: up}}`):                                                                            both,
		objective(`{query: {name: A, expr: up, perPod: 1}}`):                                                                 both,
		objective(`{query: {name: ` + long(41) + `, expr: up, perPod: 1}}`):                                                  both,
		objective(`{query: {name: a, expr: "", perPod: 1}}`):                                                                 both,
		objective(`{query: {name: a, expr: ` + long(2049) + `, perPod: 1}}`):                                                 both,
		objective(`{query: {name: a, expr: ` + strings.Repeat("ü", 2048) + `, perPod: 1}}`):                                  nobody,
		objective(`{query: {name: a, expr: x, perPod: 1}}, {query: {name: a, expr: z, perPod: 1}}`):                          both,
		objective(`{cpu: {perPod: 1}}, {cpu: {perPod: 1, container: a}}`):                                                    nobody,
		objective(`{cpu: {perPod: 1, container: a}}, {cpu: {utilization: 9, container: a}}`):                                 both,
		objective(`{memory: {perPod: 1Gi}}, {cpu: {perPod: 1}}, {memory: {utilization: 5}}`):                                 both,
		objective(`{queue: {perPod: 1, name: a}}, {queue: {perPod: 2, name: a, metric: m}}`):                                 nobody,
		objective(`{queue: {perPod: 1, name: a, metric: reminder_queue_depth}}, {queue: {perPod: 2, name: a}}`):              both,
		objective(`{external: {metric: m, perPod: 1}}, {custom: {metric: m, perPod: 1}}`):                                    nobody,
		objective(`{external: {metric: m, perPod: 1}}, {external: {metric: m, perPod: 1, selector: {matchLabels: {a: b}}}}`): nobody,
		objective(`{external: {metric: m, perPod: 1, selector: {matchLabels: {a: b}}}}, {external: {metric: m, perPod: 2, selector: {matchLabels: {a: b}}}}`):                               check,
		objective(`{custom: {metric: m, perPod: 1, object: {apiVersion: v1, kind: Service, name: a}}}, {custom: {metric: m, perPod: 2, object: {apiVersion: v1, kind: Service, name: b}}}`): nobody,
		objective(`{custom: {metric: m, perPod: 1, object: {apiVersion: v1, kind: Service, name: a}}}, {custom: {metric: m, perPod: 2, object: {apiVersion: v1, kind: Service, name: a}}}`): both,
		objective(`{custom: {metric: m, perPod: 1}}, {custom: {metric: m, perPod: 2, object: {apiVersion: v1, kind: Service, name: a}}}`):                                                   nobody,
		objective(`{requestRate: {perPod: 1}}, {custom: {metric: http_requests_per_second, perPod: 2}}`):                                                                                    check,
		// The pace
		"profile: Fast":                             both,
		`profile: ""`:                               theSpelling,
		"profile: Steady, behavior: {}":             both,
		"behavior: {}":                              nobody,
		"behavior: {scaleUp: {policies: []}}":       both,
		"behavior: {scaleUp: {selectPolicy: Most}}": both,
		"behavior: {scaleUp: {stabilizationWindowSeconds: 3601}}":                           both,
		"behavior: {scaleDown: {policies: [{type: Pods, value: 0, periodSeconds: 1801}]}}":  both,
		"behavior: {scaleDown: {tolerance: -1}}":                                            both,
		"behavior: {scaleDown: {tolerance: \"-0.1\"}}":                                      both,
		"behavior: {scaleUp: {tolerance: -1}}":                                              both,
		"behavior: {scaleUp: {tolerance: \"0.05\"}}":                                        nobody,
		"behavior: {scaleUp: {tolerance: 0}}":                                               nobody,
		"behavior: {scaleDown: {policies: []}}":                                             both,
		"behavior: {scaleDown: {selectPolicy: \"\"}}":                                       both,
		"behavior: {scaleDown: {selectPolicy: Disabled, stabilizationWindowSeconds: 3600}}": nobody,
		"behavior: {scaleDown: {stabilizationWindowSeconds: -1}}":                           both,
		"behavior: {scaleUp: {policies: [{type: Pods, value: 1, periodSeconds: 1800}, {type: Percent, value: 1, periodSeconds: 1}]}}":  nobody,
		"behavior: {scaleUp: {policies: [{type: Pods, value: 1, periodSeconds: 1800}, {type: Percent, value: -1, periodSeconds: 1}]}}": both,
		"behavior: {scaleUp: {policies: [{type: Pods, value: 1, periodSeconds: 0}]}}":                                                  both,
		"behavior: {scaleUp: {policies: [{type: Pods, value: 1, periodSeconds: 9999}]}}":                                               both,
		"behavior: {scaleDown: {policies: [{type: Share, value: 1, periodSeconds: 60}]}}":                                              both,
		"behavior: {scaleDown: {policies: [{type: Pods, value: 1}]}}":                                                                  onReading,
		// The floors
		schedule(""):                               nobody,
		schedule("name=\"\""):                      both,
		schedule("name=A"):                         both,
		schedule("name=" + long(64)):               both,
		schedule("start=\"0 7 * *\""):              both,
		schedule("start=" + long(101)):             both,
		schedule("duration=59s"):                   both,
		schedule("duration=168h1s"):                both,
		schedule("duration=3x"):                    onReading,
		schedule("duration=00000000000000000003h"): theSpelling,
		schedule("timeZone=" + long(65)):           both,
		schedule("min=0"):                          both,
		schedule("min=100001"):                     both,
		schedule("min=7"):                          nobody, // above max: capped
		"schedules: [{name: a, start: 0 7 * * *, duration: 3h, min: 3}, {name: a, start: 0 8 * * *, duration: 3h, min: 3}]": both,
		"fallback: {min: 3}":             nobody,
		"fallback: {min: 7}":             nobody,
		"fallback: {after: 29s, min: 3}": both,
		"fallback: {after: 61m, min: 3}": both,
		"fallback: {after: 2, min: 3}":   onReading,
		"fallback: {min: 0}":             both,
		"fallback: {after: 2m}":          onReading,
		// Rollouts
		"rollout: {}":                                         nobody,
		"rollout: {scaleIn: Never}":                           both,
		"rollout: {maxHold: 59s}":                             both,
		"rollout: {maxHold: 24h0m1s}":                         both,
		"rollout: {maxHold: -5m}":                             both,
		"rollout: {maxHold: soon}":                            onReading,
		"rollout: {maxHold: 5}":                               onReading,
		"rollout: {maxHold: 24h}":                             nobody,
		"rollout: {predecessor: Delete}":                      both,
		"rollout: {predecessor: ScaleToZero}":                 nobody,
		"rollout: {predecessor: ScaleToZero, scaleIn: Allow}": both,
		// Blue and green
		turns(""):                                    nobody,
		turns("mode: Managed, active: web"):          nobody,
		turns("mode: Managed, active: green"):        nobody,
		turns("mode: Managed, active: blue"):         both,
		turns("mode: Managed, active: " + long(254)): both,
		turns("mode: Managed, active: \"\""):         theSpelling,
		turns("mode: Observed, active: web"):         both,
		turns("active: web"):                         both,
		turns("mode: Canary"):                        both,
		turns("headroomPercent: -1"):                 both,
		turns("headroomPercent: 101"):                both,
		turns("headroomPercent: 0"):                  nobody,
		turns("timeout: 59s"):                        both,
		turns("timeout: 25h"):                        both,
		turns("timeout: later"):                      onReading,
		turns("soak: 1s"):                            both,
		turns("soak: 24h1s"):                         both,
		turns("soak: 1d"):                            onReading,
		turns("retire: Delete"):                      both,
		"blueGreen: {otherRef: {apiVersion: apps/v1, kind: Deployment, name: green}}": onReading,
		"blueGreen: {service: web}": onReading,
		`blueGreen: {service: "", otherRef: {apiVersion: apps/v1, kind: Deployment, name: green}}`:                                                                    both,
		"blueGreen: {service: Web, otherRef: {apiVersion: apps/v1, kind: Deployment, name: green}}":                                                                   both,
		"blueGreen: {service: " + long(64) + ", otherRef: {apiVersion: apps/v1, kind: Deployment, name: g}}":                                                          both,
		"blueGreen: {service: web, otherRef: {apiVersion: apps/v1, kind: Deployment, name: web}}":                                                                     both,
		"blueGreen: {service: web, otherRef: {apiVersion: apps/v1, kind: StatefulSet, name: green}}":                                                                  nobody,
		"blueGreen: {service: web, otherRef: {apiVersion: v1, kind: Deployment, name: green}}":                                                                        both,
		"blueGreen: {service: web, otherRef: {apiVersion: example.org/v1, kind: Game, name: green}}":                                                                  both,
		"blueGreen: {service: web, otherRef: {apiVersion: apps/v1, kind: DaemonSet, name: green}}":                                                                    both,
		"blueGreen: {service: web, otherRef: {apiVersion: apps/v1, kind: Deployment, name: a/b}}":                                                                     both,
		"targetRef: {apiVersion: example.org/v1, kind: Game, name: chess}, blueGreen: {service: web, otherRef: {apiVersion: apps/v1, kind: Deployment, name: green}}": both,
		// The choices
		"mode: Sleep":            both,
		"mode: null":             nobody,
		"deletionPolicy: Retain": both,
	}
	many := make([]string, 21)
	for i := range many {
		many[i] = fmt.Sprintf("{name: a%d, start: 0 7 * * *, duration: 3h, min: 3}", i)
	}
	cases["schedules: ["+strings.Join(many, ", ")+"]"] = both

	s := newServer(t)
	schema, err := manifest.NewSchema(crd.AutoscalingPolicies(), v1alpha1.GroupVersion.Version)
	if err != nil {
		t.Fatal(err)
	}
	for fields, want := range cases {
		t.Run(fmt.Sprintf("%.80s", fields), func(t *testing.T) { judge(t, s, schema, document(t, "web", fields), want) })
	}
	t.Run("63 characters", func(t *testing.T) { judge(t, s, schema, document(t, long(63), ""), nobody) })
	t.Run("64 characters", func(t *testing.T) { judge(t, s, schema, document(t, long(64), ""), both) })
}

// document returns a sound policy in which fields of the spec are replaced.
func document(t *testing.T, name, fields string) string {
	t.Helper()
	var spec, edit map[string]any
	for text, into := range map[string]*map[string]any{
		`{targetRef: {apiVersion: apps/v1, kind: Deployment, name: web}, replicas: {min: 2, max: 6}, objectives: [{requestRate: {perPod: 50}}]}`: &spec,
		"{" + fields + "}": &edit,
	} {
		if err := yaml.UnmarshalStrict([]byte(text), into); err != nil {
			t.Fatalf("%v in %s", err, text)
		}
	}
	maps.Copy(spec, edit)
	text, err := yaml.Marshal(map[string]any{
		"apiVersion": "loadline.dev/v1alpha1", "kind": "AutoscalingPolicy", "metadata": map[string]any{"name": name}, "spec": spec,
	})
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func judge(t *testing.T, s *server, schema *manifest.Schema, text string, want who) {
	t.Helper()
	docs, err := manifest.Read("policy", strings.NewReader(text))
	if err != nil || len(docs) != 1 {
		t.Fatalf("%d documents, %v in\n%s", len(docs), err, text)
	}
	refused := s.create(runtime.DeepCopyJSON(docs[0].Object))
	policy, unread, _ := schema.Policy(docs[0])
	var ours []hpa.Problem
	if policy != nil {
		ours = hpa.Check(policy)
	}
	got := nobody
	switch {
	case len(unread) > 0:
		got = onReading
	case len(refused) > 0 && hpa.Failed(ours):
		got = both
	case hpa.Failed(ours):
		got = check
	case len(refused) > 0:
		got = theSpelling
	}
	if got != want {
		t.Errorf("%d, want %d\nserver: %v\nreading: %v\nCheck: %v\n%s", got, want, refused, unread, ours, text)
	}
	if got == both {
		for _, r := range refused {
			if !named(r, ours) {
				t.Errorf("the server names %s, Check does not: %v\nserver: %v", r.Field, ours, r)
			}
		}
	}
}

// named reports whether an Error is about the field, one in it, or the one around it.
func named(r *field.Error, ours []hpa.Problem) bool {
	for _, p := range ours {
		if p.Level == hpa.Error && (r.Field == "" || r.Field == "<nil>" || strings.HasPrefix(p.Field, r.Field) || strings.HasPrefix(r.Field, p.Field)) {
			return true
		}
	}
	return false
}
