package broker

import (
	"context"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/loadline/loadline/deploy/examples/remindme/queue"
)

const scrapeTimeout = 2 * time.Second

// Collector exports the queue's depth, asked for at each scrape. When the
// answer is not to be had the two gauges are absent, which is not 0: a scaler
// then knows that it does not know.
type Collector struct {
	read func(context.Context) (queue.Depth, error)
	now  func() time.Time
	log  *slog.Logger

	depth, oldest *prometheus.Desc
	failures      prometheus.Counter
}

// NewCollector returns a collector over read.
func NewCollector(read func(context.Context) (queue.Depth, error), now func() time.Time, log *slog.Logger) *Collector {
	labels := prometheus.Labels{"queue": "reminders"}
	return &Collector{
		read: read, now: now, log: log,
		depth: prometheus.NewDesc("reminder_queue_depth",
			"Reminders that are due, waiting or being processed; not future ones.", nil, labels),
		oldest: prometheus.NewDesc("reminder_queue_oldest_seconds",
			"How long ago the oldest reminder not yet done became due, in seconds; 0 if there is none.", nil, labels),
		failures: prometheus.NewCounter(prometheus.CounterOpts{
			Name:        "reminder_queue_read_failures_total",
			Help:        "Scrapes at which the state of the queue could not be read.",
			ConstLabels: labels,
		}),
	}
}

// Describe implements prometheus.Collector.
func (c *Collector) Describe(ch chan<- *prometheus.Desc) {
	ch <- c.depth
	ch <- c.oldest
	c.failures.Describe(ch)
}

// Collect implements prometheus.Collector.
func (c *Collector) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTimeout)
	defer cancel()
	d, err := c.read(ctx)
	if err != nil {
		c.failures.Inc()
		c.log.Warn("the state of the queue could not be read", "err", err)
	} else {
		age := 0.0
		if !d.Oldest.IsZero() {
			age = max(0, c.now().Sub(d.Oldest).Seconds())
		}
		ch <- prometheus.MustNewConstMetric(c.depth, prometheus.GaugeValue, float64(d.Reminders))
		ch <- prometheus.MustNewConstMetric(c.oldest, prometheus.GaugeValue, age)
	}
	c.failures.Collect(ch)
}
