package eval

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/loadline/loadline/provider/metric"
	"github.com/loadline/loadline/provider/plan"
	"github.com/loadline/loadline/provider/source"
	"github.com/loadline/loadline/provider/store"
)

// BenchmarkBytesPerValue is the memory that a value takes while it is held, its
// metric's share included. The bound of --max-values-held is chosen from it:
//
//	go test -run - -bench BytesPerValue ./provider/eval
func BenchmarkBytesPerValue(b *testing.B) {
	const values = 100_000
	pod := func(i int) labels.Labels {
		return labels.FromStrings("pod", fmt.Sprintf("checkout-7d9c5b6f48-%05d", i))
	}
	series := func(i int) labels.Labels {
		return labels.FromStrings("queue", fmt.Sprintf("queue-%05d", i), "namespace", "shop", "cluster", "west")
	}
	for name, tc := range map[string]struct {
		api     metric.API
		each    int // values of one metric
		labels  func(int) labels.Labels
		unknown bool // the objects were not asked for by name
	}{
		"10000 pods":        {metric.Custom, 10_000, pod, false},
		"1000 pods":         {metric.Custom, 1000, pod, false},
		"10 pods":           {metric.Custom, 10, pod, false},
		"1000 unknown pods": {metric.Custom, 1000, pod, true},
		"1000 series":       {metric.External, 1000, series, false},
		"1 series":          {metric.External, 1, series, false},
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				names := make([]string, tc.each)
				for i := range names {
					names[i] = pod(i).Get("pod")
				}
				held := store.New()
				before := heap()
				for m := range values / tc.each {
					var a source.Answer
					for i := range tc.each {
						a.Samples = append(a.Samples, source.Sample{Labels: tc.labels(i), Value: 1.5, Time: at})
					}
					p := plan.Part{For: []metric.Identifier{{API: tc.api}}}
					p.ObjectLabel = "pod"
					if !tc.unknown {
						p.Names = names
					}
					data, err := joinPart(a.Samples, plan.Query{}, p, at)
					if err != nil {
						b.Fatal(err)
					}
					held.Succeed(metric.Identifier{API: tc.api, Metric: fmt.Sprint(m)}, data)
				}
				b.ReportMetric(float64(heap()-before)/values, "B/value")
				runtime.KeepAlive(held)
				runtime.KeepAlive(names)
			}
		})
	}
}

// heap is what is in use on the heap.
func heap() int64 {
	runtime.GC()
	runtime.GC() // what the first one left to sweep
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
