package cli

import (
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"github.com/loadline/loadline/policy/chain"
)

var update = flag.Bool("update", false, "write testdata instead of comparing with it")

// answers is an API server that answers paths with their queries, and notes which it was
// asked for. What it does not know gets the plain 404 of the API server's library.
type answers struct {
	known map[string]string // YAML, or "CODE text", or "hang"

	mu    sync.Mutex
	asked []string
}

func (a *answers) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	a.asked = append(a.asked, r.URL.RequestURI())
	a.mu.Unlock()
	text, ok := a.known[r.URL.RequestURI()]
	var code int
	var message string
	switch n, _ := fmt.Sscanf(text, "%d", &code); {
	case !ok:
		http.Error(w, "404 page not found", http.StatusNotFound)
	case text == "hang":
		<-r.Context().Done()
	case n == 1:
		reason := map[int]string{403: "Forbidden", 404: "NotFound", 503: "ServiceUnavailable"}[code]
		_, message, _ = strings.Cut(text, " ")
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(code)
		_ = json.NewEncoder(w).Encode(map[string]any{"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reason, "code": code, "message": message})
	default:
		data, err := yaml.YAMLToJSON([]byte(text))
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(data)
	}
}

const (
	hpaPath      = "/apis/autoscaling/v2/namespaces/shop/horizontalpodautoscalers/web"
	hpaListPath  = "/apis/autoscaling/v2/namespaces/shop/horizontalpodautoscalers?limit=500"
	policyPath   = "/apis/loadline.dev/v1alpha1/namespaces/shop/autoscalingpolicies/web"
	scalePath    = "/apis/apps/v1/namespaces/shop/deployments/web/scale"
	podsPath     = "/api/v1/namespaces/shop/pods?labelSelector=app%3Dweb&limit=500"
	usagePath    = "/apis/metrics.k8s.io/v1beta1/namespaces/shop/pods?labelSelector=app%3Dweb"
	versionsPath = "/apis/custom.metrics.k8s.io"
	ratePath     = "/apis/custom.metrics.k8s.io/v1beta2/namespaces/shop/pods/%2A/http_requests_per_second?labelSelector=app%3Dweb"
	// The client of external metrics writes names in lower case.
	depthPath = "/apis/external.metrics.k8s.io/v1beta1/namespaces/shop/queuedepth?labelSelector=queue%3Dmail"
)

// behindPath is where the adapter says what is behind metrics.
const behindPath = "/apis/diagnostics.loadline.dev/v1alpha1/namespaces/shop/metrics/"

// world is a namespace with an HPA on four metrics, all of which can be read.
func world() map[string]string {
	return map[string]string{
		hpaPath: `
metadata: {namespace: shop, name: web, generation: 1, labels: {loadline.dev/policy: web}, creationTimestamp: "2026-06-01T10:00:00Z"}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}
  minReplicas: 2
  maxReplicas: 6
  metrics:
  - {type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 60}}}
  - {type: Pods, pods: {metric: {name: http_requests_per_second}, target: {type: AverageValue, averageValue: "20"}}}
  - type: Object
    object:
      describedObject: {apiVersion: networking.k8s.io/v1, kind: Ingress, name: front}
      metric: {name: hits, selector: {matchLabels: {path: a}}}
      target: {type: Value, value: 2k}
  - type: External
    external: {metric: {name: queueDepth, selector: {matchLabels: {queue: mail}}}, target: {type: AverageValue, averageValue: "10"}}
status:
  currentReplicas: 2
  desiredReplicas: 2
  observedGeneration: 1
  lastScaleTime: "2026-06-01T11:30:00Z"
  conditions:
  - {type: AbleToScale, status: "True", reason: ReadyForNewScale, message: recommended size matches current size, lastTransitionTime: "2026-06-01T11:31:00Z"}
  - {type: ScalingActive, status: "True", reason: ValidMetricFound, message: the HPA was able to successfully calculate a replica count, lastTransitionTime: "2026-06-01T10:01:00Z"}
`,
		policyPath: `
metadata: {namespace: shop, name: web}
spec: {replicas: {min: 1, max: 6}}
status:
  state: Enforced
  conditions: [{type: Ready, status: "True", reason: Applied, message: "", lastTransitionTime: "2026-06-01T10:01:00Z"}]
  floors: [{owner: rollout, value: 2, reason: while a new revision is rolled out, since: "2026-06-01T11:50:00Z", expires: "2026-06-01T12:50:00Z"}]
`,
		scalePath: `{spec: {replicas: 2}, status: {replicas: 2, selector: app=web}}`,
		podsPath:  `{metadata: {continue: more}, items: [` + podOf("web-0") + `]}`,
		"/api/v1/namespaces/shop/pods?continue=more&labelSelector=app%3Dweb&limit=500": `{items: [` + podOf("web-1") + `]}`,
		usagePath: `
items:
- {metadata: {name: web-0}, timestamp: "2026-06-01T11:59:50Z", window: 15s, containers: [{name: app, usage: {cpu: 250m}}]}
- {metadata: {name: web-1}, timestamp: "2026-06-01T11:59:40Z", window: 15s, containers: [{name: app, usage: {cpu: 350m}}]}
`,
		versionsPath: `{preferredVersion: {version: v1beta2}, versions: [{version: v1beta2}, {version: v1beta1}]}`,
		ratePath: `
items:
- {describedObject: {name: web-0}, metric: {name: http_requests_per_second}, timestamp: "2026-06-01T11:59:57Z", windowSeconds: 60, value: 30500m}
- {describedObject: {name: web-1}, metric: {name: http_requests_per_second}, timestamp: "2026-06-01T11:59:57Z", windowSeconds: 60, value: "31"}
`,
		"/apis/custom.metrics.k8s.io/v1beta2/namespaces/shop/ingresses.networking.k8s.io/front/hits?metricLabelSelector=path%3Da": `
items: [{describedObject: {name: front}, metric: {name: hits}, timestamp: "2026-06-01T11:59:55Z", value: 1900}]
`,
		depthPath: `
items: [{metricName: queuedepth, metricLabels: {queue: mail}, timestamp: "2026-06-01T11:59:58Z", value: "15"}]
`,
		behindPath + "pods.metrics.k8s.io:cpu": `404 metrics.diagnostics.loadline.dev "pods.metrics.k8s.io:cpu" not found: nobody wants it`,
		behindPath + "pods:http_requests_per_second": `
metadata: {namespace: shop, name: "pods:http_requests_per_second"}
time: "2026-06-01T12:00:00Z"
api: custom.metrics.k8s.io
resource: pods
metric: http_requests_per_second
rule: {id: "rules[0]", section: rules, index: 0, origin: BuiltIn, source: default, seriesQuery: 'http_requests_total{pod!=""}', series: http_requests_total, template: "sum(…)"}
reads:
- {objectSelector: app=other, promQL: another, values: []}
- objectSelector: app=web
  horizontalPodAutoscalers: [web]
  objects: 2
  promQL: sum(rate(http_requests_total{namespace="shop",pod=~"web-0|web-1"}[1m])) by (pod)
  sharing: {otherReads: 1, toldApartBy: [namespace, pod]}
  interval: 10s
  evaluated: "2026-06-01T11:59:58Z"
  attempted: "2026-06-01T11:59:58Z"
  values: [{object: web-0, value: 30500m, timestamp: "2026-06-01T11:59:57Z"}, {object: web-1, value: "31", timestamp: "2026-06-01T11:59:57Z"}]
`,
		behindPath + "ingresses.networking.k8s.io:hits": `
metadata: {namespace: shop, name: "ingresses.networking.k8s.io:hits"}
time: "2026-06-01T12:00:00Z"
api: custom.metrics.k8s.io
resource: ingresses.networking.k8s.io
metric: hits
rule: {id: "rules[1]", section: rules, index: 1, origin: ConfigurationFile, source: far, seriesQuery: hits, series: hits, template: "max(…)"}
reads: []
`,
		// What is asked for is in lower case, and so it is by this name that the adapter has it.
		behindPath + "external:queuedepth": `
metadata: {namespace: shop, name: "external:queuedepth"}
time: "2026-06-01T12:00:00Z"
api: external.metrics.k8s.io
metric: queuedepth
rule: {id: "externalRules[0]", section: externalRules, index: 0, origin: ConfigurationFile, source: default, seriesQuery: depth, series: depth, template: "max(…)"}
reads:
- metricSelector: queue=mail
  promQL: max(depth{queue="mail"})
  sharing: {otherReads: 0}
  interval: 10s
  evaluated: "2026-06-01T11:59:59Z"
  attempted: "2026-06-01T11:59:59Z"
  values: [{labels: {queue: mail}, value: "15", timestamp: "2026-06-01T11:59:58Z"}]
  warnings: [a part of the source did not answer]
`,
	}
}

func podOf(name string) string {
	return `{metadata: {name: ` + name + `, labels: {app: web}}, spec: {containers: [{name: app, resources: {requests: {cpu: 500m}}}]},` +
		`status: {phase: Running, startTime: "2026-06-01T10:00:00Z", conditions: [{type: Ready, status: "True", lastTransitionTime: "2026-06-01T10:00:20Z"}]}}`
}

// explainWith runs the command against an API server.
func explainWith(t *testing.T, known map[string]string, args ...string) (code int, out, said string, asked []string) {
	t.Helper()
	a := &answers{known: known}
	code, out, said = runWith(t, a, newExplain, "shop", args)
	return code, out, said, a.asked
}

// A whole chain: read with the controller's own requests, and no other but what the adapter
// says is behind them.
func TestExplain(t *testing.T) {
	known := world()
	code, out, said, asked := explainWith(t, known, "hpa/web")
	if code != 0 || said != "" {
		t.Fatalf("exit code %d: %s%s %q", code, said, out, asked)
	}
	golden(t, "testdata/explain.txt", out)
	askedAll(t, known, asked)
}

// However the HPA is named, and as data.
func TestExplainArguments(t *testing.T) {
	for _, args := range [][]string{
		{"hpa", "web"}, {"policy/web"}, {"HorizontalPodAutoscalers.autoscaling/web"}, {"asp", "web"},
	} {
		code, out, said, _ := explainWith(t, world(), append(args, "-o", "json")...)
		var r chain.Report
		if err := json.Unmarshal([]byte(out), &r); err != nil || code != 0 || r.Name != "web" || len(r.Metrics) != 4 {
			t.Errorf("%q: exit code %d, %v: %s%s", args, code, err, said, out)
		}
	}
	for _, args := range [][]string{{"web"}, {"hpa/"}, {"hpa/web", "x"}, {"hpa", "a/b"}, {"deployment/web"}, {"hpa/a/b"}, {"hpa/web", "-o", "name"}, {}} {
		if code, _, said, asked := explainWith(t, world(), args...); code != exitUsage || said == "" || len(asked) > 0 {
			t.Errorf("%q: exit code %d, asked for %q: %s", args, code, asked, said)
		}
	}
}

// What breaks the chain in a cluster is said with the remedy, and the rest goes on.
func TestExplainBroken(t *testing.T) {
	const forbidden = `403 x is forbidden: User "u" cannot get resource "x" in API group "g" in the namespace "shop"`
	for name, tc := range map[string]struct {
		edit func(map[string]string)
		// broken are the places, and what the reason and the remedy of each have.
		broken [][3]string
		// decided: there is a decision all the same.
		decided bool
	}{
		"no metrics-server": {
			func(known map[string]string) { delete(known, usagePath) },
			[][3]string{{"metric cpu", "there is no APIService v1beta1.metrics.k8s.io", "install metrics-server"}}, true,
		},
		"no custom metrics": {
			func(known map[string]string) { delete(known, versionsPath) },
			[][3]string{
				{"metric http_requests_per_second", "there is no APIService of this group", "install loadline-adapter"},
				{"metric hits{path=a} of Ingress front", "there is no APIService of this group", "install loadline-adapter"},
			}, true,
		},
		"no value": {
			func(known map[string]string) { known[depthPath] = "404 no series of queue_depth" },
			[][3]string{{"metric queueDepth{queue=mail}", "no series of queue_depth", "Nothing is not zero"}}, true,
		},
		"no value of a name with capitals": {
			func(known map[string]string) { known[depthPath] = "404 no rule gives it" },
			[][3]string{{"metric queueDepth{queue=mail}", "no rule gives it", "The HPA writes queueDepth, but its controller asks for queuedepth"}}, true,
		},
		"an empty list of a name with capitals": {
			func(known map[string]string) { known[depthPath] = "items: []" },
			[][3]string{{"metric queueDepth{queue=mail}", "empty list", "The HPA writes queueDepth, but its controller asks for queuedepth"}}, true,
		},
		"an empty list": {
			func(known map[string]string) { known[ratePath] = "items: []" },
			[][3]string{{"metric http_requests_per_second", "empty list", "whether a rule of the adapter"}}, true,
		},
		"the adapter's words": {
			func(known map[string]string) { known[ratePath] = "503 the source prom is away since 12 s" },
			[][3]string{{"metric http_requests_per_second", "the source prom is away since 12 s", "kubectl get apiservices"}}, true,
		},
		"the adapter refuses": {
			func(known map[string]string) { known[ratePath] = "403 too many metrics: raise --max-wanted" },
			[][3]string{{"metric http_requests_per_second", "raise --max-wanted", "it is who serves the API that refuses"}}, true,
		},
		"no right to a metric": {
			func(known map[string]string) { known[ratePath] = forbidden },
			[][3]string{{"metric http_requests_per_second", "is forbidden", "get pods/http_requests_per_second in the group custom.metrics.k8s.io"}}, true,
		},
		"no right to usage": {
			func(known map[string]string) { known[usagePath] = forbidden },
			[][3]string{{"metric cpu", "is forbidden", "list pods in the group metrics.k8s.io"}}, true,
		},
		"no right to an external metric": {
			func(known map[string]string) { known[depthPath] = forbidden },
			[][3]string{{"metric queueDepth{queue=mail}", "is forbidden", "list queuedepth in the group external.metrics.k8s.io"}}, true,
		},
		"no right to the scale": {
			func(known map[string]string) { known[scalePath] = forbidden },
			[][3]string{{"target", "is forbidden", "get deployments/scale in the group apps"}}, false,
		},
		"no target": {
			func(known map[string]string) { known[scalePath] = `404 deployments.apps "web" not found` },
			[][3]string{{"target", "Deployment web, or a scale of it, is not there", "correct spec.scaleTargetRef"}}, false,
		},
		"a target without an apiVersion": {
			func(known map[string]string) {
				known[hpaPath] = strings.Replace(known[hpaPath], "{apiVersion: apps/v1, kind: Deployment, name: web}", "{kind: Deployment, name: web}", 1)
				known["/api/v1"] = "resources: [{name: pods, kind: Pod}]"
			},
			[][3]string{{"target", "does not know the kind Deployment of no apiVersion, which is the core group", "correct the apiVersion"}}, false,
		},
		"no right to pods": {
			func(known map[string]string) { known[podsPath] = forbidden },
			[][3]string{{"pods", "is forbidden", "list pods in the core group"}}, false,
		},
		"no right to the policy": {
			func(known map[string]string) { known[policyPath] = forbidden },
			[][3]string{{"policy", "is forbidden", "get autoscalingpolicies in the group loadline.dev"}}, true,
		},
		"no policy any more": {
			func(known map[string]string) { known[policyPath] = "404 gone" }, nil, true,
		},
		"nonsense": {
			func(known map[string]string) { known[ratePath] = "items: 7" },
			[][3]string{{"metric http_requests_per_second", "cannot be read", "who serves this API"}}, true,
		},
		"two values for an object": {
			func(known map[string]string) {
				for path := range known {
					if strings.Contains(path, "/front/hits") {
						known[path] = "items: [{value: 1}, {value: 2}]"
					}
				}
			},
			[][3]string{{"metric hits{path=a} of Ingress front", "2 values were answered for one object", "one series for an object"}}, true,
		},
		"a name that no path has": {
			func(known map[string]string) {
				known[hpaPath] = strings.Replace(known[hpaPath], "name: queueDepth", "name: queue/depth", 1)
			},
			[][3]string{{"metric queue/depth{queue=mail}", "may not contain '/'", "nor can the HPA controller"}}, true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			known := world()
			tc.edit(known)
			code, out, said, _ := explainWith(t, known, "hpa/web", "-o", "json")
			var r chain.Report
			if err := json.Unmarshal([]byte(out), &r); err != nil {
				t.Fatalf("%v: %s%s", err, said, out)
			}
			if want := min(len(tc.broken), 1); code != want {
				t.Errorf("exit code %d, want %d: %s", code, want, said)
			}
			if got := r.Decision.Replicas != nil; got != tc.decided {
				t.Errorf("decided: %v, want %v", got, tc.decided)
			}
			if len(r.Broken) != len(tc.broken) {
				t.Fatalf("broken: %+v, want %q", r.Broken, tc.broken)
			}
			for i, want := range tc.broken {
				b := r.Broken[i]
				if b.At != want[0] || !strings.Contains(b.Reason, want[1]) || !strings.Contains(b.Remedy, want[2]) {
					t.Errorf("broken: %+v, want %q", b, want)
				}
			}
		})
	}
}

