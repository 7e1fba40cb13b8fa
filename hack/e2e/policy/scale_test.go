//go:build e2e

package policy

import (
	"context"
	"flag"
	"fmt"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/loadline/loadline/policy/api/v1alpha1"
	"github.com/loadline/loadline/policy/decide"
)

// How many policies there are at once; `make bench-policies` has more.
var (
	waiting = flag.Int("policies", 1000, "how many policies there are without a target")
	resting = flag.Int("resting", 50, "how many there are with a target and a metric that stays as it is")
	moving  = flag.Int("busy", 50, "how many there are whose size and values change at each sync of the HPA controller")
)

// calm is for how long nothing is written where nothing changes: longer than the minute
// after which values and words that came late are written.
const calm = 65 * time.Second

// crowd is many policies of one kind, in a namespace of their own.
type crowd struct {
	ns    string
	n     int
	state string // of each, in the end
	edit  func(*v1alpha1.AutoscalingPolicy)
}

// A thousand policies at once get their HPAs, and one more does not notice them. Where
// nothing changes nothing is written, whether the targets are there and the metrics
// answer or not; where everything changes at each sync, a status a minute.
func TestP5Thousand(t *testing.T) {
	m := startMetricAPI(t)
	timed(t, "alone", 20)

	// Each on a metric of its own, which takes its values in turns.
	live := func(p *v1alpha1.AutoscalingPolicy) {
		external(p)
		p.Spec.Objectives[0].External.Metric = p.Name
	}
	absent := crowd{namespace(t), *waiting, decide.StatePending, func(*v1alpha1.AutoscalingPolicy) {}}
	steady := crowd{namespace(t), *resting, decide.StateEnforced, live}
	busy := crowd{namespace(t), *moving, decide.StateEnforced, live}
	m.of(steady.ns).value.Store(30)
	m.of(busy.ns).alternate(30, 50)
	crowds := []crowd{absent, steady, busy}
	total := *waiting + *resting + *moving

	before, began := measure(t), time.Now()
	for _, c := range crowds {
		c.store(t)
	}
	t.Logf("%d policies stored after %s: %d without a target, %d at rest, %d busy", total, time.Since(began).Round(time.Millisecond), *waiting, *resting, *moving)
	limit := time.Minute + time.Duration(total)*200*time.Millisecond
	for _, c := range crowds {
		c.settled(t, limit)
	}
	report(t, before, began, total)
	if *waiting+*resting == 0 {
		system.Pause(t, calm) // the values of the beginning are written
	}
	from, seen := atRest(t, limit, busy, absent, steady)
	if left := syncPeriod*5/4 - time.Since(from.at); busy.n > 0 && left > 0 {
		system.Pause(t, left) // the busy ones are busy at each sync
	}
	rates(t, from, busy)
	if _, n, err := seen.since(); n > 0 || err != nil {
		t.Errorf("%d writes to the policies at rest, %v", n, err)
	}
	timed(t, fmt.Sprintf("beside %d", total), 20)
}

// store makes the policies, and the targets of those that have one. A Deployment that is
// paused makes no pods.
func (c crowd) store(t *testing.T) {
	t.Helper()
	var g errgroup.Group
	g.SetLimit(50)
	for i := range c.n {
		g.Go(func() error {
			p := newPolicy(c.ns, fmt.Sprintf("p%d", i), c.edit)
			if c.state == decide.StateEnforced {
				d := deployment(c.ns, p.Name, 3)
				d.Spec.Paused = true
				if err := kube.Create(t.Context(), d); err != nil {
					return err
				}
			}
			return kube.Create(t.Context(), p)
		})
	}
	must(t, g.Wait())
}

