package controller

import (
	"cmp"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"k8s.io/apimachinery/pkg/types"
	ctrlmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/loadline/loadline/adapter/cert"
	"github.com/loadline/loadline/policy/decide"
)

// metrics are the controller's own.
type metrics struct {
	registry *prometheus.Registry
	errors   *prometheus.CounterVec
	writes   *prometheus.CounterVec
	seconds  prometheus.Histogram
	applied  prometheus.Histogram
	asked    *prometheus.HistogramVec
	observed *observed
}

// newMetrics makes them. elected is closed when this process has the Lease.
func newMetrics(most int, elected <-chan struct{}) *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		errors: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "loadline_policy_reconcile_errors_total",
			Help: "Turns on a policy that did not succeed, by reason: conflict (another writer was faster), refused (by the API server), timeout, answer (any other error of the API server), connection.",
		}, []string{"reason"}),
		writes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "loadline_policy_writes_total",
			Help: "Writes that the API server took, by resource and kind of write.",
		}, []string{"resource", "kind"}),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "loadline_policy_reconcile_seconds", Help: "Time of one turn on one policy.",
			Buckets: []float64{0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30},
		}),
		applied: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "loadline_policy_applied_seconds", Help: "Time from the creation of a policy, which is stored in whole seconds, to that of its HPA.",
			Buckets: []float64{0.5, 1, 2, 5, 10, 30, 60, 300},
		}),
		asked: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "loadline_policy_webhook_seconds",
			Help:    "Time of one answer to the API server, by path and outcome: allowed, warned, refused, failed (it could not be judged, and passed), bad (it was no question).",
			Buckets: []float64{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 1.5, 2},
		}, []string{"path", "outcome"}),
		observed: &observed{most: most, elected: elected, now: time.Now},
	}
	m.registry.MustRegister(m.collectors()...)
	return m
}

// collectors are all of them.
func (m *metrics) collectors() []prometheus.Collector {
	return []prometheus.Collector{m.errors, m.writes, m.seconds, m.applied, m.asked, m.observed}
}

// handler serves them with those of the Go runtime, the process and controller-runtime.
func (m *metrics) handler() http.Handler {
	gatherers := prometheus.Gatherers{m.registry, ctrlmetrics.Registry}
	return promhttp.HandlerFor(gatherers, promhttp.HandlerOpts{MaxRequestsInFlight: 4, Timeout: 30 * time.Second})
}

// wrote counts a write that the API server took.
func (m *metrics) wrote(resource, kind string, err error) {
	if err == nil {
		m.writes.WithLabelValues(resource, kind).Inc()
	}
}

func (m *metrics) observe(policy types.NamespacedName, created time.Time, o decide.Observations) {
	m.observed.mu.Lock()
	defer m.observed.mu.Unlock()
	if m.observed.policies == nil {
		m.observed.policies = map[types.NamespacedName]observation{}
	}
	m.observed.policies[policy] = observation{created, o}
}

func (m *metrics) forget(policy types.NamespacedName) {
	m.observed.mu.Lock()
	defer m.observed.mu.Unlock()
	delete(m.observed.policies, policy)
}

// observed is what the last turns saw of the policies.
type observed struct {
	most    int
	elected <-chan struct{}
	now     func() time.Time

	mu       sync.Mutex
	policies map[types.NamespacedName]observation
}

type observation struct {
	created time.Time
	decide.Observations
}

// describe is a description of a metric of observed.
func describe(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("loadline_policy_"+name, help, labels, nil)
}

// descs are the descriptions of the metrics of observed.
type descs struct{ leader, policies, drifted, floors, oldest, current, target *prometheus.Desc }

func newDescs() descs {
	return descs{
		leader:   describe("leader", "1 if this process has the Lease and works on the policies."),
		policies: describe("policies", "Policies by state.", "state"),
		drifted: describe("drifted", "Policies by state whose HPA their last turn left other than they say, the minimum aside: in mode DryRun, "+
			"in a fight over a field, or where a conflict or the API server's refusal keeps Loadline from writing.", "state"),
		floors:  describe("floors", "Floors in force by kind of owner.", "owner_kind"),
		oldest:  describe("oldest_floor_age_seconds", "Time since the oldest floor in force began, by kind of owner; of releases, since the last step of the one that waits longest.", "owner_kind"),
		current: describe("current_value", "What the HPA reads for an objective, in the metric's unit. Of --metrics-max-policies at most.", "namespace", "policy", "objective"),
		target:  describe("target_value", "Its target.", "namespace", "policy", "objective"),
	}
}

// Describe implements prometheus.Collector.
func (o *observed) Describe(ch chan<- *prometheus.Desc) {
	d := newDescs()
	for _, d := range []*prometheus.Desc{d.leader, d.policies, d.drifted, d.floors, d.oldest, d.current, d.target} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (o *observed) Collect(ch chan<- prometheus.Metric) {
	d := newDescs()
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	select {
	case <-o.elected:
		gauge(d.leader, 1)
	default:
		gauge(d.leader, 0)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	t := o.total()
	for state, n := range t.states {
		gauge(d.policies, float64(n), state)
		gauge(d.drifted, float64(t.drifted[state]), state)
	}
	for owner, n := range t.floors {
		gauge(d.floors, float64(n), owner)
	}
	for owner, since := range t.since {
		gauge(d.oldest, max(0, o.now().Sub(since).Seconds()), owner)
	}
	for _, key := range o.eldest() {
		for _, v := range o.policies[key].Values {
			gauge(d.current, v.Current, key.Namespace, key.Name, v.Objective)
			gauge(d.target, v.Target, key.Namespace, key.Name, v.Objective)
		}
	}
}

// totals are over all policies: how many by state, and the floors by kind of owner.
type totals struct {
	states, drifted, floors map[string]int
	since                   map[string]time.Time
}

func (o *observed) total() totals {
	t := totals{states: map[string]int{}, drifted: map[string]int{}, floors: map[string]int{}, since: map[string]time.Time{}}
	for _, p := range o.policies {
		t.states[p.State]++
		if p.Drifted {
			t.drifted[p.State]++
		}
		for owner, n := range p.Floors {
			t.floors[owner] += n
		}
		for owner, since := range p.Since {
			if oldest, ok := t.since[owner]; !ok || since.Before(oldest) {
				t.since[owner] = since
			}
		}
	}
	return t
}

// eldest are the policies that have their values shown.
func (o *observed) eldest() []types.NamespacedName {
	keys := slices.SortedFunc(maps.Keys(o.policies), func(a, b types.NamespacedName) int {
		return cmp.Or(o.policies[a].created.Compare(o.policies[b].created), cmp.Compare(a.String(), b.String()))
	})
	return keys[:min(len(keys), o.most)]
}

// DescribeMetrics registers all metrics, for their documentation.
func DescribeMetrics(r prometheus.Registerer) {
	m := newMetrics(1, make(chan struct{}))
	m.observe(types.NamespacedName{}, time.Time{}, decide.Observations{
		Floors: map[string]int{"": 1}, Since: map[string]time.Time{"": {}}, Values: []decide.Value{{}},
	})
	r.MustRegister(m.collectors()...)
	r.MustRegister(cert.NewCollector(webhookPrefix, func() cert.Status { return cert.Status{NotAfter: time.Unix(1, 0)} }))
}
