package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/client-go/discovery"

	"github.com/loadline/loadline/policy/doctor"
)

// The paths that doctor asks for.
const (
	apiServicesPath = "/apis/apiregistration.k8s.io/v1/apiservices?limit=500"
	allHPAsPath     = "/apis/autoscaling/v2/horizontalpodautoscalers?limit=500"
	serverPath      = "/version"
	metricsPath     = "/metrics"
	reviewsPath     = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
	rolePath        = "/apis/rbac.authorization.k8s.io/v1/clusterroles/system:controller:horizontal-pod-autoscaler"
	bindingPath     = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/system:controller:horizontal-pod-autoscaler"
	frontProxyPath  = "/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication"
	adapterConfig   = "/api/v1/namespaces/loadline-system/configmaps/loadline-adapter-config"
	adapterPods     = "/api/v1/namespaces/loadline-system/pods?labelSelector=app.kubernetes.io%2Fname%3Dloadline-adapter&limit=500"
	managerLease    = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/kube-controller-manager"
	externalList    = "/apis/external.metrics.k8s.io/v1beta1"
	diagnosticsList = "/apis/diagnostics.loadline.dev/v1alpha1"
)

// examined is a cluster with loadline-adapter and metrics-server, and two HPAs, of which one
// asks for what nobody serves.
func examined() map[string]string {
	condition := `status: {conditions: [{type: Available, status: "True", reason: Passed}]}`
	service := func(version, group, namespace, name string) string {
		return fmt.Sprintf("{metadata: {name: %s.%s, managedFields: [{manager: %s, operation: Update, fieldsType: FieldsV1, fieldsV1: {'f:spec': {'f:caBundle': {}}}}]}, "+
			"spec: {group: %s, version: %s, caBundle: Q0E=, service: {namespace: %s, name: %s}}, %s}", version, group, name, group, version, namespace, name, condition)
	}
	pod := func(namespace, name string) string {
		return `{metadata: {namespace: ` + namespace + `, name: ` + name + `}, status: {phase: Running, conditions: [{type: Ready, status: "True"}]}}`
	}
	hpa := func(name, metric, current string) string {
		return `{metadata: {namespace: shop, name: ` + name + `, creationTimestamp: "2026-06-01T10:00:00Z"}, spec: {scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: ` + name + `}, ` +
			`maxReplicas: 6, metrics: [{type: Pods, pods: {metric: {name: ` + metric + `}, target: {type: AverageValue, averageValue: "20"}}}]}, ` +
			`status: {desiredReplicas: 2, currentMetrics: [` + current + `], conditions: [{type: AbleToScale, status: "True", reason: ReadyForNewScale}]}}`
	}
	adapter := `{metadata: {namespace: loadline-system, name: loadline-adapter, labels: {app.kubernetes.io/name: loadline-adapter}}, spec: {replicas: 2, template: {metadata: {labels: {app.kubernetes.io/name: loadline-adapter}}, ` +
		`spec: {containers: [{name: adapter, args: [--config=/etc/loadline/config.yaml, --cert-secret=loadline-system/loadline-adapter-tls], volumeMounts: [{name: config, mountPath: /etc/loadline}]}], ` +
		`volumes: [{name: config, configMap: {name: loadline-adapter-config}}]}}}, status: {readyReplicas: 2}}`
	other := `{metadata: {namespace: loadline-system, name: other}, spec: {template: {metadata: {labels: {app: other}}}}}`
	return map[string]string{
		serverPath:                            `{major: "1", minor: "37", gitVersion: v1.37.2}`,
		"/apis/autoscaling":                   `{name: autoscaling, versions: [{version: v2}, {version: v1}]}`,
		frontProxyPath:                        `{data: {requestheader-client-ca-file: CA}}`,
		reviewsPath:                           `{status: {allowed: true}}`,
		metricsPath:                           "TEXT kubernetes_feature_enabled{name=\"HPAConfigurableTolerance\",stage=\"\"} 1\nkubernetes_feature_enabled{name=\"HPAScaleToZero\",stage=\"BETA\"} 1\nkubernetes_feature_enabled{name=\"Other\",stage=\"\"} 1\n",
		apiServicesPath:                       `{items: [` + strings.Join([]string{`{metadata: {name: v1.apps}, spec: {group: apps, version: v1}}`, service("v1beta1", "metrics.k8s.io", "kube-system", "metrics-server"), service("v1beta1", "custom.metrics.k8s.io", "loadline-system", "loadline-adapter"), service("v1beta2", "custom.metrics.k8s.io", "loadline-system", "loadline-adapter"), service("v1beta1", "external.metrics.k8s.io", "loadline-system", "loadline-adapter"), service("v1alpha1", "diagnostics.loadline.dev", "loadline-system", "loadline-adapter")}, ", ") + `]}`,
		"/apis/metrics.k8s.io/v1beta1":        `{resources: [{name: nodes}, {name: pods}]}`,
		"/apis/custom.metrics.k8s.io/v1beta1": `{resources: [{name: pods/http_requests_per_second}, {name: namespaces/http_requests_per_second}]}`,
		"/apis/custom.metrics.k8s.io/v1beta2": `{resources: [{name: pods/http_requests_per_second}, {name: namespaces/http_requests_per_second}]}`,
		externalList:                          `{resources: [{name: queue_depth}]}`,
		diagnosticsList:                       `{resources: [{name: metrics}]}`,
		"/api/v1/namespaces/kube-system/services/metrics-server":                               `{spec: {selector: {k8s-app: metrics-server}}}`,
		"/api/v1/namespaces/kube-system/pods?labelSelector=k8s-app%3Dmetrics-server&limit=500": `{items: [` + pod("kube-system", "metrics-server-0") + `]}`,
		"/apis/apps/v1/namespaces/kube-system/deployments?limit=500":                           `{items: [{metadata: {namespace: kube-system, name: metrics-server}, spec: {template: {metadata: {labels: {k8s-app: metrics-server}}}}}]}`,
		"/api/v1/namespaces/loadline-system/services/loadline-adapter":                         `{spec: {selector: {app.kubernetes.io/name: loadline-adapter}}}`,
		adapterPods: `{items: [` + pod("loadline-system", "loadline-adapter-0") + `, ` + pod("loadline-system", "loadline-adapter-1") + `]}`,
		"/apis/apps/v1/namespaces/loadline-system/deployments?limit=500": `{items: [` + other + `, ` + adapter + `]}`,
		adapterConfig: "data:\n  config.yaml: |\n" +
			"    rules:\n    - seriesQuery: 'http_requests_total{namespace!=\"\",pod!=\"\"}'\n      resources: {overrides: {namespace: {resource: namespace}, pod: {resource: pod}}}\n      name: {matches: ^(.*)_total$, as: '${1}_per_second'}\n      metricsQuery: sum(rate(<<.Series>>{<<.LabelMatchers>>}[1m])) by (<<.GroupBy>>)\n" +
			"    externalRules:\n    - seriesQuery: 'queue_depth{namespace!=\"\"}'\n      resources: {overrides: {namespace: {resource: namespace}}}\n      metricsQuery: max(<<.Series>>{<<.LabelMatchers>>}) by (queue)\n" +
			"    - seriesQuery: 'orders_waiting{namespace!=\"\"}'\n      resources: {overrides: {namespace: {resource: namespace}}}\n      metricsQuery: sum(<<.Series>>{<<.LabelMatchers>>})\n",
		"/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases?limit=500": `{items: [{metadata: {namespace: kube-node-lease, name: node-1}, spec: {renewTime: "2026-06-01T11:59:55.000000Z"}}]}`,
		managerLease: `{metadata: {namespace: kube-system, name: kube-controller-manager}, spec: {renewTime: "2026-06-01T11:59:59.000000Z"}}`,
		allHPAsPath:  `{metadata: {continue: more}, items: [` + hpa("web", "http_requests_per_second", `{type: Pods, pods: {metric: {name: http_requests_per_second}, current: {averageValue: "7"}}}`) + `]}`,
		"/apis/autoscaling/v2/horizontalpodautoscalers?continue=more&limit=500":                        `{items: [` + hpa("api", "http_request_per_second", `{type: ""}`) + `]}`,
		"/apis/loadline.dev/v1alpha1/autoscalingpolicies?limit=500":                                    `{items: []}`,
		"/apis/apps/v1/deployments?labelSelector=app.kubernetes.io%2Fname%3Dloadline-policy&limit=500": `{items: [{metadata: {namespace: loadline-system, name: loadline-policy}, spec: {replicas: 2}, status: {readyReplicas: 2}}]}`,
		"/apis/apps/v1/deployments?limit=500":                                                          `{items: []}`,
		"/apis/apps/v1/statefulsets?limit=500":                                                         `{items: []}`,
		"/api/v1/limitranges?limit=500":                                                                `{items: []}`,
	}
}

