//go:build e2e

package policy

import (
	"context"
	"flag"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/loadline/loadline/hack/lab"
	"github.com/loadline/loadline/policy/api/v1alpha1"
	"github.com/loadline/loadline/policy/decide"
)

// many is how many policies there are at once; `make bench-policies` has more.
var many = flag.Int("policies", 1000, "how many policies there are at once")

// usage is what the leader says of itself.
type usage struct{ writes, cpuSeconds, bytes float64 }

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
		u = usage{sum(text, "loadline_policy_writes_total"), sum(text, "process_cpu_seconds_total"), sum(text, "process_resident_memory_bytes")}
		return u.bytes > 0, "no metrics"
	})
	must(t, err)
	return u
}

// sum adds up the series of a metric in the text format.
func sum(text, metric string) float64 {
	total := 0.0
	for line := range strings.Lines(text) {
		name, value, ok := strings.Cut(strings.TrimSpace(line), " ")
		if bare, _, _ := strings.Cut(name, "{"); !ok || bare != metric {
			continue
		}
		if n, err := strconv.ParseFloat(value[strings.LastIndexByte(value, ' ')+1:], 64); err == nil {
			total += n
		}
	}
	return total
}

// A thousand policies at once get their HPAs; one more does not notice them; and when
// nothing changes nothing is written.
func TestP5Thousand(t *testing.T) {
	ns := namespace(t)
	before, began := measure(t), time.Now()
	var g errgroup.Group
	g.SetLimit(50)
	for i := range *many {
		g.Go(func() error { return kube.Create(t.Context(), newPolicy(ns, fmt.Sprintf("p%d", i))) })
	}
	must(t, g.Wait())
	t.Logf("%d policies stored after %s", *many, time.Since(began).Round(time.Millisecond))
	limit := time.Minute + time.Duration(*many)*100*time.Millisecond
	system.Until(t, "an HPA for each", limit, func(ctx context.Context) (bool, string) {
		var all autoscalingv2.HorizontalPodAutoscalerList
		if err := kube.List(ctx, &all, client.InNamespace(ns)); err != nil {
			return false, err.Error()
		}
		return len(all.Items) == *many, fmt.Sprint(len(all.Items))
	})
	system.Until(t, "all statuses", limit, func(ctx context.Context) (bool, string) {
		var all v1alpha1.AutoscalingPolicyList
		if err := kube.List(ctx, &all, client.InNamespace(ns)); err != nil {
			return false, err.Error()
		}
		n := 0
		for _, p := range all.Items {
			if p.Status.ObservedGeneration == p.Generation && p.Status.State == decide.StatePending && p.Status.HPA != nil && p.Status.HPA.UID != "" {
				n++
			}
		}
		return n == *many, fmt.Sprint(n)
	})
	report(t, before, began)

	// Values and words that came later are written once, a minute later and 20 a second.
	// Then there is a time without any, longer than that minute.
	const calm = 65 * time.Second
	last, since, looked := measure(t), time.Now(), time.Now()
	system.Until(t, "no write for "+calm.String(), 2*time.Minute+limit, func(context.Context) (bool, string) {
		if time.Since(looked) < 2*time.Second { // to ask costs what is measured, too
			return false, "not looked yet"
		}
		looked = time.Now()
		if u := measure(t); u.writes != last.writes {
			last, since = u, time.Now()
		}
		return time.Since(since) >= calm, fmt.Sprintf("%g writes, the last one %s ago", last.writes, time.Since(since).Round(time.Second))
	})
	report(t, before, began)
	t.Logf("at rest: %.1f %% of a core", 100*(measure(t).cpuSeconds-last.cpuSeconds)/time.Since(since).Seconds())

	create(t, newPolicy(ns, "one-more"))
	within(t, soon, ns, "one-more")
}

// report says what it cost so far.
func report(t *testing.T, before usage, began time.Time) {
	t.Helper()
	u := measure(t)
	t.Logf("after %s: %.2f writes a policy, %.1f s of CPU, %.0f MiB", time.Since(began).Round(time.Second),
		(u.writes-before.writes)/float64(*many), u.cpuSeconds-before.cpuSeconds, u.bytes/(1<<20))
}
