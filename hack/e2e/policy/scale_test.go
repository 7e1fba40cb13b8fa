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

	"github.com/loadline/loadline/policy/api/v1alpha1"
)

// writes is how many writes the leader has made.
func writes(t *testing.T) int {
	t.Helper()
	sum := -1
	until(t, "a leader", 30*time.Second, func(ctx context.Context) (bool, string) {
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
	return sum
}

// A thousand policies at once get their HPAs; one that comes while they are being
// worked on does not wait for all of them; and when nothing changes nothing is written.
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
	rest := writes(t)
	t.Logf("%.2f writes a policy", float64(rest-before)/many)

	// The words of a status that is a minute old may be brought up to date, once.
	time.Sleep(75 * time.Second)
	rest = writes(t)
	never(t, time.Minute, func(context.Context) (bool, string) { return false, "" })
	if n := writes(t) - rest; n != 0 {
		t.Errorf("%d writes in a minute in which nothing changed", n)
	}
}
