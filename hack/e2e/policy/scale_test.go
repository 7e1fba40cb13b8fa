//go:build e2e

package policy

import (
	"context"
	"fmt"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/loadline/loadline/hack/lab"
	"github.com/loadline/loadline/policy/api/v1alpha1"
)

// writes is how many writes the leader has made.
func writes(t *testing.T) int {
	t.Helper()
	sum := -1
	ctx, cancel := waiting(t)
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
		sum = 0
		for _, match := range writesTotal.FindAllStringSubmatch(text, -1) {
			n, err := strconv.Atoi(match[1])
			if err != nil {
				return false, err.Error()
			}
			sum += n
		}
		return true, ""
	})
	must(t, err)
	return sum
}

// A thousand policies at once get their HPAs, and when nothing changes nothing is
// written.
func TestP5Thousand(t *testing.T) {
	const many = 1000
	ns := namespace(t)
	before := writes(t)
	began := time.Now()
	var g errgroup.Group
	g.SetLimit(50)
	for i := range many {
		g.Go(func() error { return kube.Create(t.Context(), newPolicy(ns, fmt.Sprintf("p%d", i))) })
	}
	must(t, g.Wait())
	t.Logf("%d policies stored after %s", many, time.Since(began).Round(time.Millisecond))
	until(t, "an HPA for each", 3*time.Minute, func(ctx context.Context) (bool, string) {
		var all autoscalingv2.HorizontalPodAutoscalerList
		if err := kube.List(ctx, &all, client.InNamespace(ns)); err != nil {
			return false, err.Error()
		}
		return len(all.Items) == many, fmt.Sprint(len(all.Items))
	})
	t.Logf("%d HPAs after %s", many, time.Since(began).Round(time.Millisecond))

	// Until each status says that there is no such target.
	until(t, "all statuses", 3*time.Minute, func(ctx context.Context) (bool, string) {
		var all v1alpha1.AutoscalingPolicyList
		if err := kube.List(ctx, &all, client.InNamespace(ns)); err != nil {
			return false, err.Error()
		}
		n := 0
		for _, p := range all.Items {
			if p.Status.ObservedGeneration == p.Generation && p.Status.State == "Pending" && p.Status.HPA != nil && p.Status.HPA.UID != "" {
				n++
			}
		}
		return n == many, fmt.Sprint(n)
	})
	t.Logf("at rest after %s", time.Since(began).Round(time.Millisecond))
	t.Logf("%.2f writes a policy", float64(writes(t)-before)/many)

	// Values and words that came later are written once, a minute later, 20 a second.
	const calm = 20 * time.Second
	last, since := writes(t), time.Now()
	until(t, "no write for "+calm.String(), 4*time.Minute, func(context.Context) (bool, string) {
		if n := writes(t); n != last {
			last, since = n, time.Now()
		}
		return time.Since(since) >= calm, fmt.Sprintf("%d writes", last-before)
	})
	t.Logf("%.2f writes a policy in all", float64(last-before)/many)
	never(t, 40*time.Second, func(context.Context) (bool, string) {
		n := writes(t) - last
		return n != 0, fmt.Sprintf("%d writes while nothing changes", n)
	})
}