// What is behind the answers is not always to be had. That is one line, whatever the number of
// metrics, and nothing else changes.
func TestExplainWithoutWhatIsBehind(t *testing.T) {
	for name, tc := range map[string]struct{ answer, reason, remedy string }{
		"not served":    {"", "the cluster does not serve diagnostics.loadline.dev: there is no APIService v1alpha1.diagnostics.loadline.dev", "adapter.apiServices.diagnostics"},
		"no right":      {`403 metrics.diagnostics.loadline.dev is forbidden: User "u" cannot get resource "metrics"`, "is forbidden", "get metrics in the group diagnostics.loadline.dev. The ClusterRole loadline-diagnostics-reader"},
		"not available": {"503 service unavailable", "service unavailable", "kubectl get apiservices"},
		"nonsense":      {"time: 7", "cannot be read", "who serves this API"},
		"hangs":         {"hang", "no answer within 5s", "kubectl get apiservices"},
	} {
		t.Run(name, func(t *testing.T) {
			known := world()
			for path := range known {
				if strings.HasPrefix(path, behindPath) {
					if known[path] = tc.answer; tc.answer == "" {
						delete(known, path)
					}
				}
			}
			code, out, said, _ := explainWith(t, known, "hpa/web", "-o", "json")
			var r chain.Report
			if err := json.Unmarshal([]byte(out), &r); err != nil {
				t.Fatalf("%v: %s%s", err, said, out)
			}
			if u := r.Undiagnosed; u == nil || !strings.Contains(u.Reason, tc.reason) || !strings.Contains(u.Remedy, tc.remedy) {
				t.Errorf("%+v, want %q and %q", u, tc.reason, tc.remedy)
			}
			if code != 0 || len(r.Broken) > 0 || r.Decision.Replicas == nil {
				t.Errorf("exit code %d, broken: %+v, decision: %+v", code, r.Broken, r.Decision)
			}
			if name != "hangs" { // once is enough
				_, out, _, _ = explainWith(t, known, "hpa/web")
				if n := strings.Count(out, "Rules and queries are not shown"); n != 1 {
					t.Errorf("said %d times:\n%s", n, out)
				}
			}
		})
	}
}

