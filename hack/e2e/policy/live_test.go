//go:build e2e

package policy

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/loadline/loadline/policy/api/v1alpha1"
	"github.com/loadline/loadline/policy/decide"
	"github.com/loadline/loadline/policy/hpa"
)

// change is one edit of a policy that is at work, and what comes of it.
type change struct {
	what   string
	fields []string // of the spec, those that are edited
	edit   func(*v1alpha1.AutoscalingPolicySpec)
	before func() // what happens to the metric at the same time; nil for nothing
	limit  time.Duration
	done   func(*v1alpha1.AutoscalingPolicy, *autoscalingv2.HorizontalPodAutoscaler) bool
}

// shift is a schedule that began 80 minutes ago, to the minute, and lasts three hours.
func shift() (v1alpha1.Schedule, time.Time) {
	start := time.Now().UTC().Add(-80 * time.Minute).Truncate(time.Minute)
	return v1alpha1.Schedule{
		Name: "shift", Start: daily(start), Duration: metav1.Duration{Duration: 3 * time.Hour}, Min: 4,
	}, start
}

// daily is a time of the day as a cron line.
func daily(at time.Time) string { return fmt.Sprintf("%d %d * * *", at.Minute(), at.Hour()) }

// liveChanges are edits of what an HPA's spec does not show, or shows in its minimum,
// one after another; s is the metric that the policy follows, and answers to begin with.
// Not of this table is what fieldEdits has.
func liveChanges(s *source) []change {
	type (
		spec = v1alpha1.AutoscalingPolicySpec
		asp  = v1alpha1.AutoscalingPolicy
		ahpa = autoscalingv2.HorizontalPodAutoscaler
	)
	first, start := shift()
	// held: one floor, of this schedule and until then, is the minimum.
	held := func(owner string, min int32, until time.Time) func(*asp, *ahpa) bool {
		return func(p *asp, h *ahpa) bool {
			return len(p.Status.Floors) == 1 && p.Status.Floors[0].Owner == owner && p.Status.Floors[0].Expires.Time.Equal(until) &&
				*h.Spec.MinReplicas == min && ptr.Deref(p.Status.EffectiveMin, 0) == min && p.Status.Release == nil
		}
	}
	free := func(p *asp, h *ahpa) bool {
		return len(p.Status.Floors) == 0 && p.Status.Fallback == nil && p.Status.Release == nil && *h.Spec.MinReplicas == 2
	}
	phase := func(is v1alpha1.FallbackPhase, min int32) func(*asp, *ahpa) bool {
		return func(p *asp, h *ahpa) bool {
			return p.Status.Fallback != nil && p.Status.Fallback.Phase == is && *h.Spec.MinReplicas == min
		}
	}
	frozen := func(h *ahpa) bool {
		return *h.Spec.Behavior.ScaleDown.SelectPolicy == autoscalingv2.DisabledPolicySelect
	}
	owned := func(h *ahpa) bool { return slices.ContainsFunc(h.OwnerReferences, hpa.IsPolicy) }
	return []change{
		{what: "a schedule", edit: func(s *spec) { s.Schedules = []v1alpha1.Schedule{first} },
			done: held("schedule/shift", 4, start.Add(3*time.Hour))},
		{what: "a higher one", fields: []string{"schedules[].min"}, edit: func(s *spec) { s.Schedules[0].Min = 5 },
			done: held("schedule/shift", 5, start.Add(3*time.Hour))},
		{what: "another name", fields: []string{"schedules[].name"}, edit: func(s *spec) { s.Schedules[0].Name = "early" },
			done: held("schedule/early", 5, start.Add(3*time.Hour))},
		{what: "an hour more", fields: []string{"schedules[].duration"}, edit: func(s *spec) { s.Schedules[0].Duration.Duration = 4 * time.Hour },
			done: held("schedule/early", 5, start.Add(4*time.Hour))},
		{what: "five minutes earlier", fields: []string{"schedules[].start"}, edit: func(s *spec) { s.Schedules[0].Start = daily(start.Add(-5 * time.Minute)) },
			done: held("schedule/early", 5, start.Add(4*time.Hour-5*time.Minute))},
		{what: "another zone", fields: []string{"schedules[].timeZone"}, edit: func(s *spec) { s.Schedules[0].TimeZone = "Etc/GMT-1" }, // which is an hour ahead
			done: held("schedule/early", 5, start.Add(3*time.Hour-5*time.Minute))},
		{what: "no schedule", edit: func(s *spec) { s.Schedules = nil }, limit: 30 * time.Second, done: free},

		{what: "a fallback while the metric is gone", before: func() { s.away.Store(true) }, limit: 30 * time.Second,
			edit: func(s *spec) {
				s.Fallback = &v1alpha1.Fallback{After: metav1.Duration{Duration: time.Hour}, Min: 3}
			}, done: phase(v1alpha1.Suspect, 2)},
		{what: "a fallback that is due", fields: []string{"fallback.after"}, limit: 30*time.Second + 3*hpaSync,
			edit: func(s *spec) { s.Fallback.After.Duration = 30 * time.Second }, done: phase(v1alpha1.Engaged, 3)},
		{what: "a higher fallback", fields: []string{"fallback.min"}, edit: func(s *spec) { s.Fallback.Min = 4 }, done: phase(v1alpha1.Engaged, 4)},
		{what: "no fallback", before: func() { s.away.Store(false) }, limit: 75 * time.Second,
			edit: func(s *spec) { s.Fallback = nil }, done: free},

		{what: "a pause", fields: []string{"mode"}, edit: func(s *spec) { s.Mode = v1alpha1.Paused },
			done: func(p *asp, h *ahpa) bool { return p.Status.State == decide.StatePaused && frozen(h) }},
		{what: "a dry run", fields: []string{"mode"}, edit: func(s *spec) { s.Mode = v1alpha1.DryRun },
			done: func(p *asp, h *ahpa) bool {
				return p.Status.State == decide.StateDryRun && len(p.Status.Plan) > 0 && frozen(h)
			}},
		{what: "the end of it", fields: []string{"mode"}, edit: func(s *spec) { s.Mode = v1alpha1.Enforce },
			done: func(p *asp, h *ahpa) bool { return p.Status.State == decide.StateEnforced && !frozen(h) }},

		{what: "rollouts that hold nothing", edit: func(s *spec) { s.Rollout = &v1alpha1.Rollout{ScaleIn: v1alpha1.Allow} },
			done: func(p *asp, _ *ahpa) bool {
				return strings.Contains(condition(p, v1alpha1.RollingOut), decide.NotWatched)
			}},
		{what: "rollouts that hold", fields: []string{"rollout.scaleIn"}, edit: func(s *spec) { s.Rollout.ScaleIn = v1alpha1.Hold },
			done: func(p *asp, _ *ahpa) bool { return strings.Contains(condition(p, v1alpha1.RollingOut), decide.AtRest) }},
		{what: "and for longer", fields: []string{"rollout.maxHold"}, edit: func(s *spec) { s.Rollout.MaxHold.Duration = 2 * time.Hour },
			done: func(*asp, *ahpa) bool { return true }}, // what it says shows in a rollout only

		{what: "an HPA that is to stay", fields: []string{"deletionPolicy"}, edit: func(s *spec) { s.DeletionPolicy = v1alpha1.Orphan },
			done: func(_ *asp, h *ahpa) bool { return !owned(h) }},
		{what: "one that is to go", fields: []string{"deletionPolicy"}, edit: func(s *spec) { s.DeletionPolicy = v1alpha1.Delete },
			done: func(_ *asp, h *ahpa) bool { return owned(h) }},
	}
}

