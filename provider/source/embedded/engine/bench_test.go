package engine_test

import (
	"fmt"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"

	"github.com/loadline/loadline/provider/source/embedded/engine"
)

// BenchmarkBytesPerSeries prints how many bytes a series takes that is held, with twenty
// minutes of samples at an interval of five seconds: twice as long as queries look back,
// so with all that waits to be forgotten. What the scrape loop keeps of a series is not in
// it; BenchmarkScrape of the package above has both.
//
//	go test -run - -bench BytesPerSeries -benchtime 1x ./provider/source/embedded/engine
func BenchmarkBytesPerSeries(b *testing.B) {
	for name, value := range map[string]func(i, n int) float64{
		"idle":    func(i, _ int) float64 { return float64(i) },
		"counter": func(i, n int) float64 { return float64(n * (1 + i%7)) },
		"gauge":   func(i, n int) float64 { return float64(i%11) + float64(n%13)/7 },
	} {
		b.Run(name, func(b *testing.B) {
			const series = 50_000
			for b.Loop() {
				b.ReportMetric(float64(fill(b, series, value))/series, "B/series")
			}
		})
	}
}

// fill returns how much more memory is in use with so many series.
func fill(b *testing.B, series int, value func(i, n int) float64) int64 {
	before := live()
	w := open(b, func(c *engine.Config) { c.MaxSeries = series })
	refs := make([]storage.SeriesRef, series)
	for n := range 240 {
		w.Add(5 * time.Second)
		for first := 0; first < series; first += 200 {
			app := w.Appender(b.Context(), "target-"+strconv.Itoa(first), everything)
			for i := first; i < first+200; i++ {
				ls := labels.EmptyLabels()
				if refs[i] == 0 {
					ls = seriesOf(i)
				}
				ref, err := app.Append(refs[i], ls, 0, w.Now().UnixMilli(), value(i, n), nil, nil, storage.AOptions{})
				if err != nil {
					b.Fatal(err)
				}
				refs[i] = ref
			}
			if err := app.Commit(); err != nil {
				b.Fatal(err)
			}
		}
	}
	after := live()
	runtime.KeepAlive(refs)
	runtime.KeepAlive(w)
	return after - before - int64(8*series)
}

// seriesOf is what one of a pod's series is called.
func seriesOf(i int) labels.Labels {
	return labels.FromStrings(
		"__name__", "http_requests_total", "code", strconv.Itoa(200+100*(i%4)), "method", "GET", "path", fmt.Sprintf("/api/v1/things/%d", i%200/4),
		"instance", fmt.Sprintf("10.0.%d.%d:8080", i/200/250, i/200%250), "job", "pods", "namespace", fmt.Sprintf("team-%d", i/200%20),
		"node", fmt.Sprintf("node-%d", i/200%50), "pod", fmt.Sprintf("web-deployment-6d5f8c7b9-%05d", i/200),
	)
}

func live() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// BenchmarkQuery prints what evaluating takes: a rate by the built-in rules, of the pods of a
// namespace, while 200,000 series are held.
func BenchmarkQuery(b *testing.B) {
	const series = 200_000
	w := open(b, func(c *engine.Config) { c.MaxSeries = series })
	for n := range 5 {
		w.Add(5 * time.Second)
		app := w.Appender(b.Context(), "a", everything)
		for i := range series {
			if _, err := app.Append(0, seriesOf(i), 0, w.Now().UnixMilli(), float64(n*i), nil, nil, storage.AOptions{}); err != nil {
				b.Fatal(err)
			}
		}
		if err := app.Commit(); err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		answer, err := w.Query(b.Context(), `sum(rate(http_requests_total{namespace="team-1",pod!=""}[20s])) by (pod)`)
		if err != nil || len(answer.Samples) != series/200/20 {
			b.Fatal(len(answer.Samples), err)
		}
	}
}