// What is behind one answer may be to be had, and what is behind another not: that is said where
// it is missed, and only there.
func TestExplainWithoutWhatIsBehindOne(t *testing.T) {
	known := world()
	known[behindPath+"pods:http_requests_per_second"] = "503 service unavailable"
	code, out, said, _ := explainWith(t, known, "hpa/web")
	if code != 0 {
		t.Fatalf("exit code %d: %s%s", code, said, out)
	}
	_, after, _ := strings.Cut(out, "Metric 2: ")
	second, rest, _ := strings.Cut(after, "Metric 3: ")
	if !strings.Contains(second, "  rule and query are not shown: service unavailable. To see them, if the message names no cause") {
		t.Errorf("the second metric: %s", second)
	}
	if strings.Contains(rest, "are not shown") || !strings.Contains(rest, "rule: externalRules[0]") {
		t.Errorf("below it: %s", rest)
	}
}

// An answer that leaves reads out does not say that the HPA's is not evaluated.
func TestExplainOmitted(t *testing.T) {
	known := world()
	const hits = behindPath + "ingresses.networking.k8s.io:hits"
	known[hits] = strings.Replace(known[hits], "reads: []", "reads: [{object: another, values: []}]\nomittedReads: 61", 1)
	code, out, said, _ := explainWith(t, known, "hpa/web")
	if code != 0 || !strings.Contains(out, "  evaluated: not known: this HPA's read is not in the adapter's answer, of which 61 more reads are not shown\n") {
		t.Errorf("exit code %d: %s%s", code, said, out)
	}
}

