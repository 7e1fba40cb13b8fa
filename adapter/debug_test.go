package adapter

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/loadline/loadline/provider/catalog"
	"github.com/loadline/loadline/provider/demand"
	"github.com/loadline/loadline/provider/eval"
	"github.com/loadline/loadline/provider/metric"
	"github.com/loadline/loadline/provider/plan"
	"github.com/loadline/loadline/provider/rule"
	"github.com/loadline/loadline/provider/store"
)

// The plan of what is wanted, as text and as JSON.
func TestDebugPlan(t *testing.T) {
	rules, err := rule.Compile([]byte(servedRules))
	if err != nil {
		t.Fatal(err)
	}
	mapper, _ := newCluster(t)
	known := catalog.New(catalog.Options{Rules: rules, Source: ones{}, Scopes: mapper, MaxAge: time.Hour, Now: time.Now})
	known.Relist(t.Context())
	wanted := demand.New(demand.Limits{Total: 100, PerNamespace: 100, Idle: time.Minute})
	for _, ns := range []string{"a", "b"} {
		id := metric.Identifier{API: metric.Custom, Metric: "requests", Namespace: ns, Resource: schema.GroupResource{Resource: "pods"}}
		if err := wanted.Read(id, time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	one := eval.New(eval.Options{
		Source: ones{}, Catalog: known, Objects: everything{}, Mapper: mapper, Demand: wanted, Store: store.New(),
		Metrics: eval.NewMetrics(prometheus.NewRegistry()), Concurrency: 1, Now: time.Now,
	})
	h := debugPlan(eval.NewRouter(func(metric.Identifier) string { return "" }, map[string]*eval.Evaluator{"": one}))
	ask := func(method, accept string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(method, "/debug/plan", nil)
		r.Header.Set("Accept", accept)
		w := httptest.NewRecorder()
		h(w, r)
		return w
	}
	want := `rules[0]: one query for 2 reads, told apart by namespace, pod
  sum by (pod, namespace) (requests{namespace=~"a|b",pod="x"})
    custom/namespaces/a/pods/*/requests  (1 objects)
    custom/namespaces/b/pods/*/requests  (1 objects)
`
	if w := ask(http.MethodGet, "*/*"); w.Code != http.StatusOK || w.Body.String() != want {
		t.Errorf("%d (-want +got):\n%s", w.Code, cmp.Diff(want, w.Body.String()))
	}
	var e plan.Explanation
	w := ask(http.MethodGet, "application/json")
	if err := json.Unmarshal(w.Body.Bytes(), &e); err != nil || len(e.Queries) != 1 || len(e.Queries[0].Reads) != 2 || !strings.HasPrefix(w.Header().Get("Content-Type"), "application/json") {
		t.Errorf("%v: %s", err, w.Body)
	}
	if w := ask(http.MethodPost, ""); w.Code != http.StatusMethodNotAllowed {
		t.Errorf("POST: %d", w.Code)
	}
}
