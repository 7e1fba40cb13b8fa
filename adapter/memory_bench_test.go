package adapter

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/loadline/loadline/provider/catalog"
	"github.com/loadline/loadline/provider/demand"
	"github.com/loadline/loadline/provider/eval"
	"github.com/loadline/loadline/provider/metric"
	"github.com/loadline/loadline/provider/rule"
	"github.com/loadline/loadline/provider/store"
)

// goMemLimit is GOMEMLIMIT in deploy/overlays/prometheus.
const goMemLimit = 460 << 20

// BenchmarkMemory is the most memory that evaluations with the default limits
// take from the system, source and store included, when far more is wanted than
// they allow. Run each case in a process of its own, for the peak is the process's:
//
//	for c in pods series large; do go test -run - -bench Memory/$c -benchtime 1x ./adapter; done
func BenchmarkMemory(b *testing.B) {
	pod := func(i int) string { return fmt.Sprintf(`"pod":"%s"`, podName(i)) }
	queue := func(i int) string {
		return fmt.Sprintf(`"queue":"queue-%05d","namespace":"shop","cluster":"west"`, i)
	}
	for name, tc := range map[string]struct {
		thousands int // of samples in each answer
		labels    func(int) string
		wanted    int
		id        func(i int) metric.Identifier
	}{
		// 2,000 metric selectors over 1,000 pods.
		"pods": {1, pod, 2000, func(i int) metric.Identifier {
			return metric.Identifier{API: metric.Custom, Metric: "requests", Namespace: "shop", Resource: schema.GroupResource{Resource: "pods"}, MetricSelector: fmt.Sprintf("path=p%d", i)}
		}},
		// Answers of as many values as one may have.
		"series": {20, queue, 50, func(i int) metric.Identifier {
			return metric.Identifier{API: metric.External, Metric: "depth", Namespace: "shop", MetricSelector: fmt.Sprintf("queue=q%d", i)}
		}},
		// Answers of more than 50 MiB.
		"large": {600, queue, 20, func(i int) metric.Identifier {
			return metric.Identifier{API: metric.External, Metric: "depth", Namespace: "shop", MetricSelector: fmt.Sprintf("queue=q%d", i)}
		}},
	} {
		b.Run(name, func(b *testing.B) {
			if os.Getenv("GOMEMLIMIT") == "" {
				defer debug.SetMemoryLimit(debug.SetMemoryLimit(goMemLimit))
			}
			content := samples(1000, tc.labels)
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if strings.HasSuffix(r.URL.Path, "/series") {
					fmt.Fprint(w, `{"status":"success","data":[{"__name__":"requests","namespace":"shop","pod":"p"},{"__name__":"depth","queue":"q"}]}`)
					return
				}
				fmt.Fprint(w, `{"status":"success","data":{"resultType":"vector","result":[`)
				for i := range tc.thousands {
					if i > 0 {
						fmt.Fprint(w, ",")
					}
					if _, err := w.Write(content); err != nil {
						return // the answer is too large and is read no further
					}
				}
				fmt.Fprint(w, "]}}")
			}))
			defer server.Close()
			evaluator, held, wanted := evaluation(b, server.URL)
			for i := range tc.wanted {
				if err := wanted.Read(tc.id(i), time.Now()); err != nil {
					b.Fatal(err)
				}
			}
			debug.FreeOSMemory()
			peak := watchMemory(b.Context())
			for b.Loop() {
				for range 5 {
					evaluator.Evaluate(b.Context(), wanted.Wanted())
				}
			}
			stats := held.Stats()
			b.ReportMetric(float64(peak())/(1<<20), "peak-MiB")
			b.ReportMetric(float64(stats.Values), "values")
			b.ReportMetric(float64(stats.Rejections), "rejections")
		})
	}
}

func podName(i int) string { return fmt.Sprintf("checkout-7d9c5b6f48-%05d", i) }

// samples are elements of a vector, separated by commas.
func samples(n int, labels func(int) string) []byte {
	var b bytes.Buffer
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"metric":{%s},"value":[1700000000.125,"%d.123456789012"]}`, labels(i), i)
	}
	return b.Bytes()
}

// evaluation is wired as in build, with the default options, and 1,000 pods.
func evaluation(b *testing.B, url string) (*eval.Evaluator, *store.Store, *demand.Registry) {
	b.Helper()
	rules, err := rule.Compile([]byte(`
rules:
- {seriesQuery: requests, resources: {template: <<.Resource>>}, metricsQuery: 'sum(<<.Series>>{<<.LabelMatchers>>}) by (<<.GroupBy>>)'}
externalRules:
- {seriesQuery: depth, resources: {namespaced: false}, metricsQuery: '<<.Series>>{<<.LabelMatchers>>}'}
`))
	if err != nil {
		b.Fatal(err)
	}
	o := NewOptions()
	o.Source.URL = url
	src, err := o.Source.source(time.Minute)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(src.CloseIdleConnections)
	mapper := meta.NewDefaultRESTMapper([]schema.GroupVersion{{Version: "v1"}})
	mapper.Add(schema.GroupVersionKind{Version: "v1", Kind: "Pod"}, meta.RESTScopeNamespace)
	mapper.Add(schema.GroupVersionKind{Version: "v1", Kind: "Namespace"}, meta.RESTScopeRoot)
	known := catalog.New(catalog.Options{Rules: rules, Source: src, Scopes: podScopes{mapper}, MaxAge: time.Hour, Now: time.Now})
	known.Relist(b.Context())
	pods := make(livePods, 1000)
	for i := range pods {
		pods[i] = podName(i)
	}
	wanted := demand.New(o.Demand)
	held := store.NewLimited(store.Limits{Values: o.MaxValuesHeld, Referenced: wanted.Referenced})
	return eval.New(eval.Options{
		Source: src, Catalog: known, Objects: pods, Mapper: mapper, Demand: wanted, Store: held, Metrics: eval.NewMetrics(prometheus.NewRegistry()),
		Interval: o.EvaluationInterval, Timeout: time.Minute, Concurrency: o.QueryConcurrency, MaxValues: o.MaxValuesHeld, Now: time.Now,
	}), held, wanted
}

type podScopes struct{ *meta.DefaultRESTMapper }

func (podScopes) Namespaced(gr schema.GroupResource) (bool, error) { return gr.Resource == "pods", nil }

// livePods are the same for every selector.
type livePods []string

func (livePods) Count(schema.GroupResource, string) (int, bool) { return 0, false }

func (p livePods) Names(context.Context, schema.GroupResource, string, labels.Selector, string) ([]string, error) {
	return p, nil
}

func (livePods) Has(context.Context, schema.GroupResource, string, string) (bool, error) {
	return true, nil
}

// resident is what the Go runtime has from the system and has not given back.
func resident() uint64 {
	samples := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	metrics.Read(samples)
	return samples[0].Value.Uint64() - samples[1].Value.Uint64()
}

// watchMemory looks every few milliseconds at what the Go runtime has from the
// system and has not given back. The function it returns ends that and tells the
// most that was seen, in bytes.
func watchMemory(ctx context.Context) func() uint64 {
	ctx, cancel := context.WithCancel(ctx)
	most := make(chan uint64)
	go func() {
		ticker := time.NewTicker(2 * time.Millisecond)
		defer ticker.Stop()
		peak := uint64(0)
		for {
			peak = max(peak, resident())
			select {
			case <-ticker.C:
			case <-ctx.Done():
				most <- peak
				return
			}
		}
	}()
	return func() uint64 { cancel(); return <-most }
}
