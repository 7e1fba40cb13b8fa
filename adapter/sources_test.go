package adapter

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/labels"
	cmprovider "sigs.k8s.io/custom-metrics-apiserver/pkg/provider"

	"github.com/loadline/loadline/provider"
	"github.com/loadline/loadline/provider/catalog"
	"github.com/loadline/loadline/provider/demand"
	"github.com/loadline/loadline/provider/eval"
	"github.com/loadline/loadline/provider/metric"
	"github.com/loadline/loadline/provider/rule"
	"github.com/loadline/loadline/provider/store"
)

// prom is a Prometheus with one series, depth, to which every query gives one value.
type prom struct {
	*httptest.Server
	value   int
	hangs   atomic.Bool
	queries atomic.Int64
	newest  atomic.Value // request's tenant and credentials
}

func newProm(t *testing.T, value int) *prom {
	t.Helper()
	p := &prom{value: value}
	over := make(chan struct{})
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.newest.Store(r.Header.Get("X-Scope-OrgID") + " " + r.Header.Get("Authorization"))
		isQuery := strings.HasSuffix(r.URL.Path, "/query")
		if isQuery {
			p.queries.Add(1)
		}
		if p.hangs.Load() {
			select {
			case <-r.Context().Done():
			case <-over:
			}
			return
		}
		data := `["depth"]`
		if isQuery {
			data = fmt.Sprintf(`{"resultType":"vector","result":[{"metric":{},"value":[%d,"%d"]}]}`, time.Now().Unix(), p.value)
		}
		fmt.Fprintf(w, `{"status":"success","data":%s}`, data)
	}))
	t.Cleanup(p.Close)
	t.Cleanup(func() { close(over) })
	return p
}

// several is the parts of the metrics path over some sources, as build joins them but for
// what needs a cluster.
type several struct {
	*parts
	external *provider.External
	options  *Options
}

func newSeveral(t *testing.T, o *Options, file string) *several {
	t.Helper()
	rules, err := rule.Compile([]byte(file), o.check)
	if err != nil {
		t.Fatal(err)
	}
	// So long that a busy machine is not taken for a source that hangs.
	o.EvaluationInterval, o.QueryTimeout, o.ReadPatience = 500*time.Millisecond, 2*time.Second, 4*time.Second
	o.RelistInterval, o.MaxAge = time.Hour, time.Hour
	p := &parts{demand: demand.New(o.Demand), store: store.New(), metrics: newSelfMetrics()}
	if p.mapper, _ = newCluster(t); p.mapper == nil {
		t.Fatal("no mapper")
	}
	if p.origins, err = o.next(nil, rules); err != nil {
		t.Fatal(err)
	}
	unnamed, named := p.origins.discoverers()
	p.catalog = catalog.New(catalog.Options{Rules: rules, Source: unnamed, Sources: named, Scopes: p.mapper, Interval: o.RelistInterval, MaxAge: o.MaxAge, Now: time.Now, Replaced: p.forget})
	if err := p.follow(o, &rule.Set{}, nil); err != nil {
		t.Fatal(err)
	}
	p.evaluator = eval.NewRouter(p.sourceOf, p.origins.evaluators(p.evaluates(o)))
	p.reader = &provider.Reader{Demand: p.demand, Evaluator: p.evaluator, Store: p.store, MaxAge: o.ValueMaxAge, Patience: o.ReadPatience, Now: time.Now}
	p.reload(o, []byte(file), rules)

	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { p.catalog.Run(ctx) })
	running.Go(func() { p.evaluator.Run(ctx) })
	t.Cleanup(func() { cancel(); running.Wait() })
	return &several{parts: p, options: o, external: &provider.External{Reader: p.reader, Catalog: p.catalog, Queries: p.queries, Metrics: p.metrics.reads}}
}

// read reads an external metric of a queue, or of all, and says when it was evaluated.
func (s *several) read(t *testing.T, metric, queue string) (value int64, at time.Time, err error) {
	t.Helper()
	selector := labels.Everything()
	if queue != "" {
		selector = labels.SelectorFromSet(labels.Set{"queue": queue})
	}
	list, err := s.external.GetExternalMetric(t.Context(), "shop", selector, cmprovider.ExternalMetricInfo{Metric: metric})
	if err != nil {
		return 0, time.Time{}, err
	}
	return list.Items[0].Value.Value(), list.Items[0].Timestamp.Time, nil
}