// settled waits until each policy has its HPA and its status.
func (c crowd) settled(t *testing.T, limit time.Duration) {
	t.Helper()
	system.Until(t, "an HPA for each", limit, func(ctx context.Context) (bool, string) {
		var all autoscalingv2.HorizontalPodAutoscalerList
		if err := kube.List(ctx, &all, client.InNamespace(c.ns)); err != nil {
			return false, err.Error()
		}
		return len(all.Items) == c.n, fmt.Sprint(len(all.Items))
	})
	system.Until(t, "all statuses", limit, func(ctx context.Context) (bool, string) {
		var all v1alpha1.AutoscalingPolicyList
		if err := kube.List(ctx, &all, client.InNamespace(c.ns)); err != nil {
			return false, err.Error()
		}
		n := 0
		for _, p := range all.Items {
			if p.Status.ObservedGeneration == p.Generation && p.Status.State == c.state && p.Status.HPA != nil && p.Status.HPA.UID != "" {
				n++
			}
		}
		return n == c.n, fmt.Sprint(n)
	})
}

// point is a moment of a measurement.
type point struct {
	usage
	at    time.Time
	sizes float64 // that the targets of the busy were given so far
}

// atRest waits until nothing has been written to the statuses of these crowds, nor to any
// HPA, for a while, and says what was. It returns the beginning of that while, and what
// tells of writes after it.
func atRest(t *testing.T, limit time.Duration, busy crowd, crowds ...crowd) (point, *writes) {
	t.Helper()
	seen := observeWrites(t, crowds...)
	from, looked, state := point{measure(t), time.Now(), busy.sizes(t)}, time.Now(), ""
	system.Until(t, "no write for "+calm.String(), 5*time.Minute+2*limit, func(context.Context) (bool, string) {
		if time.Since(looked) < 3*time.Second { // to ask costs what is measured, too
			return false, state
		}
		looked = time.Now()
		last, n, err := seen.since()
		if err != nil {
			return false, err.Error()
		}
		u := measure(t)
		if n > 0 || u.hpas != from.hpas {
			t.Logf("%d writes to statuses at rest, %g to HPAs", n, u.hpas-from.hpas)
			from = point{u, time.Now(), busy.sizes(t)}
		}
		state = fmt.Sprintf("the last write to a status %s ago, to an HPA or a status %s ago",
			time.Since(last).Round(time.Second), time.Since(from.at).Round(time.Second))
		return time.Since(from.at) >= calm, state
	})
	return from, seen
}

// rates says what was written since, which is all of the busy ones' doing.
func rates(t *testing.T, from point, busy crowd) {
	t.Helper()
	span := time.Since(from.at)
	u := measure(t)
	written := u.writes() - from.writes()
	t.Logf("for %s: at rest 0 writes a policy and hour; %.2f %% of a core, %.0f MiB", span.Round(time.Second),
		100*(u.cpuSeconds-from.cpuSeconds)/span.Seconds(), u.bytes/(1<<20))
	if busy.n == 0 {
		if written != 0 {
			t.Errorf("%g writes although no policy changed", written)
		}
		return
	}
	changes := busy.sizes(t) - from.sizes
	t.Logf("busy: %.1f writes a policy and hour, where the sizes changed %.1f times a policy and minute", written/float64(busy.n)/span.Hours(),
		changes/float64(busy.n)/span.Minutes())
	if want := float64(busy.n) * min(1, span.Seconds()/2/syncPeriod.Seconds()); changes < want {
		t.Errorf("%g changes of size, want at least %g: the %d busy ones are not busy", changes, want, busy.n)
	}
	if most := float64(busy.n) * (span.Minutes() + 1); written == 0 || written > most {
		t.Errorf("%g writes for %d busy policies in %s, want some and at most one a minute each, %g", written, busy.n, span, most)
	}
}

// sizes counts how often the targets were given a size.
func (c crowd) sizes(t *testing.T) float64 {
	t.Helper()
	var all appsv1.DeploymentList
	must(t, kube.List(t.Context(), &all, client.InNamespace(c.ns)))
	n := int64(0)
	for _, d := range all.Items {
		n += d.Generation
	}
	return float64(n)
}

// report says what it cost so far.
func report(t *testing.T, before usage, began time.Time, policies int) {
	t.Helper()
	u := measure(t)
	t.Logf("after %s: %.2f writes a policy, %.1f s of CPU, %.0f MiB", time.Since(began).Round(time.Second),
		(u.writes()-before.writes())/float64(policies), u.cpuSeconds-before.cpuSeconds, u.bytes/(1<<20))
}
