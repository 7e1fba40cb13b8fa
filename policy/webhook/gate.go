package webhook

import (
	"context"
	"fmt"

	admissionv1 "k8s.io/api/admission/v1"

	"github.com/loadline/loadline/policy/api/v1alpha1"
)

// Facts are what a request about a Service does not say.
type Facts interface {
	// BlueGreen are the policies of a namespace whose blue/green is behind a Service.
	BlueGreen(ctx context.Context, namespace, service string) ([]v1alpha1.AutoscalingPolicy, error)
	// Ready counts the ready pods of a namespace that a selector selects, up to a bound
	// that is the same for all.
	Ready(ctx context.Context, namespace string, selector map[string]string) (int, error)
}

// Gate judges changes of the selectors of Services: to pods of which fewer are ready
// than serve now. It refuses for Services that a policy names in spec.blueGreen.
type Gate struct {
	facts Facts
	slots chan struct{}
}

// mostCounts bounds the Services whose pods are counted at once, and with them the
// memory and the load on the API server.
const mostCounts = 4

// NewGate returns one that asks facts.
func NewGate(facts Facts) *Gate { return &Gate{facts, make(chan struct{}, mostCounts)} }

// Judge warns or refuses for the Services of policies, and lets others pass.
func (g *Gate) Judge(ctx context.Context, r *admissionv1.AdmissionRequest) (Verdict, error) {
	return g.judge(ctx, r, false)
}

// JudgeAll warns about the others, too.
func (g *Gate) JudgeAll(ctx context.Context, r *admissionv1.AdmissionRequest) (Verdict, error) {
	return g.judge(ctx, r, true)
}

func (g *Gate) judge(ctx context.Context, r *admissionv1.AdmissionRequest, all bool) (Verdict, error) {
	s, err := selectionOf(r)
	if s == nil || err != nil {
		return Verdict{}, err
	}
	policies, err := g.facts.BlueGreen(ctx, s.namespace, s.service)
	if err != nil {
		return Verdict{}, fmt.Errorf("%swhose blue/green Service %s is: %w", mode, s.service, err)
	}
	c := claimOf(policies)
	switch {
	case c.by == "" && !all:
		return Verdict{}, nil
	case s.allowed != "":
		// It stays behind, and would let the next change pass in silence.
		return Verdict{Warnings: []string{fmt.Sprintf("%snot looked at, for Service %s is annotated %s: %s", mode, s.service, AllowGreenCold, s.allowed)}}, nil
	}
	was, is, err := g.count(ctx, s)
	if err != nil {
		return Verdict{}, fmt.Errorf("%swhether the pods can take over the load of Service %s: %w", mode, s.service, err)
	}
	return s.lost(c, was, is), nil
}

// claimOf is the first claim that has refusals, or else the first.
func claimOf(policies []v1alpha1.AutoscalingPolicy) claim {
	var first claim
	for _, p := range policies {
		c := claim{by: p.Name, idle: p.Spec.Mode == v1alpha1.DryRun || p.Spec.Mode == v1alpha1.Paused}
		if p.DeletionTimestamp != nil {
			continue
		}
		if !c.idle {
			return c
		}
		if first.by == "" {
			first = c
		}
	}
	return first
}

// count counts before and after. What is not served now cannot be lost, so with none
// before it does not look at the others.
func (g *Gate) count(ctx context.Context, s *selection) (was, is int, err error) {
	select {
	case g.slots <- struct{}{}:
		defer func() { <-g.slots }()
	case <-ctx.Done():
		return 0, 0, ctx.Err()
	}
	if was, err = g.facts.Ready(ctx, s.namespace, s.was); err != nil || was == 0 {
		return 0, 0, err
	}
	is, err = g.facts.Ready(ctx, s.namespace, s.is)
	return was, is, err
}
