//go:build e2e

package policy

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/utils/ptr"

	"github.com/loadline/loadline/hack/e2e/suite"
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
	if !system.Gate(t, suite.ScaleToZero) {
		refusesZero(t, ns)
		t.Skipf("NO HPA GOES TO 0 HERE: Kubernetes 1.%d, %s is off. Tested was that a policy with min 0 is told so", system.Minor(t), suite.ScaleToZero)
	}
	// Before 1.37 the HPA controller does not note that it was it who scaled to 0. So no
	// write can lose that, and what a person sets to 0 wakes as well.
	notes := system.Minor(t) >= 37
	t.Logf("Kubernetes 1.%d notes that an HPA scaled to 0: %t", system.Minor(t), notes)
	p := create(t, newPolicy(ns, "web", external, func(p *v1alpha1.AutoscalingPolicy) {
		p.Spec.Replicas.Min = 0
		p.Spec.Behavior.ScaleUp.Policies[0].Value = 6
	}))
	built(t, ns, "web")
	goodMetrics(t, ns, "web")

	source.value.Store(5)
	seen(t, ns, "the HPA sees one pod", func(h *autoscalingv2.HorizontalPodAutoscaler) bool { return h.Status.CurrentReplicas == 1 })
	if notes {
		nearZero(t, p)
	} else {
		edit(t, p, func(p *v1alpha1.AutoscalingPolicy) { p.Spec.Replicas.Max = 7 })
		built(t, ns, "web")
	}
	source.value.Store(15) // two pods: the danger is over
	size(t, ns, "web", 2, 3*hpaSync)
	built(t, ns, "web")

	source.value.Store(0)
	size(t, ns, "web", 0, 5*hpaSync)
	seen(t, ns, "the HPA rests at 0", func(h *autoscalingv2.HorizontalPodAutoscaler) bool {
		return h.Status.CurrentReplicas == 0 && floor.Judge(h).ToZero == notes
	})
	// At rest a write is safe, and it does wake afterwards.
	edit(t, p, func(p *v1alpha1.AutoscalingPolicy) { p.Spec.Replicas.Max = 8 })
	built(t, ns, "web")
	source.value.Store(15)
	size(t, ns, "web", 2, 3*hpaSync)

	resize(t, d, 0)
	if !notes {
		size(t, ns, "web", 2, 3*hpaSync)
		refusesFloorsAtZero(t, p)
		return
	}
	ready(t, ns, "web", decide.AtZero, 3*hpaSync)
	stays(t, ns, 0, "a person's 0")
	resize(t, d, 1)
	size(t, ns, "web", 2, 3*hpaSync)
	ready(t, ns, "web", decide.Applied, soon)
}

// refusesFloorsAtZero has the HPA controller before 1.37 show why a policy with min 0 may
// have no schedule there, and the policy say so.
func refusesFloorsAtZero(t *testing.T, p *v1alpha1.AutoscalingPolicy) {
	t.Helper()
	ns := p.Namespace
	now, _ := shift()
	now.Min = 1
	edit(t, p, func(p *v1alpha1.AutoscalingPolicy) { p.Spec.Schedules = []v1alpha1.Schedule{now} })
	ready(t, ns, "web", decide.ScaleToZeroUnsupported, soon)
	edit(t, p, func(p *v1alpha1.AutoscalingPolicy) { p.Spec.Schedules = nil })
	ready(t, ns, "web", decide.Applied, soon)

	h := foreign(ns, "other")
	h.Spec.MinReplicas = ptr.To[int32](1)
	sized(t, ns, "other", 0)
	create(t, h)
	system.Until(t, "an HPA with min 1 and a target at 0 is switched off", 4*hpaSync, func(ctx context.Context) (bool, string) {
		h, err := getHPA(ctx, ns, "other")
		return err == nil && floor.Judge(h).Disabled, fmt.Sprintf("%v, %+v", err, h.Status)
	})
}

// refusesZero has policies with min 0 on a cluster that takes no such HPA: they are told,
// with what to do; then all rests, no HPA is made and one that is there stays as it was; and
// it mends itself with the policy.
func refusesZero(t *testing.T, ns string) {
	t.Helper()
	p := create(t, newPolicy(ns, "web", external, func(p *v1alpha1.AutoscalingPolicy) { p.Spec.Replicas.Min = 0 }))
	rests := func(hpa *autoscalingv2.HorizontalPodAutoscaler) {
		t.Helper()
		ready(t, ns, "web", decide.ScaleToZeroUnsupported, soon)
		was, err := getPolicy(t.Context(), ns, "web")
		must(t, err)
		if c := condition(was, v1alpha1.Ready); !strings.Contains(c, suite.ScaleToZero) || !strings.Contains(c, "give min 1") {
			t.Errorf("no remedy: %s", c)
		}
		system.Never(t, 3*hpaSync, func(ctx context.Context) (bool, string) {
			p, err := getPolicy(ctx, ns, "web")
			if err != nil {
				return true, err.Error()
			}
			h, err := getHPA(ctx, ns, "web")
			switch {
			case hpa == nil && !apierrors.IsNotFound(err):
				return true, fmt.Sprintf("there is an HPA, or it is not known: %v", err)
			case hpa != nil && (err != nil || !cmp.Equal(hpa.Spec, h.Spec)):
				return true, fmt.Sprintf("the HPA has changed: %v, %s", err, cmp.Diff(hpa.Spec, h.Spec))
			}
			diff := cmp.Diff(meta.FindStatusCondition(was.Status.Conditions, v1alpha1.Ready), meta.FindStatusCondition(p.Status.Conditions, v1alpha1.Ready))
			return diff != "", "it does not rest: " + diff
		})
	}
	rests(nil)
	edit(t, p, func(p *v1alpha1.AutoscalingPolicy) { p.Spec.Replicas.Min = 1 })
	live := built(t, ns, "web")
	ready(t, ns, "web", decide.Applied, 2*hpaSync+soon)
	edit(t, p, func(p *v1alpha1.AutoscalingPolicy) { p.Spec.Replicas.Min = 0 })
	rests(live)
	edit(t, p, func(p *v1alpha1.AutoscalingPolicy) { p.Spec.Replicas.Min = 1 })
	ready(t, ns, "web", decide.Applied, 2*hpaSync+soon)
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
		diff := cmp.Diff(before.Spec, h.Spec)
		return diff != "" || h.Spec.MaxReplicas != 6, "the HPA was written to near zero: " + diff
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
