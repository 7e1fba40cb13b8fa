package scrape_test

import (
	"bytes"
	"io"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/loadline/loadline/provider/source/embedded/engine"
	"github.com/loadline/loadline/provider/source/embedded/scrape"
	"github.com/loadline/loadline/provider/source/embedded/target"
	"github.com/loadline/loadline/provider/source/embedded/wanted"
)

// Whatever a target says, and whatever it says that to be, another one is scraped on, and the
// labels of discovery are right.
func FuzzExposition(f *testing.F) {
	for _, seed := range [][2]string{
		{"text/plain; version=0.0.4", "a 1\n"},
		{"text/plain; version=0.0.4", "a{b=\"c\",b=\"d\"} 1\na 1 2 3\n"},
		{"text/plain; version=0.0.4", "a{namespace=\"kube-system\",pod=\"x\"} NaN\n# TYPE a counter\n"},
		{"text/plain; version=1.0.0", "{\"a.b\",namespace=\"x\"} +Inf\n{\"\"} 1\n"},
		{"application/openmetrics-text; version=1.0.0", "# TYPE a counter\na_total 1 # {t=\"x\"} 1 1\na_created 1\n# EOF\n"},
		{"application/openmetrics-text; version=1.0.0", "a 1\n"}, // no end
		{"application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited", "\x05\x0a\x01a"},
		{"", "\x00\xff\xfe\n"},
		{"text/html", "<html>"},
		{"text/plain", "a{b=\"" + string(bytes.Repeat([]byte("x"), 5000)) + "\"} 1\n"},
	} {
		f.Add(seed[0], []byte(seed[1]))
	}
	type said struct {
		kind string
		body []byte
	}
	var says atomic.Pointer[said]
	says.Store(&said{})
	var served atomic.Int64
	bad := pod(f, "bad", exporter(f, func(w http.ResponseWriter, _ *http.Request) {
		now := says.Load()
		w.Header().Set("Content-Type", now.kind)
		_, _ = w.Write(now.body)
		served.Add(1)
	}))
	good := pod(f, "good", exporter(f, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "good 1\n") }))
	w := start(f, func(c *scrape.Config, e *engine.Config) {
		c.Interval, c.BodySizeLimit, c.SampleLimit = 50*time.Millisecond, 1<<16, 100
		e.MaxSeriesPerTarget = 1000
	})
	w.Set([]target.Target{bad, good}, loopback(), wanted.Everything())
	f.Fuzz(func(t *testing.T, kind string, body []byte) {
		says.Store(&said{kind, body})
		for before, deadline := served.Load(), time.Now().Add(20*time.Second); served.Load() < before+2; time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatal("it is scraped no more")
			}
		}
		eventually(t, func() string {
			answer, err := w.Query(t.Context(), `count_over_time(good{namespace="shop",pod="good",node="n1"}[1s])`)
			if err != nil {
				return err.Error()
			}
			if len(answer.Samples) != 1 {
				return "the good target is scraped no more"
			}
			return ""
		})
		for _, of := range []string{`namespace!="shop"`, `pod!~"good|bad"`, `node!="n1"`} {
			if answer, err := w.Query(t.Context(), `{__name__!="",`+of+`}`); err != nil || len(answer.Samples) > 0 {
				t.Errorf("%s: %v %v", of, answer.Samples, err)
			}
		}
	})
}
