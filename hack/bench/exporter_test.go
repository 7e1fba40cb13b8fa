package bench

import (
	"math"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// TestExporter reads the counters twice with the parser of Prometheus' format:
// each grows at its own pod's rate, from zero.
func TestExporter(t *testing.T) {
	now := time.Unix(1000, 0)
	e := &Exporter{Now: func() time.Time { return now }}
	pods := []Pod{{"team-000", "app-0000-a"}, {"team-000", "app-0000-b"}, {"team-001", "app-0010-a"}}
	read := func() map[Pod]float64 {
		w := httptest.NewRecorder()
		e.ServeHTTP(w, nil)
		parser := expfmt.NewTextParser(model.UTF8Validation)
		families, err := parser.TextToMetricFamilies(w.Body)
		if err != nil {
			t.Fatal(err)
		}
		got := map[Pod]float64{}
		for _, m := range families[counterName].GetMetric() {
			labels := map[string]string{}
			for _, l := range m.GetLabel() {
				labels[l.GetName()] = l.GetValue()
			}
			got[Pod{labels["namespace"], labels["pod"]}] = m.GetCounter().GetValue()
		}
		return got
	}
	if got := read(); len(got) != 0 {
		t.Errorf("before Serve: %v, want nothing: an absent counter is not 0", got)
	}
	e.Serve(pods)
	for _, p := range pods {
		if v, ok := read()[p]; !ok || v != 0 {
			t.Errorf("%v begins at %g (there: %t), want 0", p, v, ok)
		}
	}
	now = now.Add(20 * time.Second)
	got := read()
	if len(got) != len(pods) {
		t.Fatalf("%d counters, want %d", len(got), len(pods))
	}
	for _, p := range pods {
		if want := 20 * p.Rate(); math.Abs(got[p]-want) > 0.001 {
			t.Errorf("%v: %g after 20 s, want %g", p, got[p], want)
		}
	}
}
