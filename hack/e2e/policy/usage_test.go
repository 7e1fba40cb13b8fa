//go:build e2e

package policy

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/loadline/loadline/hack/lab"
)

// usage is what the leader says of itself: its writes of HPAs and of statuses so far,
// the processor's time and the memory.
type usage struct{ hpas, statuses, cpuSeconds, bytes float64 }

func (u usage) writes() float64 { return u.hpas + u.statuses }

// measure reads the leader's usage.
func measure(t *testing.T) usage {
	t.Helper()
	var u usage
	ctx, cancel := system.Waiting(t)
	defer cancel()
	err := lab.Until(ctx, "a leader", 30*time.Second, func(ctx context.Context) (bool, string) {
		leading, _, err := leaders(ctx)
		if err != nil || len(leading) != 1 {
			return false, fmt.Sprintf("%d lead, %v", len(leading), err)
		}
		text, err := metrics(ctx, leading[0])
		if err != nil {
			return false, err.Error()
		}
		u = usage{
			hpas:       sum(text, "loadline_policy_writes_total", `resource="horizontalpodautoscalers"`),
			statuses:   sum(text, "loadline_policy_writes_total", `resource="autoscalingpolicies/status"`),
			cpuSeconds: sum(text, "process_cpu_seconds_total", ""),
			bytes:      sum(text, "process_resident_memory_bytes", ""),
		}
		return u.bytes > 0, "no metrics"
	})
	must(t, err)
	return u
}

// sum adds up the series of a metric in the text format that have a label.
func sum(text, metric, label string) float64 {
	total := 0.0
	for line := range strings.Lines(text) {
		name, value, ok := strings.Cut(strings.TrimSpace(line), " ")
		bare, labels, _ := strings.Cut(name, "{")
		if !ok || bare != metric || !strings.Contains(labels, label) {
			continue
		}
		if n, err := strconv.ParseFloat(value[strings.LastIndexByte(value, ' ')+1:], 64); err == nil {
			total += n
		}
	}
	return total
}

// timed makes n policies, one after another, and says how long each waited for its HPA:
// from the request that stores it to the news of the HPA.
func timed(t *testing.T, what string, n int) {
	t.Helper()
	ns := namespace(t)
	ctx, cancel := system.Waiting(t)
	defer cancel()
	w, err := system.Client.AutoscalingV2().HorizontalPodAutoscalers(ns).Watch(ctx, metav1.ListOptions{})
	must(t, err)
	defer w.Stop()
	var took []time.Duration
	for i := range n {
		began := time.Now()
		name := fmt.Sprint("timed", i)
		create(t, newPolicy(ns, name))
		for limit := time.After(time.Minute); len(took) == i; {
			select {
			case e, open := <-w.ResultChan():
				if h, ok := e.Object.(*autoscalingv2.HorizontalPodAutoscaler); ok && h.Name == name {
					took = append(took, time.Since(began))
				} else if !open {
					t.Fatalf("the watch of HPAs ended at policy %d", i)
				}
			case <-limit:
				t.Fatalf("no HPA of policy %d within a minute", i)
			}
		}
	}
	slices.Sort(took)
	t.Logf("%s: a policy's HPA is there after %s at best, %s as a rule, %s at worst (%d policies)", what,
		took[0].Round(time.Millisecond), took[n/2].Round(time.Millisecond), took[n-1].Round(time.Millisecond), n)
}
