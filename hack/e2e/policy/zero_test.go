//go:build e2e

package policy

import (
	"context"
	"fmt"
	"testing"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"

	"github.com/loadline/loadline/policy/api/v1alpha1"
	"github.com/loadline/loadline/policy/decide"
	"github.com/loadline/loadline/policy/floor"
)

// toZero has a policy with min 0 go to 0 and wake again. While its HPA could be about to
// scale to 0 nothing is written to it, for such a write can strand it there; what a
// person sets to 0 stays at 0.
func toZero(t *testing.T, m *metricAPI) {
	ns := namespace(t)
	source := m.of(ns)
	source.value.Store(15)
	d := sized(t, ns, "web", 2)
	p := create(t, newPolicy(ns, "web", external, func(p *v1alpha1.AutoscalingPolicy) {
		p.Spec.Replicas.Min = 0
		p.Spec.Behavior.ScaleUp.Policies[0].Value = 6
	}))
	built(t, ns, "web")
	goodMetrics(t, ns, "web")

	source.value.Store(5)
	seen(t, ns, "the HPA sees one pod", func(h *autoscalingv2.HorizontalPodAutoscaler) bool { return h.Status.CurrentReplicas == 1 })
	nearZero(t, p)
	source.value.Store(15) // two pods: the danger is over
	size(t, ns, "web", 2, 3*hpaSync)
	built(t, ns, "web")

	source.value.Store(0)
	size(t, ns, "web", 0, 5*hpaSync)
	seen(t, ns, "the HPA rests at 0", func(h *autoscalingv2.HorizontalPodAutoscaler) bool {
		return h.Status.CurrentReplicas == 0 && floor.Judge(h).ToZero
	})
	// At rest a write is safe, and it does wake afterwards.
	edit(t, p, func(p *v1alpha1.AutoscalingPolicy) { p.Spec.Replicas.Max = 8 })
	built(t, ns, "web")
	source.value.Store(15)
	size(t, ns, "web", 2, 3*hpaSync)

	resize(t, d, 0)
	ready(t, ns, "web", decide.AtZero, 3*hpaSync)
	stays(t, ns, 0, "a person's 0")
	resize(t, d, 1)
	size(t, ns, "web", 2, 3*hpaSync)
	ready(t, ns, "web", decide.Applied, soon)
}

// nearZero edits a policy whose HPA is one pod from 0, and sees that this waits.
func nearZero(t *testing.T, p *v1alpha1.AutoscalingPolicy) {
	t.Helper()
	before, err := getHPA(t.Context(), p.Namespace, p.Name)
	must(t, err)
	edit(t, p, func(p *v1alpha1.AutoscalingPolicy) { p.Spec.Replicas.Max = 7 })
	ready(t, p.Namespace, p.Name, decide.NearZero, soon)
	system.Never(t, 2*hpaSync, func(ctx context.Context) (bool, string) {
		h, err := getHPA(ctx, p.Namespace, p.Name)
		if err != nil {
			return true, err.Error()
		}
		return h.Generation != before.Generation || h.Spec.MaxReplicas != 6,
			fmt.Sprintf("the HPA was written to near zero: generation %d, max %d", h.Generation, h.Spec.MaxReplicas)
	})
}

// seen waits until the HPA web says something of its target.
func seen(t *testing.T, ns, what string, is func(*autoscalingv2.HorizontalPodAutoscaler) bool) {
	t.Helper()
	system.Until(t, what, 4*hpaSync, func(ctx context.Context) (bool, string) {
		h, err := getHPA(ctx, ns, "web")
		if err != nil {
			return false, err.Error()
		}
		return is(h), fmt.Sprintf("%+v", h.Status)
	})
}

// stays fails if the Deployment web becomes another size within two syncs.
func stays(t *testing.T, ns string, n int32, what string) {
	t.Helper()
	system.Never(t, 2*hpaSync+time.Second, func(ctx context.Context) (bool, string) {
		is, err := replicasOf(ctx, ns, "web")
		return err != nil || is != n, fmt.Sprintf("%s: %d became %d, %v", what, n, is, err)
	})
}
