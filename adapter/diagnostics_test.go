package adapter

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	openapinamer "k8s.io/apiserver/pkg/endpoints/openapi"
	genericapiserver "k8s.io/apiserver/pkg/server"
	"k8s.io/kube-openapi/pkg/validation/spec"
	cmapiserver "sigs.k8s.io/custom-metrics-apiserver/pkg/apiserver"

	"github.com/loadline/loadline/provider/api/v1alpha1"
	"github.com/loadline/loadline/provider/catalog"
	"github.com/loadline/loadline/provider/demand"
	"github.com/loadline/loadline/provider/diagnose"
	"github.com/loadline/loadline/provider/eval"
	"github.com/loadline/loadline/provider/metric"
	"github.com/loadline/loadline/provider/rule"
	"github.com/loadline/loadline/provider/store"
)

const diagnosticsPath = "/apis/diagnostics.loadline.dev/v1alpha1"

// serveDiagnostics serves our API through the real filters, to who may read it in the
// namespace a, which wants one metric, as does the namespace b.
func serveDiagnostics(t *testing.T) http.Handler { return newDiagnostics(t).Handler }

func newDiagnostics(t *testing.T) *genericapiserver.GenericAPIServer {
	t.Helper()
	rules, err := rule.Compile([]byte(servedRules))
	if err != nil {
		t.Fatal(err)
	}
	wanted := demand.New(demand.Limits{Total: 100, PerNamespace: 100, Idle: time.Minute})
	for _, namespace := range []string{"a", "b"} {
		id := metric.Identifier{API: metric.External, Metric: "depth", Namespace: namespace}
		if _, err := wanted.Reference(namespace+"/web", []metric.Identifier{id}); err != nil {
			t.Fatal(err)
		}
	}
	held := store.New()
	mapper, _ := newCluster(t)
	known := catalog.New(catalog.Options{Rules: rules, Source: ones{}, Scopes: mapper, MaxAge: time.Hour, Now: time.Now})
	known.Relist(t.Context())
	evaluator := eval.New(eval.Options{
		Source: ones{}, Catalog: known, Objects: everything{}, Mapper: mapper, Demand: wanted, Store: held,
		Metrics: eval.NewMetrics(prometheus.NewRegistry()), Interval: time.Hour, Timeout: time.Second, Concurrency: 1, Now: time.Now,
	})
	evaluator.Evaluate(t.Context(), wanted.Wanted())

	scheme, err := diagnosticsScheme()
	if err != nil {
		t.Fatal(err)
	}
	config := newTestConfig(nil, nil, nil)
	namer := openapinamer.NewDefinitionNamer(cmapiserver.Scheme, scheme)
	config.OpenAPIConfig, config.OpenAPIV3Config = genericapiserver.DefaultOpenAPIConfig(openAPI, namer), genericapiserver.DefaultOpenAPIV3Config(openAPI, namer)
	config.OpenAPIConfig.Info.Title, config.OpenAPIV3Config.Info.Title = "test", "test"
	config.SkipOpenAPIInstallation = false
	config.Authorization.Authorizer = authorizer.AuthorizerFunc(func(_ context.Context, a authorizer.Attributes) (authorizer.Decision, string, error) {
		mayRead := a.GetAPIGroup() == "diagnostics.loadline.dev" && a.GetResource() == "metrics" && a.GetNamespace() == "a"
		if !a.IsResourceRequest() || mayRead {
			return authorizer.DecisionAllow, "", nil
		}
		return authorizer.DecisionDeny, "not yours", nil
	})
	server := newTestServer(t, config, nil, nil)
	t.Cleanup(server.Destroy)
	err = installDiagnostics(server, scheme, &diagnose.Describer{
		Demand: wanted, Catalog: known, Evaluation: alone(evaluator), Store: held, MaxAge: time.Minute, BuiltIn: func() bool { return true }, Now: time.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	return server
}

func askFor(h http.Handler, method, path, accept string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, nil)
	if accept != "" {
		r.Header.Set("Accept", accept)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// It can be got and listed, by who may, and nothing else.
func TestDiagnosticsRights(t *testing.T) {
	h := serveDiagnostics(t)
	for _, tc := range []struct {
		method, path string
		code         int
	}{
		{"GET", diagnosticsPath + "/namespaces/a/metrics", 200},
		{"GET", diagnosticsPath + "/namespaces/a/metrics?limit=1", 200},
		{"GET", diagnosticsPath + "/namespaces/a/metrics?continue=x", 400},
		{"GET", diagnosticsPath + "/namespaces/a/metrics?fieldSelector=spec.a%3Db", 400},
		{"GET", diagnosticsPath + "/namespaces/a/metrics/external:depth", 200},
		{"GET", diagnosticsPath + "/namespaces/a/metrics/pods:requests", 200},
		{"GET", diagnosticsPath + "/namespaces/a/metrics/pods:nothing", 404},
		{"GET", diagnosticsPath + "/namespaces/b/metrics", 403},
		{"GET", diagnosticsPath + "/namespaces/b/metrics/external:depth", 403},
		{"GET", diagnosticsPath + "/metrics", 403},
		{"GET", diagnosticsPath + "/namespaces/a/metrics?watch=true", 405},
		{"DELETE", diagnosticsPath + "/namespaces/a/metrics", 405},
		{"POST", diagnosticsPath + "/namespaces/a/metrics", 405},
		{"PUT", diagnosticsPath + "/namespaces/a/metrics/external:depth", 405},
	} {
		if w := askFor(h, tc.method, tc.path, ""); w.Code != tc.code {
			t.Errorf("%s %s: %d, want %d: %s", tc.method, tc.path, w.Code, tc.code, w.Body)
		}
	}
	var list v1alpha1.MetricList
	w := askFor(h, "GET", diagnosticsPath+"/namespaces/a/metrics", "")
	if err := json.Unmarshal(w.Body.Bytes(), &list); err != nil {
		t.Fatal(err)
	}
	if list.Kind != "MetricList" || list.APIVersion != v1alpha1.GroupVersion.String() || len(list.Items) != 1 {
		t.Fatalf("%s", w.Body)
	}
	m := list.Items[0]
	if m.Namespace != "a" || m.Name != "external:depth" || m.Rule.Origin != v1alpha1.OriginBuiltIn || len(m.Reads) != 1 || len(m.Reads[0].Values) != 1 || m.Reads[0].Sharing.OtherReads != 1 {
		t.Errorf("%s", w.Body)
	}
}

// What discovery says of it, and what kubectl get shows.
func TestDiagnosticsDiscovery(t *testing.T) {
	h := serveDiagnostics(t)
	var found metav1.APIResourceList
	w := askFor(h, "GET", diagnosticsPath, "")
	if err := json.Unmarshal(w.Body.Bytes(), &found); err != nil {
		t.Fatalf("%v: %s", err, w.Body)
	}
	want := []metav1.APIResource{{Name: "metrics", SingularName: "metric", Namespaced: true, Kind: "Metric", Verbs: metav1.Verbs{"get", "list"}}}
	if diff := cmp.Diff(want, found.APIResources); diff != "" {
		t.Error(diff)
	}
	var table metav1.Table
	w = askFor(h, "GET", diagnosticsPath+"/namespaces/a/metrics", "application/json;as=Table;v=v1;g=meta.k8s.io")
	if err := json.Unmarshal(w.Body.Bytes(), &table); err != nil || table.Kind != "Table" || len(table.Rows) != 1 || len(table.ColumnDefinitions) != 7 {
		t.Errorf("%v: %s", err, w.Body)
	}
}

// The API server joins our definitions with its own; one that is not whole would end it at the
// start.
func TestDiagnosticsOpenAPI(t *testing.T) {
	server := newDiagnostics(t)
	server.PrepareRun()
	for path, want := range map[string]string{
		"/openapi/v2":                   `"dev.loadline.diagnostics.v1alpha1.MetricList"`,
		"/openapi/v3" + diagnosticsPath: `"$ref":"#/components/schemas/dev.loadline.diagnostics.v1alpha1.Read"`,
	} {
		w := askFor(server.Handler, "GET", path, "application/json")
		if w.Code != 200 || !strings.Contains(w.Body.String(), want) || !strings.Contains(w.Body.String(), `{"group":"diagnostics.loadline.dev","kind":"Metric","version":"v1alpha1"}`) {
			t.Errorf("%s: %d, %d bytes without %s", path, w.Code, w.Body.Len(), want)
		}
		// Each type that is referred to is there, as a key.
		for _, ref := range regexp.MustCompile(`"\$ref":"#/(?:components/schemas|definitions)/([^"]+)"`).FindAllStringSubmatch(w.Body.String(), -1) {
			if !strings.Contains(w.Body.String(), `"`+ref[1]+`":{`) {
				t.Errorf("%s: no %s", path, ref[1])
			}
		}
	}
}

// kubectl explain has each field's meaning.
func TestDiagnosticsAreDescribed(t *testing.T) {
	definitions := openAPI(func(path string) spec.Ref { return spec.MustCreateRef("#/" + path) })
	found := 0
	for name, d := range definitions {
		if !strings.HasPrefix(name, "dev.loadline.diagnostics.v1alpha1.") {
			continue
		}
		found++
		for field, p := range d.Schema.Properties {
			if p.Description == "" && !slices.Contains([]string{"kind", "apiVersion", "metadata", "items"}, field) {
				t.Errorf("%s.%s has no description", name, field)
			}
		}
	}
	if found != 7 {
		t.Errorf("%d types", found)
	}
}
