package handoff

import (
	"maps"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/loadline/loadline/policy/api/v1alpha1"
	"github.com/loadline/loadline/policy/quota"
	"github.com/loadline/loadline/policy/rollout"
)

// World is what a switch is decided from, besides the policy.
type World struct {
	Service Service
	// First and Other are the workloads of spec.targetRef and of spec.blueGreen.otherRef.
	First, Other Workload
	// Checks are what only a managed switch looks at; nil where they were not made.
	Checks *Checks
}

// Service is the one behind which two workloads take turns.
type Service struct {
	Found           bool
	ResourceVersion string
	Selector        map[string]string
}

// Workload is one of the two.
type Workload struct {
	Ref   v1alpha1.TargetReference
	Found bool
	rollout.View
	// Labels are those of its pods, Selector is what it selects them by.
	Labels   map[string]string
	Selector labels.Selector
}

// Checks are made with rights that Loadline has only where they were given to it, by
// reading anew what may be old in a cache.
type Checks struct {
	// Failed is why they could not be made, for people. Forbidden: a right is missing, and
	// waiting does not help.
	Failed    string
	Forbidden bool
	// ServiceOwner and ReplicasOwner name who else writes the Service's selector, and the
	// replicas of the workload that is to serve, again and again; empty if nobody does.
	ServiceOwner, ReplicasOwner string
	// Endpoints are the ready endpoints of the Service by workload; nil if not read.
	Endpoints map[string]int
	// Room is the room that the namespace's quotas leave for more pods of the workload that
	// is to serve; nil where nothing bounds it, or it was not read. Unprotected is the name
	// of a PodDisruptionBudget of what serves, where none is for what is to serve.
	Room        *quota.Room
	Unprotected string
	// Unmetered are metrics of the policy that the pods of the workload that is to serve do
	// not export; nil if that is not known.
	Unmetered []string
}

// Workload is the one of a name; one that is not there, if it is neither's.
func (w *World) Workload(name string) *Workload {
	switch name {
	case w.First.Ref.Name:
		return &w.First
	case w.Other.Ref.Name:
		return &w.Other
	}
	return &Workload{Ref: v1alpha1.TargetReference{Name: name}}
}

// ServiceOf is one that is there.
func ServiceOf(s *corev1.Service) Service {
	return Service{Found: true, ResourceVersion: s.ResourceVersion, Selector: s.Spec.Selector}
}

// Serves says whether the Service selects the pods of a workload.
func (s *Service) Serves(w *Workload) bool {
	return s.Found && w.Found && len(s.Selector) > 0 && labels.SelectorFromSet(s.Selector).Matches(labels.Set(w.Labels))
}

// Serving is the name of the workload that the Service selects; or why there is not one.
func (w *World) Serving(service string) (name, doubt string) {
	first, other := w.Service.Serves(&w.First), w.Service.Serves(&w.Other)
	switch {
	case !w.Service.Found:
		return "", "there is no Service " + service
	case len(w.Service.Selector) == 0:
		return "", "the Service " + service + " has no selector"
	case first && other:
		return "", "the Service " + service + " selects the pods of both workloads: give its selector a label by which they differ"
	case first:
		return w.First.Ref.Name, ""
	case other:
		return w.Other.Ref.Name, ""
	}
	return "", "the Service " + service + " selects the pods of neither workload"
}

// selectorFor is the Service's selector with the values that the pods of a workload have.
// It returns the first label that they do not have, if there is one.
func (s *Service) selectorFor(w *Workload) (selector map[string]string, missing string) {
	selector = maps.Clone(s.Selector)
	for key := range s.Selector {
		value, ok := w.Labels[key]
		if !ok {
			return nil, key
		}
		selector[key] = value
	}
	return selector, ""
}

func set(m map[string]string) labels.Set { return m }