// gives waits until a metric has a value.
func (s *several) gives(t *testing.T, metric string, want int64) {
	t.Helper()
	eventually(t, func() string {
		got, _, err := s.read(t, metric, "")
		if err == nil && got == want {
			return ""
		}
		return fmt.Sprintf("%s is %d, want %d, %v", metric, got, want, err)
	})
}

// eventually waits until what is wrong is nothing.
func eventually(t *testing.T, wrong func() string) {
	t.Helper()
	tick, deadline := time.NewTicker(10*time.Millisecond), time.After(20*time.Second)
	defer tick.Stop()
	for text := wrong(); text != ""; text = wrong() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal(text)
		}
	}
}

// load has a file read, as a look at it does.
func (s *several) load(t *testing.T, file string) (bad error) {
	t.Helper()
	s.config.read = func() ([]byte, error) { return []byte(file), nil }
	s.config.look(t.Context())
	_, bad = s.config.status()
	return bad
}

// externalRule gives the series depth of a source under a name.
func externalRule(name, source string) string {
	of := ""
	if source != "" {
		of = ", source: " + source
	}
	return fmt.Sprintf("\n- {seriesQuery: depth, name: {as: %s}, resources: {namespaced: false}, metricsQuery: 'sum(<<.Series>>{<<.LabelMatchers>>})'%s}", name, of)
}

// While a source hangs, the metrics of the other are as fresh as ever, are read at once, and
// come at once when they are new. Those of the one that hangs say which it is.
func TestOneOfTwoSourcesHangs(t *testing.T) {
	near, far := newProm(t, 1), newProm(t, 2)
	o := NewOptions()
	o.Source.URL, o.ShareQueries = near.URL, false
	s := newSeveral(t, o, "sources: [{name: far, url: '"+far.URL+"'}]\nexternalRules:"+externalRule("near", "")+externalRule("far", "far"))
	s.gives(t, "near", 1)
	s.gives(t, "far", 2)

	far.hangs.Store(true)
	for i := range 30 { // many times what it can be asked at once
		_, _, _ = s.read(t, "far", fmt.Sprintf("q%d", i))
	}
	eventually(t, func() string {
		if diff := cmp.Diff(map[string]bool{"": true, "far": false}, s.evaluator.Up()); diff != "" {
			return diff
		}
		return ""
	})
	if got := answering(s.evaluator.Up).Name(); got != "sources-of-which-these-do-not-answer:-far" {
		t.Errorf("readiness says %s", got)
	}
	tick := time.NewTicker(200 * time.Millisecond) // so that they are evaluated some times meanwhile
	defer tick.Stop()
	for i := range 15 {
		asked := time.Now()
		value, at, err := s.read(t, "near", "")
		took, age := time.Since(asked), time.Since(at)
		if err != nil || value != 1 || took > o.ReadPatience/2 || age > 3*time.Second { // it is told in whole seconds
			t.Errorf("warm: %d, %v, in %s, %s old", value, err, took, age)
		}
		if value, _, err := s.read(t, "near", fmt.Sprintf("q%d", i)); err != nil || value != 1 {
			t.Errorf("cold: %d, %v", value, err)
		}
		<-tick.C
	}
	asked := time.Now()
	_, _, err := s.read(t, "far", "cold")
	if !apierrors.IsServiceUnavailable(err) || !strings.Contains(err.Error(), `source "far" timeout: `) || time.Since(asked) > o.ReadPatience/2 {
		t.Errorf("cold, of the source that hangs: %v, in %s", err, time.Since(asked))
	}

	far.hangs.Store(false)
	s.gives(t, "far", 2)
	eventually(t, func() string {
		if name := answering(s.evaluator.Up).Name(); name != "sources" {
			return name
		}
		return ""
	})
}

// A source that hangs from the start, discovery and all, does not keep a replica from being
// ready with what the other one gives.
func TestReadyWhileOneOfTwoSourcesHangs(t *testing.T) {
	near, far := newProm(t, 1), newProm(t, 2)
	far.hangs.Store(true)
	o := NewOptions()
	o.Source.URL = near.URL
	s := newSeveral(t, o, "sources: [{name: far, url: '"+far.URL+"'}]\nexternalRules:"+externalRule("near", "")+externalRule("far", "far"))
	id := func(name string) metric.Identifier {
		return metric.Identifier{API: metric.External, Namespace: "shop", Metric: name}
	}
	if _, err := s.demand.Reference("shop/web", []metric.Identifier{id("near"), id("far")}); err != nil {
		t.Fatal(err)
	}
	s.warm = make(chan struct{})
	began := time.Now()
	s.evaluateFirst(t.Context())
	if took := time.Since(began); took < o.QueryTimeout || took > warmUp/2 {
		t.Errorf("ready after %s, want a query's time, %s, and a bit", took, o.QueryTimeout)
	}
	if !closed(t.Context(), s.warm) || s.store.Get(id("near")) == nil || s.store.Get(id("near")).Data == nil {
		t.Error("ready without the value of the other source")
	}
}