// doctorWith runs the command against an API server whose clock is right.
func doctorWith(t *testing.T, known map[string]string, namespace string, args ...string) (code int, out, said string, asked []string) {
	t.Helper()
	a := &answers{known: known}
	server := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Date", noon.Format(http.TimeFormat))
		if text, ok := strings.CutPrefix(known[r.URL.RequestURI()], "TEXT "); ok {
			a.mu.Lock()
			a.asked = append(a.asked, r.URL.RequestURI())
			a.mu.Unlock()
			_, _ = w.Write([]byte(text))
			return
		}
		a.ServeHTTP(w, r)
	})
	code, out, said = runWith(t, server, newDoctor, namespace, args)
	return code, out, said, a.asked
}

// A whole cluster is read with what is listed here and no more; the page has this output.
func TestDoctor(t *testing.T) {
	known := examined()
	code, out, said, asked := doctorWith(t, known, "")
	if code != exitFound || said != "" {
		t.Fatalf("exit code %d: %s%s", code, said, out)
	}
	golden(t, "testdata/doctor.txt", out)
	slices.Sort(asked)
	askedAll(t, known, slices.Compact(asked), everywherePath) // which this cluster does not serve
	documented(t, "../../docs/operate.md", out)
}

// What cannot be read makes its own checks unknown, and no others; the exit code says it.
func TestDoctorUnread(t *testing.T) {
	const forbidden = `403 x is forbidden: User "u" cannot list resource "x" in API group "g" at the cluster scope`
	healthy := func() map[string]string {
		known := examined()
		known["/apis/autoscaling/v2/horizontalpodautoscalers?continue=more&limit=500"] = `{items: []}`
		return known
	}
	for name, tc := range map[string]struct {
		edit  func(map[string]string)
		code  int
		check map[string]doctor.State
		right string
	}{
		"all of it may be read": {edit: func(map[string]string) {}, code: 0, check: map[string]doctor.State{"rules": doctor.Warn}},
		"no right to the gates": {
			edit: func(known map[string]string) {
				known[metricsPath] = `403 forbidden: User "u" cannot get path "/metrics"`
			},
			code: exitUsage, check: map[string]doctor.State{"feature-gates": doctor.Unknown, "rules": doctor.Warn}, right: "get the URL /metrics",
		},
		"no right to reviews, and the role is there": {
			edit: func(known map[string]string) {
				known[reviewsPath] = forbidden
				known[rolePath] = `{rules: [{verbs: ["*"], apiGroups: ["*"], resources: ["*"]}]}`
				known[bindingPath] = `{roleRef: {kind: ClusterRole, name: "system:controller:horizontal-pod-autoscaler"}, subjects: [{kind: ServiceAccount, namespace: kube-system, name: horizontal-pod-autoscaler}]}`
			},
			code: 0, check: map[string]doctor.State{"rules": doctor.Warn},
		},
		"no right to reviews, nor to roles": {
			edit: func(known map[string]string) { known[reviewsPath], known[rolePath] = forbidden, forbidden },
			code: exitUsage, check: map[string]doctor.State{"hpa-controller-role": doctor.Unknown, "rules": doctor.Warn}, right: "get clusterroles in the group rbac.authorization.k8s.io",
		},
		"no right to HPAs": {
			edit: func(known map[string]string) { known[allHPAsPath] = forbidden }, code: exitUsage,
			check: map[string]doctor.State{"source": doctor.Unknown, "metrics-served": doctor.Unknown, "hpa-active": doctor.Unknown, "requests": doctor.Unknown, "rules": doctor.Warn},
			right: "list horizontalpodautoscalers in the group autoscaling",
		},
		"no right to APIServices": {
			edit: func(known map[string]string) { known[apiServicesPath] = forbidden }, code: exitUsage,
			check: map[string]doctor.State{
				"resource-metrics": doctor.Unknown, "custom-metrics": doctor.Unknown, "external-metrics": doctor.Unknown, "diagnostics": doctor.Unknown, "ca-bundle": doctor.Unknown,
				"adapter": doctor.Unknown, "rules": doctor.Unknown,
			},
			right: "list apiservices in the group apiregistration.k8s.io",
		},
		"no right to the adapter's file": {
			edit: func(known map[string]string) { known[adapterConfig] = forbidden }, code: exitUsage,
			check: map[string]doctor.State{"rules": doctor.Unknown}, right: "get configmaps in the core group, in loadline-system",
		},
		"no right to the HPA controller's Lease": {
			edit: func(known map[string]string) { known[managerLease] = forbidden }, code: exitUsage,
			check: map[string]doctor.State{"hpa-active": doctor.Unknown, "rules": doctor.Warn}, right: "get leases in the group coordination.k8s.io, in kube-system",
		},
		"no Lease of the HPA controller": {
			edit: func(known map[string]string) {
				known[managerLease] = `404 leases.coordination.k8s.io "kube-controller-manager" not found`
			},
			code: 0, check: map[string]doctor.State{"rules": doctor.Warn},
		},
		"nobody runs the HPA controller": {
			edit: func(known map[string]string) {
				known[managerLease] = `{spec: {renewTime: "2026-06-01T11:58:30.000000Z"}}`
			},
			code: exitFound, check: map[string]doctor.State{"hpa-active": doctor.Fail, "rules": doctor.Warn},
		},
		"no policies": {
			edit: func(known map[string]string) {
				delete(known, "/apis/loadline.dev/v1alpha1/autoscalingpolicies?limit=500")
				known["/apis/apps/v1/deployments?labelSelector=app.kubernetes.io%2Fname%3Dloadline-policy&limit=500"] = `{items: []}`
			},
			code: 0, check: map[string]doctor.State{"rules": doctor.Warn},
		},
		"an API that hangs": {
			edit: func(known map[string]string) { known[externalList] = "hang" }, code: exitFound,
			check: map[string]doctor.State{"external-metrics": doctor.Fail, "rules": doctor.Unknown},
		},
		"the adapter says what its source does": {
			edit: func(known map[string]string) {
				known[everywherePath] = `{items: [{rule: {source: default}, reads: [{values: [], problem: {reason: source-failed, message: connection refused}}]}]}`
			},
			code: exitFound, check: map[string]doctor.State{"source": doctor.Fail, "rules": doctor.Warn},
		},
		"nonsense": {
			edit: func(known map[string]string) { known[serverPath] = "[]" }, code: exitUsage,
			check: map[string]doctor.State{"version": doctor.Unknown, "clock": doctor.Unknown, "rules": doctor.Warn},
		},
	} {
		t.Run(name, func(t *testing.T) {
			known := healthy()
			tc.edit(known)
			code, out, said, _ := doctorWith(t, known, "", "-o", "json")
			var r doctor.Report
			if err := json.Unmarshal([]byte(out), &r); err != nil {
				t.Fatalf("%v: %s%s", err, said, out)
			}
			if code != tc.code || said != "" {
				t.Errorf("exit code %d, want %d: %s", code, tc.code, said)
			}
			states, rights := map[string]doctor.State{}, ""
			for _, f := range r.Checks {
				if f.State != doctor.OK {
					states[f.ID] = f.State
				}
				rights += strings.Join(f.MissingRights, "\n") + "\n"
			}
			if diff := cmp.Diff(tc.check, states); diff != "" {
				t.Errorf("%s\n%s", diff, out)
			}
			if !strings.Contains(rights, tc.right) {
				t.Errorf("rights %q, want %q", rights, tc.right)
			}
		})
	}
}

