package bench

import (
	"bufio"
	"fmt"
	"hash/fnv"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"
)

// Pod names a pod of the fleet.
type Pod struct{ Namespace, Name string }

// Rate is how many requests a second the pod counts. It differs from pod to pod,
// so that an answer about the wrong pod shows.
func (p Pod) Rate() float64 {
	h := fnv.New32a()
	fmt.Fprint(h, p.Namespace, "/", p.Name)
	return float64(10 + h.Sum32()%90)
}

// Exporter serves the counters of all pods as one target, with the labels that a
// scrape of each pod would have given (honor_labels). The counters grow with
// time, each at its pod's Rate.
type Exporter struct {
	Now  func() time.Time
	pods atomic.Pointer[exported]
}

type exported struct {
	since time.Time
	pods  []Pod
}

// Serve makes the counters start, at zero.
func (e *Exporter) Serve(pods []Pod) { e.pods.Store(&exported{since: e.Now(), pods: pods}) }

// ServeHTTP writes Prometheus' text format.
func (e *Exporter) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; version=0.0.4")
	now := e.pods.Load()
	if now == nil {
		return
	}
	elapsed := e.Now().Sub(now.since).Seconds()
	out := bufio.NewWriterSize(w, 64<<10)
	fmt.Fprintf(out, "# TYPE %s counter\n", counterName)
	var number [32]byte
	for _, p := range now.pods {
		out.WriteString(counterName + `{namespace="` + p.Namespace + `",pod="` + p.Name + `"} `)
		out.Write(strconv.AppendFloat(number[:0], elapsed*p.Rate(), 'f', 3, 64))
		out.WriteByte('\n')
	}
	_ = out.Flush() // a scraper that left is its own loss
}