// Sources come, change and go with the file, and those that stay are the same as before. A
// file that cannot be used leaves all as it is, until what it needs is there.
func TestReloadOfSources(t *testing.T) {
	near, far, third := newProm(t, 1), newProm(t, 2), newProm(t, 3)
	o := NewOptions()
	o.Source.URL = near.URL
	file := func(url, rest string) string {
		return "sources: [{name: far, url: '" + url + "'" + rest + "}]\nexternalRules:" + externalRule("near", "") + externalRule("far", "far")
	}
	s := newSeveral(t, o, "externalRules:"+externalRule("near", ""))
	s.gives(t, "near", 1)

	if bad := s.load(t, file(far.URL, "")); bad != nil {
		t.Fatal(bad)
	}
	s.gives(t, "far", 2)
	unnamed, first := s.origins[""], s.origins["far"]
	if bad := s.load(t, file(far.URL, "")+externalRule("also", "far")); bad != nil {
		t.Fatal(bad)
	}
	s.gives(t, "also", 2)
	if s.origins["far"] != first {
		t.Error("a source that did not change was made anew")
	}

	token := filepath.Join(t.TempDir(), "token")
	for name, tc := range map[string]struct{ file, want string }{
		"an unknown source": {"externalRules:" + externalRule("near", "") + externalRule("far", "for"), `externalRules[1].source: there is no source "for"`},
		"a bad URL":         {file("ftp://x", ""), "sources[0].url: must begin with http:// or https:// and name a host (line 1)"},
		"no token file":     {file(third.URL, ", tokenFile: "+token), "sources[0] (far): tokenFile: "},
	} {
		if bad := s.load(t, tc.file); bad == nil || !strings.Contains(bad.Error(), tc.want) {
			t.Errorf("%s: %v", name, bad)
		}
		s.gives(t, "also", 2)
	}

	s.load(t, file(third.URL, ", tokenFile: "+token+", headers: {X-Scope-OrgID: shop}")) // the token is not there yet
	if err := os.WriteFile(token, []byte("t"), 0o600); err != nil {
		t.Fatal(err)
	}
	if bad := s.load(t, file(third.URL, ", tokenFile: "+token+", headers: {X-Scope-OrgID: shop}")); bad != nil {
		t.Fatal(bad)
	}
	s.gives(t, "far", 3)
	for _, secret := range []string{"t", "u"} { // it is read again
		if err := os.WriteFile(token, []byte(secret), 0o600); err != nil {
			t.Fatal(err)
		}
		eventually(t, func() string { return cmp.Diff("shop Bearer "+secret, third.newest.Load()) })
	}
	if s.gives(t, "near", 1); s.origins[""] != unnamed {
		t.Error("the source of the flags was made anew")
	}
	eventually(t, func() string { // what was under way may still have come
		before := far.queries.Load()
		<-time.After(2 * o.EvaluationInterval)
		if n := far.queries.Load(); n != before {
			return fmt.Sprintf("the source of before is asked, %d times", n-before)
		}
		return ""
	})

	if bad := s.load(t, "externalRules:"+externalRule("near", "")); bad != nil {
		t.Fatal(bad)
	}
	if _, _, err := s.read(t, "far", ""); !apierrors.IsNotFound(err) {
		t.Errorf("a metric of a source that is gone: %v", err)
	}
	s.gives(t, "near", 1)
	eventually(t, func() string { return cmp.Diff(map[string]bool{"": true}, s.evaluator.Up()) })
}

