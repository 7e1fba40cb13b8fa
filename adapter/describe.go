package adapter

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/loadline/loadline/adapter/cert"
	"github.com/loadline/loadline/provider"
	"github.com/loadline/loadline/provider/catalog"
	"github.com/loadline/loadline/provider/demand"
	"github.com/loadline/loadline/provider/eval"
	"github.com/loadline/loadline/provider/rule"
	"github.com/loadline/loadline/provider/source/embedded/engine"
	"github.com/loadline/loadline/provider/source/embedded/scrape"
	"github.com/loadline/loadline/provider/source/embedded/target"
	"github.com/loadline/loadline/provider/store"
)

// DescribeMetrics registers our own metrics over parts that never run, for
// whoever documents them. Those of the Go runtime and of the libraries are left
// out.
func DescribeMetrics(r prometheus.Registerer) {
	provider.NewMetrics(r)
	eval.NewMetrics(r)
	r.MustRegister(&state{
		demand: demand.New(demand.Limits{}), store: store.New(), catalog: catalog.New(catalog.Options{Rules: &rule.Set{}, Now: time.Now}),
		objects: func() int { return 0 }, hidden: func() int { return 0 }, up: func() map[string]bool { return map[string]bool{"": true} }, failed: func() map[string]int { return map[string]int{"": 0} }, oldest: func() (time.Time, bool) { return time.Now(), true },
		queries: func() (int, int) { return 0, 0 }, config: func() (time.Time, error) { return time.Unix(1, 0), nil }, now: time.Now,
	})
	r.MustRegister(&scrapeState{
		status: func() []scrape.Status { return nil }, holding: func() engine.Holding { return engine.Holding{} }, refused: func() []target.Refusal { return nil },
	})
	r.MustRegister(readiness{warm(nil)})
	r.MustRegister(cert.NewCollector(metricPrefix, func() cert.Status { return cert.Status{NotAfter: time.Unix(1, 0)} }))
}