// Without the HPA there is nothing to explain.
func TestExplainNoHPA(t *testing.T) {
	known := world()
	known[hpaPath] = `404 horizontalpodautoscalers.autoscaling "web" not found`
	code, out, said, _ := explainWith(t, known, "hpa/web")
	if code != exitFound || out != "" || !strings.Contains(said, "there is no HPA web in the namespace shop") {
		t.Errorf("exit code %d: %s%s", code, out, said)
	}
	known[hpaPath] = `403 hpa is forbidden: User "u" cannot get resource "horizontalpodautoscalers"`
	code, out, said, _ = explainWith(t, known, "hpa/web")
	if code != exitFound || out != "" || !strings.Contains(said, "get horizontalpodautoscalers in the group autoscaling") {
		t.Errorf("exit code %d: %s%s", code, out, said)
	}
}

// An API that hangs costs its own deadline, and nothing of the others' answers.
func TestExplainHang(t *testing.T) {
	known := world()
	known[usagePath] = "hang"
	started := time.Now()
	code, out, _, _ := explainWith(t, known, "hpa/web", "-o", "json")
	var r chain.Report
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if code != exitFound || len(r.Broken) != 1 || !strings.Contains(r.Broken[0].Reason, "no answer within 5s") || r.Decision.Replicas == nil {
		t.Errorf("exit code %d, broken: %+v, decision: %+v", code, r.Broken, r.Decision)
	}
	if took := time.Since(started); took > explainTimeout {
		t.Errorf("it took %s", took)
	}
}

