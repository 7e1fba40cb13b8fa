package adapter

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"runtime/debug"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/metadata"
	cmprovider "sigs.k8s.io/custom-metrics-apiserver/pkg/provider"

	"github.com/loadline/loadline/provider"
	"github.com/loadline/loadline/provider/catalog"
	"github.com/loadline/loadline/provider/demand"
	"github.com/loadline/loadline/provider/eval"
	"github.com/loadline/loadline/provider/metric"
	"github.com/loadline/loadline/provider/object"
	"github.com/loadline/loadline/provider/rule"
	"github.com/loadline/loadline/provider/store"
)

// The fleet: as many HPAs, of ten pods each, ten HPAs in a namespace.
const (
	fleetSpaces = 1000
	fleetApps   = 10 // in each namespace
	fleetPods   = 10 // of each app
	fleetSync   = 15 * time.Second
)

func fleetSpace(i int) string { return fmt.Sprintf("team-%04d", i) }
func fleetApp(i int) string   { return fmt.Sprintf("app-%02d", i) }
func fleetPod(app, i int) string {
	return fmt.Sprintf("app-%02d-7d9c5b6f48-%05d", app, i)
}

// BenchmarkFleet is what 10,000 HPA metrics over 100,000 pods take, source and API server
// simulated in the same process: the CPU of an evaluation of everything, as a share of the
// interval, and of the reads, as a share of the HPA controller's period; and the memory
// that is held, and was at most. With cold reads it is 10,000 metrics at once.
//
//	go test -run - -bench Fleet -benchtime 1x -timeout 20m ./adapter
func BenchmarkFleet(b *testing.B) {
	f := newFleet(b)
	o := NewOptions()
	peak := watchMemory(b.Context())
	for b.Loop() {
		f.evaluator.Evaluate(b.Context(), f.wanted.Wanted()) // connections, lists
		debug.FreeOSMemory()
		const rounds = 5
		f.queries.Store(0)
		began, used := time.Now(), cpu()
		for range rounds {
			f.evaluator.Evaluate(b.Context(), f.wanted.Wanted())
		}
		evaluation := (cpu() - used) / rounds
		b.ReportMetric(time.Since(began).Seconds()/rounds, "s/evaluation")
		b.ReportMetric(float64(f.queries.Load())/rounds, "queries/evaluation")
		b.ReportMetric(evaluation.Seconds()/o.EvaluationInterval.Seconds(), "cores-evaluating")

		used = cpu()
		for space := range fleetSpaces {
			for app := range fleetApps {
				if n := f.read(b, space, app); n != fleetPods {
					b.Fatalf("%d values of %s in %s, want %d", n, fleetApp(app), fleetSpace(space), fleetPods)
				}
			}
		}
		reads := cpu() - used
		b.ReportMetric(float64(reads.Microseconds())/(fleetSpaces*fleetApps), "µs-CPU/read")
		b.ReportMetric(reads.Seconds()/fleetSync.Seconds(), "cores-reading")
	}
	b.ReportMetric(float64(f.held.Stats().Values), "values")
	b.ReportMetric(float64(peak())/(1<<20), "peak-MiB")
	debug.FreeOSMemory()
	b.ReportMetric(float64(resident())/(1<<20), "held-MiB")
}

// cpu is what this process has used.
func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// fleet is the metrics path, wired as in build, with the default options.
type fleet struct {
	evaluator *eval.Evaluator
	held      *store.Store
	wanted    *demand.Registry
	custom    *provider.Custom
	queries   atomic.Int64
}

