//go:build e2e

package policy

import (
	"context"
	"fmt"
	"testing"
	"time"
	_ "time/tzdata" // as loadline-policy has it

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/loadline/loadline/policy/api/v1alpha1"
	"github.com/loadline/loadline/policy/controller"
)

// minimum waits until an HPA has a minimum of n.
func minimum(t *testing.T, namespace, name string, n int32, limit time.Duration) {
	t.Helper()
	system.Until(t, fmt.Sprintf("%s with min %d", name, n), limit, func(ctx context.Context) (bool, string) {
		h, err := getHPA(ctx, namespace, name)
		if err != nil {
			return false, err.Error()
		}
		p, err := getPolicy(ctx, namespace, name)
		if err != nil {
			return false, err.Error()
		}
		return ptr.Deref(h.Spec.MinReplicas, 1) == n, fmt.Sprintf("min %d, %s, %s", ptr.Deref(h.Spec.MinReplicas, 1), condition(p, v1alpha1.Held), condition(p, v1alpha1.MetricsAvailable))
	})
}

// A schedule at a local time that the change to summer time leaves out begins at the
// first moment after it, and lasts as long as it says; its end comes step by step.
func TestP3Schedule(t *testing.T) {
	alone(t)
	startMetricAPI(t)
	ns := namespace(t)
	sized(t, ns, "web", 2)
	berlin, err := time.LoadLocation("Europe/Berlin")
	must(t, err)
	// The clocks go from 2:00 to 3:00 on 29 March 2026, at 1:00 UTC.
	change := time.Date(2026, 3, 29, 1, 0, 0, 0, time.UTC)
	if h := change.In(berlin).Hour(); h != 3 {
		t.Fatalf("at %d o'clock", h)
	}
	clock := &fakeClock{now: change.Add(-2 * time.Second)}
	local(t, nil, func(o *controller.Options) { o.Now = clock.Now })
	p := create(t, newPolicy(ns, "web", external, func(p *v1alpha1.AutoscalingPolicy) {
		p.Spec.Schedules = []v1alpha1.Schedule{{
			Name: "night", Start: "30 2 * * *", Duration: metav1.Duration{Duration: time.Hour}, TimeZone: "Europe/Berlin", Min: 4,
		}}
	}))
	minimum(t, ns, "web", 2, soon)
	goodMetrics(t, ns, "web")
	// The clock stands until the test sets it; a policy that is touched is looked at.
	look := func(now time.Time) {
		clock.set(now)
		edit(t, p, func(p *v1alpha1.AutoscalingPolicy) {
			metav1.SetMetaDataAnnotation(&p.ObjectMeta, "looked-at", now.String())
		})
	}
	look(change.Add(-time.Second))
	system.Never(t, 2*time.Second, func(ctx context.Context) (bool, string) {
		h, err := getHPA(ctx, ns, "web")
		return err != nil || *h.Spec.MinReplicas != 2, fmt.Sprintf("before its time: %v", err)
	})
	look(change)
	minimum(t, ns, "web", 4, soon)
	size(t, ns, "web", 4, 30*time.Second)
	goodMetrics(t, ns, "web")
	look(change.Add(time.Hour - time.Second))
	system.Never(t, 2*time.Second, func(ctx context.Context) (bool, string) {
		h, err := getHPA(ctx, ns, "web")
		return err != nil || *h.Spec.MinReplicas != 4, fmt.Sprintf("before its end: %v", err)
	})
	look(change.Add(time.Hour))
	system.Until(t, "the floor being released", soon, func(ctx context.Context) (bool, string) {
		p, err := getPolicy(ctx, ns, "web")
		if err != nil {
			return false, err.Error()
		}
		return p.Status.Release != nil && p.Status.Release.Value == 4, condition(p, v1alpha1.Held)
	})
	look(change.Add(time.Hour + time.Second))
	minimum(t, ns, "web", 3, soon)
	look(change.Add(time.Hour + 2*time.Second))
	minimum(t, ns, "web", 2, soon)
	size(t, ns, "web", 2, 30*time.Second)
}

// A metric that goes missing for as long as the policy says raises the minimum, and
// with it the size; when it is back nothing is cut until it has been back for as long.
func fallback(t *testing.T, m *metricAPI) {
	ns := namespace(t)
	source := m.of(ns)
	sized(t, ns, "web", 2)
	const after = 30 * time.Second
	create(t, newPolicy(ns, "web", external, func(p *v1alpha1.AutoscalingPolicy) {
		p.Spec.Fallback = &v1alpha1.Fallback{After: metav1.Duration{Duration: after}, Min: 4}
	}))
	built(t, ns, "web")
	goodMetrics(t, ns, "web")

	source.away.Store(true)
	gone := time.Now()
	minimum(t, ns, "web", 4, after+3*hpaSync+soon)
	if early := after - time.Since(gone); early > 0 {
		t.Errorf("%s too early", early)
	}
	size(t, ns, "web", 4, 3*hpaSync)

	source.away.Store(false)
	system.Never(t, after-2*time.Second, func(ctx context.Context) (bool, string) {
		n, err := replicasOf(ctx, ns, "web")
		return err != nil || n < 4, fmt.Sprintf("cut to %d while the metric is hardly back, %v", n, err)
	})
	minimum(t, ns, "web", 2, after+3*hpaSync)
	size(t, ns, "web", 2, 3*hpaSync)
}