// live changes a policy whose target is there and whose metric answers, in all that
// shows elsewhere than in the HPA's spec. Of a floor that is changed, and of one that is
// taken away, nothing comes down by more than a step; the HPA is the same one all along.
func live(t *testing.T, m *metricAPI) {
	ns := namespace(t)
	source := m.of(ns)
	sized(t, ns, "web", 2)
	p := create(t, newPolicy(ns, "web", external))
	first := built(t, ns, "web")
	goodMetrics(t, ns, "web")
	falls := minima(t, ns)
	for _, c := range liveChanges(source) {
		if c.before != nil {
			c.before()
		}
		editSpec(t, p, c.fields, c.edit)
		limit := c.limit
		if limit == 0 {
			limit = soon
		}
		system.Until(t, c.what, limit, func(ctx context.Context) (bool, string) {
			p, err := getPolicy(ctx, ns, "web")
			if err != nil {
				return false, err.Error()
			}
			h, err := getHPA(ctx, ns, "web")
			if err != nil {
				return false, err.Error()
			}
			if h.UID != first.UID {
				t.Fatalf("%s: the HPA was replaced", c.what)
			}
			state := fmt.Sprintf("generation %d, min %d, status %+v", p.Generation, *h.Spec.MinReplicas, p.Status)
			return p.Status.ObservedGeneration == p.Generation && c.done(p, h), state
		})
	}
	built(t, ns, "web")
	for _, f := range falls() {
		if f.to < f.from-1 {
			t.Errorf("the minimum went from %d to %d at once", f.from, f.to)
		}
	}
	retargeted(t, p)

	must(t, kube.Delete(t.Context(), p))
	gone(t, ns, "web")
	switched(t, ns)
}

