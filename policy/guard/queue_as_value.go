package guard

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

func queueAsValue() Mode {
	return Mode{
		ID: 26, Name: "queue-as-value", Severity: High,
		Summary: "an HPA follows the length of a queue with a target of type Value",
		Why: "a target of type Value multiplies the number of ready pods by metric ÷ target (replica_calculator.go), as if new pods made the queue shorter at once: " +
			"while a backlog lasts, every sync multiplies again, up to maxReplicas",
		Remedy: "use a target of type AverageValue: the length of the queue that one pod is meant to have before it",
		Needs:  []Kind{HorizontalPodAutoscaler},
		check: func(w *world, r *result) {
			for _, s := range w.scalers {
				for _, i := range s.valueMetrics() {
					name := metricName(&s.hpa.Spec.Metrics[i])
					if !backlog(name) {
						continue
					}
					r.find(s.Object, s.metricField(i, "target.value"), fmt.Sprintf("%s looks like the length of a queue", name))
				}
			}
		},
	}
}

// words divides a name of a metric.
var words = regexp.MustCompile(`[A-Z]?[a-z0-9]+|[A-Z]+`)

// backlog says whether a metric's name is of work that waits. One of a time, a rate or a
// share of a queue falls when pods are added, for which Value is right.
func backlog(name string) bool {
	queue := false
	for _, word := range words.FindAllString(name, -1) {
		word = strings.ToLower(word)
		switch {
		case slices.Contains([]string{"seconds", "milliseconds", "ms", "latency", "duration", "age", "time", "wait", "ratio", "percent", "percentage", "utilization", "saturation", "rate", "per", "p50", "p90", "p95", "p99", "avg", "average", "mean"}, word):
			return false
		case slices.Contains([]string{"queue", "queued", "backlog", "lag", "depth", "pending", "messages", "jobs", "tasks", "outstanding", "unacked", "undelivered", "waiting"}, word):
			queue = true
		}
	}
	return queue
}