// With -n only that namespace's HPAs and workloads are read.
func TestDoctorNamespace(t *testing.T) {
	known := examined()
	_, _, _, asked := doctorWith(t, known, "shop")
	for _, path := range []string{hpaListPath, "/apis/apps/v1/namespaces/shop/deployments?limit=500", "/api/v1/namespaces/shop/limitranges?limit=500", "/apis/loadline.dev/v1alpha1/namespaces/shop/autoscalingpolicies?limit=500"} {
		if !slices.Contains(asked, path) {
			t.Errorf("%s was not asked for: %q", path, asked)
		}
	}
	for _, path := range []string{allHPAsPath, "/apis/apps/v1/deployments?limit=500"} {
		if slices.Contains(asked, path) {
			t.Errorf("%s was asked for", path)
		}
	}
}

// What the HPA controller may is asked as the controller, for what it reads.
func TestDoctorReviews(t *testing.T) {
	var bodies []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			var body bytes.Buffer
			_, _ = body.ReadFrom(r.Body)
			bodies = append(bodies, r.URL.Path+" "+r.Header.Get("Content-Type")+" "+body.String())
		}
		http.Error(w, "404 page not found", http.StatusNotFound)
	}))
	defer server.Close()
	t.Setenv("KUBECONFIG", t.TempDir()+"/none")
	e := &env{IOStreams: genericiooptions.NewTestIOStreamsDiscard(), flags: genericclioptions.NewConfigFlags(true), now: time.Now}
	e.flags.APIServer = &server.URL
	c, err := e.cluster()
	if err != nil {
		t.Fatal(err)
	}
	client, err := discovery.NewDiscoveryClientForConfig(c.config)
	if err != nil {
		t.Fatal(err)
	}
	x := &examiner{client: client.RESTClient()}
	for _, a := range doctor.Asked() {
		if got := x.review(t.Context(), a); got.Unread == nil || !got.Unread.Absent || got.Unread.Reason != "the cluster does not serve it" {
			t.Errorf("%s: %+v", a, got)
		}
	}
	if len(bodies) != len(doctor.Asked()) {
		t.Fatalf("%q", bodies)
	}
	want := reviewsPath + ` application/json {"kind":"SubjectAccessReview","apiVersion":"authorization.k8s.io/v1","metadata":{},"spec":{"resourceAttributes":{"namespace":"default","verb":"get","group":"custom.metrics.k8s.io","version":"*","resource":"pods","subresource":"loadline-doctor"},` +
		`"user":"system:serviceaccount:kube-system:horizontal-pod-autoscaler","groups":["system:serviceaccounts","system:serviceaccounts:kube-system","system:authenticated"]},"status":{"allowed":false}}`
	if diff := cmp.Diff(want, bodies[4]); diff != "" {
		t.Error(diff)
	}
}