// Where every rule names a source there need not be one without a name. Queries of policies,
// which would be asked of that, are refused then.
func TestWithoutTheSourceOfTheFlags(t *testing.T) {
	far := newProm(t, 2)
	o := NewOptions()
	if errs := o.Source.validate(); len(errs) > 0 {
		t.Error(errs)
	}
	list := "sources: [{name: far, url: '" + far.URL + "'}]\nexternalRules:"
	s := newSeveral(t, o, list+externalRule("far", "far"))
	s.gives(t, "far", 2)
	if diff := cmp.Diff(map[string]bool{"far": true}, s.evaluator.Up()); diff != "" {
		t.Errorf("up (-want +got):\n%s", diff)
	}
	if _, _, err := s.read(t, "loadline-query.web.lag", ""); err == nil || !strings.Contains(err.Error(), "--prometheus-url, which is not given") {
		t.Errorf("a query of a policy: %v", err)
	}
	if _, _, err := s.read(t, "unknown", ""); !apierrors.IsNotFound(err) {
		t.Errorf("what no rule gives: %v", err)
	}
	want := "--prometheus-url: must be given, for example http://prometheus.monitoring.svc:9090, because externalRules[1] names no source: or restart the adapter, which then scrapes pods itself"
	if bad := s.load(t, list+externalRule("far", "far")+externalRule("near", "")); bad == nil || bad.Error() != want {
		t.Errorf("a rule without a source: %v", bad)
	}
	s.gives(t, "far", 2)
}

// Limits are those of the flags where the file has none; who is asked, and with what, is not.
func TestDescribe(t *testing.T) {
	o := NewOptions()
	o.Source.URL, o.Source.TokenFile, o.Source.Headers, o.Source.Method, o.Source.DisableHTTP2 = "http://near", "/token", []string{"a=b"}, "POST", true
	got := o.describe(rule.Source{Name: "far", URL: "http://far"})
	want := o.Source.config()
	want.Name, want.URL, want.TokenFile, want.Headers, want.Method, want.DisableHTTP2, want.Timeout = "far", "http://far", "", nil, "", false, o.QueryTimeout
	want.MaxBytes, want.MaxSeriesBytes, want.MaxValues = o.Source.MaxBytes, o.Source.MaxSeriesBytes, o.Source.MaxValues
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	age := time.Duration(0)
	got = o.describe(rule.Source{SampleMaxAge: &age, QueryTimeout: time.Second, MaxAnswerBytes: 1, MaxSeriesBytes: 2, MaxAnswerValues: 3})
	if got.Lookback != 0 || got.Timeout != time.Second || got.MaxBytes != 1 || got.MaxSeriesBytes != 2 || got.MaxValues != 3 {
		t.Errorf("%+v", got)
	}
}

// After a reload no read gets the value of a rule of before, also where it is being asked
// for meanwhile; what an unchanged rule gives is there all the time.
func TestReloadServesNoOldValue(t *testing.T) {
	one, ten := newProm(t, 1), newProm(t, 10)
	file := func(from string) string {
		return fmt.Sprintf(`
sources: [{name: one, url: %q}, {name: ten, url: %q}]
externalRules:
- {source: %s, seriesQuery: depth, name: {as: changes}, resources: {namespaced: false}, metricsQuery: 'sum(<<.Series>>{<<.LabelMatchers>>})'}
- {source: one, seriesQuery: depth, name: {as: stays}, resources: {namespaced: false}, metricsQuery: 'sum(<<.Series>>{<<.LabelMatchers>>})'}
`, one.URL, ten.URL, from)
	}
	o := NewOptions()
	s := newSeveral(t, o, file("one"))
	s.gives(t, "changes", 1)
	s.gives(t, "stays", 1)
	for i := range 10 {
		from, want := "ten", int64(10)
		if i%2 == 1 {
			from, want = "one", 1
		}
		rules, err := rule.Compile([]byte(file(from)), o.check)
		if err != nil {
			t.Fatal(err)
		}
		s.evaluator.Soon(s.demand.Wanted()...)
		held := s.store.Get(s.id("stays")) // also while nothing is asked
		if err := s.use(t.Context(), o, rules); err != nil {
			t.Fatal(err)
		}
		if held == nil || s.store.Get(s.id("stays")) == nil {
			t.Error("the value of the unchanged rule is gone")
		}
		for range 20 {
			if got, _, err := s.read(t, "changes", ""); err != nil || got != want {
				t.Errorf("reload %d: %d, want %d, %v", i, got, want, err)
			}
			if got, _, err := s.read(t, "stays", ""); err != nil || got != 1 {
				t.Errorf("reload %d: the unchanged rule gives %d, %v", i, got, err)
			}
		}
	}
}

// id is how a metric is stored that was read of all queues.
func (s *several) id(name string) metric.Identifier {
	return metric.Identifier{API: metric.External, Metric: name, Namespace: "shop"}
}