// retargeted has a policy scale a StatefulSet in the place of its Deployment: one write
// of the same HPA, which leaves the Deployment as it is.
func retargeted(t *testing.T, p *v1alpha1.AutoscalingPolicy) {
	t.Helper()
	set := stateful(t, p.Namespace, "web", 1)
	before := built(t, p.Namespace, "web")
	// What the Deployment has of a floor before is held for the StatefulSet as well.
	stays := *before.Spec.MinReplicas
	system.Until(t, "the Deployment at the policy's min", 30*time.Second, func(ctx context.Context) (bool, string) {
		h, err := getHPA(ctx, p.Namespace, "web")
		if err != nil {
			return false, err.Error()
		}
		return h.Status.CurrentReplicas == stays && h.Status.DesiredReplicas == stays, fmt.Sprintf("%+v", h.Status)
	})
	writes := writesOf(t, before)
	editSpec(t, p, []string{"targetRef.kind"}, func(s *v1alpha1.AutoscalingPolicySpec) { s.TargetRef.Kind = "StatefulSet" })
	system.Until(t, "the StatefulSet at the policy's min", 30*time.Second, func(ctx context.Context) (bool, string) {
		err := kube.Get(ctx, client.ObjectKeyFromObject(set), set)
		return err == nil && *set.Spec.Replicas == stays, fmt.Sprint(*set.Spec.Replicas, err)
	})
	after := built(t, p.Namespace, "web")
	if n := writes(); after.UID != before.UID || n != 1 {
		t.Errorf("to another kind: %d writes, of UID %s, then of UID %s", n, before.UID, after.UID)
	}
	if n, err := replicasOf(t.Context(), p.Namespace, "web"); err != nil || n != stays {
		t.Errorf("the Deployment went from %d to %d, %v", stays, n, err)
	}
	told(t, p.Namespace, "web", decide.EventRetargeted)
}

// switched has two policies change their minds about what becomes of their HPAs: what
// they said last is done.
func switched(t *testing.T, ns string) {
	t.Helper()
	ends := map[string][]v1alpha1.DeletionPolicy{
		"goes":  {v1alpha1.Orphan, v1alpha1.Delete},
		"stays": {v1alpha1.Delete, v1alpha1.Orphan},
	}
	for _, name := range []string{"goes", "stays"} {
		p := create(t, newPolicy(ns, name, func(p *v1alpha1.AutoscalingPolicy) { p.Spec.DeletionPolicy = ends[name][0] }))
		was := built(t, ns, name)
		editSpec(t, p, []string{"deletionPolicy"}, func(s *v1alpha1.AutoscalingPolicySpec) { s.DeletionPolicy = ends[name][1] })
		built(t, ns, name)
		must(t, kube.Delete(t.Context(), p))
		if name == "goes" {
			gone(t, ns, name)
			continue
		}
		left(t, was)
	}
}

// left waits until an HPA is there alone, with nothing of us on it.
func left(t *testing.T, was *autoscalingv2.HorizontalPodAutoscaler) {
	t.Helper()
	system.Until(t, "the HPA "+was.Name+" that is left says nothing of us", soon, func(ctx context.Context) (bool, string) {
		h, err := getHPA(ctx, was.Namespace, was.Name)
		if err != nil {
			return false, err.Error()
		}
		return traces(h) == "" && h.UID == was.UID, fmt.Sprintf("%s, UID %s", traces(h), h.UID)
	})
}

// stateful is sized for a StatefulSet.
func stateful(t *testing.T, namespace, name string, replicas int32) *appsv1.StatefulSet {
	t.Helper()
	labels := map[string]string{"stateful": name}
	return create(t, &appsv1.StatefulSet{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec: appsv1.StatefulSetSpec{
			Replicas: ptr.To(replicas), Selector: &metav1.LabelSelector{MatchLabels: labels}, ServiceName: name,
			Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: unplaced()},
		},
	})
}

// told waits for an Event about a policy.
func told(t *testing.T, namespace, policy, reason string) {
	t.Helper()
	system.Until(t, fmt.Sprintf("the Event %s of %s", reason, policy), soon, func(ctx context.Context) (bool, string) {
		list, err := system.Client.EventsV1().Events(namespace).List(ctx, metav1.ListOptions{})
		if err != nil {
			return false, err.Error()
		}
		var seen []string
		for _, e := range list.Items {
			if e.Regarding.Kind != v1alpha1.Kind || e.Regarding.Name != policy {
				continue
			}
			if e.Reason == reason {
				return true, ""
			}
			seen = append(seen, e.Reason)
		}
		return false, fmt.Sprint(seen)
	})
}