func newFleet(b *testing.B) *fleet {
	b.Helper()
	debug.SetMemoryLimit(goMemLimit)
	f := &fleet{}
	server := httptest.NewServer(http.HandlerFunc(f.answer))
	b.Cleanup(server.Close)
	rules, err := rule.Compile([]byte(`
rules:
- {seriesQuery: requests, resources: {template: <<.Resource>>}, metricsQuery: 'sum(rate(<<.Series>>{<<.LabelMatchers>>}[1m])) by (<<.GroupBy>>)'}
`))
	if err != nil {
		b.Fatal(err)
	}
	o := NewOptions()
	o.Source.URL = server.URL
	src, err := o.Source.source(time.Minute)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(src.CloseIdleConnections)
	kinds := meta.NewDefaultRESTMapper([]schema.GroupVersion{{Version: "v1"}})
	kinds.Add(schema.GroupVersionKind{Version: "v1", Kind: "Pod"}, meta.RESTScopeNamespace)
	kinds.Add(schema.GroupVersionKind{Version: "v1", Kind: "Namespace"}, meta.RESTScopeRoot)
	known := catalog.New(catalog.Options{Rules: rules, Source: src, Scopes: podScopes{kinds}, MaxAge: time.Hour, Now: time.Now})
	known.Relist(b.Context())
	objects := object.NewCache(b.Context(), fleetObjects{}, kinds, 0)
	b.Cleanup(objects.Wait)
	f.wanted = demand.New(o.Demand)
	f.held = store.NewLimited(store.Limits{Values: o.MaxValuesHeld, Referenced: f.wanted.Referenced})
	registry := prometheus.NewRegistry()
	f.evaluator = eval.New(eval.Options{
		Source: src, Catalog: known, Objects: objects, Mapper: kinds, Demand: f.wanted, Store: f.held, Metrics: eval.NewMetrics(registry),
		Interval: o.EvaluationInterval, Timeout: time.Minute, Concurrency: o.QueryConcurrency, MaxValues: o.MaxValuesHeld, MaxAnswer: o.Source.MaxValues, Now: time.Now,
	})
	f.custom = &provider.Custom{
		Reader:  &provider.Reader{Demand: f.wanted, Evaluator: alone(f.evaluator), Store: f.held, MaxAge: time.Hour, Patience: time.Second, Now: time.Now},
		Catalog: known, Objects: objects, Mapper: kinds, Metrics: provider.NewMetrics(registry),
	}
	for space := range fleetSpaces {
		for app := range fleetApps {
			key := fleetSpace(space) + "/" + fleetApp(app)
			id := metric.Identifier{API: metric.Custom, Metric: "requests", Namespace: fleetSpace(space), Resource: schema.GroupResource{Resource: "pods"}, Selector: "app=" + fleetApp(app)}
			if _, err := f.wanted.Reference(key, []metric.Identifier{id}); err != nil {
				b.Fatal(err)
			}
		}
	}
	return f
}

func (f *fleet) read(b *testing.B, space, app int) int {
	list, err := f.custom.GetMetricBySelector(b.Context(), fleetSpace(space), labels.SelectorFromSet(labels.Set{"app": fleetApp(app)}),
		cmprovider.CustomMetricInfo{GroupResource: schema.GroupResource{Resource: "pods"}, Metric: "requests", Namespaced: true}, labels.Everything())
	if err != nil {
		b.Fatal(err)
	}
	return len(list.Items)
}

var fleetNamespace = regexp.MustCompile(`team-(\d{4})`)

// answer has every pod of the namespaces that a query names, or of all.
func (f *fleet) answer(w http.ResponseWriter, r *http.Request) {
	query := r.FormValue("query")
	if query == "" {
		fmt.Fprint(w, `{"status":"success","data":[{"__name__":"requests","namespace":"a","pod":"b"}]}`)
		return
	}
	f.queries.Add(1)
	named := fleetNamespace.FindAllStringSubmatch(query, -1)
	if len(named) == 0 && !strings.Contains(query, "namespace=") {
		for i := range fleetSpaces {
			named = append(named, []string{"", strconv.Itoa(i)})
		}
	}
	fmt.Fprint(w, `{"status":"success","data":{"resultType":"vector","result":[`)
	var buffer bytes.Buffer
	for i, n := range named {
		space, _ := strconv.Atoi(n[1])
		buffer.Reset()
		for app := range fleetApps {
			for pod := range fleetPods {
				if i+app+pod > 0 {
					buffer.WriteByte(',')
				}
				fmt.Fprintf(&buffer, `{"metric":{"namespace":"%s","pod":"%s"},"value":[1700000000.125,"%d.123456789012"]}`, fleetSpace(space), fleetPod(app, pod), pod)
			}
		}
		_, _ = w.Write(buffer.Bytes())
	}
	fmt.Fprint(w, `]}}`)
}

// fleetObjects is an API server that has the fleet's pods and no news of them.
type fleetObjects struct{ metadata.ResourceInterface }

func (o fleetObjects) Resource(schema.GroupVersionResource) metadata.Getter { return fleetGetter{o} }

// IsWatchListSemanticsUnSupported has the reflector list.
func (fleetObjects) IsWatchListSemanticsUnSupported() bool { return true }

type fleetGetter struct{ fleetObjects }

func (g fleetGetter) Namespace(string) metadata.ResourceInterface { return g.fleetObjects }

func (fleetObjects) List(context.Context, metav1.ListOptions) (*metav1.PartialObjectMetadataList, error) {
	list := &metav1.PartialObjectMetadataList{ListMeta: metav1.ListMeta{ResourceVersion: "1"}}
	for space := range fleetSpaces {
		for app := range fleetApps {
			for pod := range fleetPods {
				list.Items = append(list.Items, metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{
					Namespace: fleetSpace(space), Name: fleetPod(app, pod), ResourceVersion: "1",
					Labels: map[string]string{"app": fleetApp(app), "pod-template-hash": "7d9c5b6f48"},
				}})
			}
		}
	}
	return list, nil
}

func (fleetObjects) Watch(ctx context.Context, _ metav1.ListOptions) (watch.Interface, error) {
	w := watch.NewFake()
	context.AfterFunc(ctx, w.Stop)
	return w, nil
}