// The older version of the API, an HPA whose pods another one has, too, and a target of a
// kind that is not built in.
func TestExplainOtherWorlds(t *testing.T) {
	known := world()
	known[versionsPath] = `{preferredVersion: {version: v1beta1}, versions: [{version: v1beta1}]}`
	for path, text := range known {
		if older := strings.Replace(path, "/v1beta2/", "/v1beta1/", 1); older != path {
			delete(known, path)
			known[older] = strings.ReplaceAll(strings.ReplaceAll(text, "metric: {name: http_requests_per_second}", "metricName: http_requests_per_second"), "windowSeconds:", "window:")
		}
	}
	const (
		rollouts = "/apis/argoproj.io/v1alpha1/namespaces/shop/rollouts/"
		hpas     = "{metadata: {namespace: shop, name: %s}, spec: {scaleTargetRef: {apiVersion: argoproj.io/v1beta7, kind: Rollout, name: %s}}}"
	)
	known[hpaPath] = strings.Replace(known[hpaPath], "apiVersion: apps/v1, kind: Deployment", "apiVersion: argoproj.io/v1beta7, kind: Rollout", 1)
	known[hpaPath] = strings.Replace(known[hpaPath], `status: "True", reason: ValidMetricFound`, `status: "False", reason: AmbiguousSelector`, 1)
	known["/apis/argoproj.io"] = `{preferredVersion: {version: v1alpha1}}`
	known["/apis/argoproj.io/v1alpha1"] = `{resources: [{name: rollouts, kind: Rollout}, {name: rollouts/scale, kind: Scale}]}`
	known[rollouts+"web/scale"] = known[scalePath]
	known[rollouts+"same/scale"] = known[scalePath]
	known[rollouts+"other/scale"] = `{status: {selector: app=other}}`
	known[hpaListPath] = fmt.Sprintf("items: ["+hpas+", "+hpas+", "+hpas+"]", "web", "web", "a", "same", "b", "other")
	code, out, said, _ := explainWith(t, known, "hpa/web", "-o", "yaml")
	var r chain.Report
	if err := yaml.Unmarshal([]byte(out), &r); err != nil {
		t.Fatalf("%v: %s%s", err, said, out)
	}
	want := []chain.Break{{At: "target", Reason: "the target's pods are also those of shop/a", Remedy: "narrow the selectors until each pod is of the target of one HPA, or delete the HPA that is too many"}}
	if diff := cmp.Diff(want, r.Broken); diff != "" || code != exitFound {
		t.Errorf("exit code %d: %s", code, diff)
	}
	if r.Target != "Rollout/web" || len(r.Metrics) != 4 || len(r.Metrics[1].Pods) != 2 || r.Metrics[1].Pods[0].Value != "30.5" {
		t.Errorf("%s: %+v", r.Target, r.Metrics)
	}
}
