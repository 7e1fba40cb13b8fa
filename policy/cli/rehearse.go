package cli

import (
	"context"
	"fmt"
	"strings"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/utils/ptr"

	"github.com/loadline/loadline/policy/api/v1alpha1"
	"github.com/loadline/loadline/policy/decide"
	"github.com/loadline/loadline/policy/handoff"
)

// notRehearsed is what only loadline-policy can tell, or only time.
const notRehearsed = "Not looked at: Loadline's own rights in the namespace, ResourceQuotas, PodDisruptionBudgets, whether nodes have room, and\n" +
	"whether the new pods export the policy's metrics. The switch looks at these itself, before the Service is touched."

// rehearse prints what a switch would come to, by what the caller may read.
func (e *env) rehearse(ctx context.Context, c *cluster, p *v1alpha1.AutoscalingPolicy, to string) error {
	fmt.Fprintf(e.Out, "%s (dry run)\n", strings.TrimSuffix(way(p, to), "."))
	if p.Spec.Mode != v1alpha1.Enforce {
		fmt.Fprintf(e.Out, "Nothing is done while the mode of the policy is %s: set spec.mode to %s.\n", p.Spec.Mode, v1alpha1.Enforce)
	}
	if p.Status.BlueGreen.Managing() != nil || p.Scaled().Name == to {
		return nil // the way says it all
	}
	in, err := c.switchInput(ctx, p)
	if err != nil {
		fmt.Fprintf(e.Out, "More cannot be said: %s\n", oneLine(err.Error()))
		return nil
	}
	in.Now = e.now()
	text, ok := firstSteps(in, to)
	fmt.Fprintf(e.Out, "%s\n%s\n", text, notRehearsed)
	if !ok {
		return errTold
	}
	return nil
}

// firstSteps decides a switch up to its first write, and says what that is, or why there
// is none.
func firstSteps(in handoff.Input, to string) (text string, ok bool) {
	p, _ := asking(in.Policy, to, in.Now)
	in.Policy = p
	for range 4 { // asked for, Preflight, Prescale and what that writes
		r := handoff.Step(in)
		p.Status.BlueGreen = &r.State
		if r.Action != nil || !r.Soon {
			break
		}
	}
	state := p.Status.BlueGreen
	w, other := state.Switch, in.World.Workload(to)
	switch {
	case state.Serving == to:
		return fmt.Sprintf("The Service %s is on %s already: the HPA is about to follow.", p.Spec.BlueGreen.Service, to), true
	case w == nil || w.To != to:
		return "It would not begin.", false
	case w.Phase == v1alpha1.Aborted || w.Phase == v1alpha1.Reverting:
		return "It would be given up at once: " + w.Message + ".", false
	}
	size := fmt.Sprintf("%s needs %d pods", w.From, w.Needed)
	if percent := ptr.Deref(p.Spec.BlueGreen.HeadroomPercent, 0); percent > 0 {
		size += fmt.Sprintf(", %d%% more are asked for", percent)
	}
	size += fmt.Sprintf(", and replicas.max is %d", p.Spec.Replicas.Max)
	if other.Size >= w.Size {
		return fmt.Sprintf("%s has %d pods, and %d are enough (%s): the Service would move once these serve.", to, other.Size, w.Size, size), true
	}
	return fmt.Sprintf("%s would be scaled from %d to %d pods (%s), and the Service would move once these serve.", to, other.Size, w.Size, size), true
}

// switchInput reads what a switch is decided from.
func (c *cluster) switchInput(ctx context.Context, p *v1alpha1.AutoscalingPolicy) (handoff.Input, error) {
	in := handoff.Input{Policy: p, OnTarget: p.Scaled().Name}
	checks := &handoff.Checks{}
	in.World.Checks = checks
	read := func(resource schema.GroupVersionResource, name string) (*unstructured.Unstructured, error) {
		u, err := c.get(ctx, resource, p.Namespace, name)
		if err != nil {
			err = explain(err, resource)
		}
		return u, err
	}
	service, err := read(corev1.SchemeGroupVersion.WithResource("services"), p.Spec.BlueGreen.Service)
	if err != nil {
		return in, err
	}
	if service != nil {
		checks.ServiceOwner = decide.WriterOf(service, "spec", "selector")
		s, err := typed[corev1.Service](service)
		if err != nil {
			return in, err
		}
		in.World.Service = handoff.ServiceOf(s)
	}
	for ref, side := range map[v1alpha1.TargetReference]*handoff.Workload{p.Spec.TargetRef: &in.World.First, p.Spec.BlueGreen.OtherRef: &in.World.Other} {
		if kind := workloadOf(ref); kind != nil {
			u, err := read(kind.resource, ref.Name)
			if err != nil {
				return in, err
			}
			if u != nil {
				by := decide.WriterOf(u, "spec", "replicas")
				if *side, err = kind.side(u); err != nil {
					return in, err
				}
				if ref != p.Scaled() {
					checks.ReplicasOwner = by
				}
			}
		}
		side.Ref = ref
	}
	hpas, err := list[autoscalingv2.HorizontalPodAutoscaler](ctx, c, hpasResource(), scope{namespace: p.Namespace})
	if err != nil {
		return in, err
	}
	for _, h := range hpas {
		if h.Name == p.Name && ptr.Deref(h.Status.ObservedGeneration, 0) >= h.Generation {
			in.Size = h.Status.DesiredReplicas
		}
	}
	in.Rival = func(t v1alpha1.TargetReference) string {
		for i := range hpas {
			if h := &hpas[i]; h.Name != p.Name && decide.Scales(h, t) {
				return h.Name
			}
		}
		return ""
	}
	return in, nil
}
