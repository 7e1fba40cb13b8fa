package handoff

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/loadline/loadline/policy/api/v1alpha1"
	"github.com/loadline/loadline/policy/quota"
)

func diff(t *testing.T, want, got any) {
	t.Helper()
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// The whole course of a switch, and back again.
func TestManaged(t *testing.T) {
	s := newSim(t)
	s.rest()
	diff(t, []string(nil), s.did)
	s.ask(green)
	s.rest()
	diff(t, []string{"Preflight", "Prescale", "scale web-green 5", "Waiting", "Holding", "Flipping", "flip web-green", "Retargeting", "Soaking"}, s.did)
	diff(t, []any{green, int32(5), int32(4)}, []any{s.hpa, s.min, s.world.First.Size})
	s.pass(11 * time.Minute)
	diff(t, []string{"Retiring", "scale web-blue 0", "Complete"}, s.did[9:])
	diff(t, []any{green, int32(2), int32(0)}, []any{s.hpa, s.min, s.world.First.Size})

	s.did = nil
	s.ask(blue)
	s.rest()
	diff(t, []string{"Preflight", "Prescale", "scale web-blue 6", "Waiting", "Holding", "Flipping", "flip web-blue", "Retargeting", "Soaking"}, s.did)
}

// What is asked back in the middle of a switch.
func TestTakenBack(t *testing.T) {
	for name, tt := range map[string]struct {
		until string // the phase in which it is taken back
		want  []string
	}{
		"before anything was done": {"Preflight", []string{"Preflight", "Aborted"}},
		"prescaled":                {"Waiting", []string{"Preflight", "Prescale", "scale web-green 5", "Waiting", "Reverting", "scale web-green 1", "Aborted"}},
		"before the flip":          {"Flipping", []string{"Preflight", "Prescale", "scale web-green 5", "Waiting", "Holding", "Flipping", "Reverting", "scale web-green 1", "Aborted"}},
		"after it": {"Soaking", []string{"Preflight", "Prescale", "scale web-green 5", "Waiting", "Holding", "Flipping", "flip web-green", "Retargeting", "Soaking",
			"Preflight", "Prescale", "Holding", "Flipping", "flip web-blue", "Retargeting", "Soaking"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSim(t)
			s.rest()
			s.ask(green)
			s.until(tt.until)
			s.ask(blue)
			s.rest()
			diff(t, tt.want, s.did)
			if s.hpa != blue {
				t.Errorf("the HPA is on %s", s.hpa)
			}
			s.did = nil
			s.rest()
			diff(t, []string(nil), s.did)
		})
	}
}

// A way back that is taken back leaves both, and says so.
func TestWayBackTakenBack(t *testing.T) {
	s := newSim(t)
	s.rest()
	s.ask(green)
	s.rest()
	s.ask(blue)
	s.step()
	s.ask(green)
	s.pass(time.Hour)
	diff(t, "it was taken back; web-blue keeps its 4 pods", s.policy.Status.BlueGreen.Switch.Message)
	diff(t, []any{green, int32(4)}, []any{s.hpa, s.world.First.Size})
}

// What served the load before can do so again: the way back waits for nothing.
func TestRollbackAtOnce(t *testing.T) {
	s := newSim(t)
	s.rest()
	s.ask(green)
	s.rest()
	s.did = nil
	s.ask(blue)
	s.rest()
	diff(t, []string{"Preflight", "Prescale", "Holding", "Flipping", "flip web-blue", "Retargeting", "Soaking"}, s.did)
}

// But if the load has grown since, the other side grows first.
func TestRollbackUnderMoreLoad(t *testing.T) {
	s := newSim(t)
	s.rest()
	s.ask(green)
	s.rest()
	s.world.Other.Size, s.world.Other.Available = 7, 7
	s.did = nil
	s.ask(blue)
	s.rest()
	diff(t, []string{"Preflight", "Prescale", "scale web-blue 7", "Waiting", "Holding", "Flipping", "flip web-blue", "Retargeting", "Soaking"}, s.did)
}

// If nothing of what serves is ready, the other side need not be whole to be better.
func TestRollbackFromNothing(t *testing.T) {
	s := newSim(t)
	s.rest()
	s.ask(green)
	s.rest()
	s.world.Other.Available = 0
	s.world.First.Size, s.world.First.Available = 2, 2
	s.ask(blue)
	for range 100 {
		s.step()
		s.world.Other.Available = 0
		s.world.First.Available = 2
	}
	if s.hpa != blue {
		t.Errorf("the HPA is on %s after %v", s.hpa, s.did)
	}
}

// Somebody else changes the selector: the HPA goes along, and keeps its size.
func TestObserved(t *testing.T) {
	s := newSim(t, func(b *v1alpha1.BlueGreen) { b.Mode = v1alpha1.Observed })
	s.rest()
	s.flipByHand(green)
	s.rest()
	diff(t, []string{"Soaking"}, s.did)
	diff(t, []any{green, int32(4), int32(4)}, []any{s.hpa, s.min, s.world.Other.Size})
	s.pass(11 * time.Minute)
	diff(t, []string{"Soaking", "Complete"}, s.did)
	diff(t, []any{int32(2), int32(4)}, []any{s.min, s.world.First.Size})
}

// A person has the last word: what was asked for before is not done again.
func TestFlippedBackByHand(t *testing.T) {
	s := newSim(t)
	s.rest()
	s.ask(green)
	s.rest()
	s.flipByHand(blue)
	s.rest()
	if s.hpa != blue {
		t.Errorf("the HPA is on %s", s.hpa)
	}
	s.did = nil
	s.pass(time.Hour)
	diff(t, []string{"Complete"}, s.did)
	s.policy.Annotations = map[string]string{RequestAnnotation: "again"}
	s.rest()
	if s.hpa != green {
		t.Errorf("asked again, the HPA is on %s after %v", s.hpa, s.did)
	}
}

// Where the Service selects both or neither, nothing moves.
func TestDoubt(t *testing.T) {
	for name, selector := range map[string]map[string]string{"both": {"app": "web"}, "neither": {"app": "api"}, "none": nil} {
		t.Run(name, func(t *testing.T) {
			s := newSim(t)
			s.rest()
			s.world.Service.Selector = selector
			s.rest()
			if s.hpa != blue || s.policy.Status.BlueGreen.Doubt == "" {
				t.Errorf("the HPA is on %s: %s", s.hpa, s.policy.Status.BlueGreen.Doubt)
			}
		})
	}
}

func TestRefused(t *testing.T) {
	for name, tt := range map[string]struct {
		edit func(*sim)
		want string
	}{
		"no right":        {func(s *sim) { s.checks = Checks{Failed: "Loadline may not patch services web in x", Forbidden: true} }, "Loadline may not patch services web in x: bind the ClusterRole loadline-policy-switch in this namespace, or use mode Observed"},
		"no Service":      {func(s *sim) { s.world.Service = Service{} }, "there is no Service web"},
		"no workload":     {func(s *sim) { s.world.Other.Found = false }, "there is no Deployment web-green"},
		"a label missing": {func(s *sim) { s.world.Other.Labels = map[string]string{"app": "web"} }, "the Service web selects by the label colour, which the pods of Deployment web-green do not have"},
		"same labels":     {func(s *sim) { s.world.Other.Labels = s.world.First.Labels }, "the Service web does not select the pods of Deployment web-blue"},
		"overlap": {func(s *sim) { s.world.Other.Selector = labels.SelectorFromSet(map[string]string{"app": "web"}) },
			"the selectors of Deployment web-blue and Deployment web-green overlap, so that each counts the other's pods as its own"},
		"GitOps": {func(s *sim) { s.checks.ServiceOwner = "argocd" },
			"argocd writes the selector of the Service web, and would undo the switch: change it there with mode Observed, or annotate the Service with loadline.dev/allow-switch and a reason"},
		"replicas in Git": {func(s *sim) { s.checks.ReplicasOwner = "flux" },
			"flux writes the replicas of Deployment web-green, and would undo the prescaling: leave replicas out there, use mode Observed, or annotate it with loadline.dev/allow-switch and a reason"},
		"a quota": {func(s *sim) {
			s.checks.Room = &quota.Room{Pods: 3, Quota: "team", Entry: "requests.cpu", Left: resource.MustParse("1700m"), Each: resource.MustParse("500m")}
		}, "web-green needs 4 pods more, each with 500m of requests.cpu, and the ResourceQuota team has 1700m left: raise it for the time of the switch, then ask again with kubectl loadline switch"},
		"too many": {func(s *sim) { s.policy.Spec.Replicas.Max = 3 }, "Deployment web-blue has 4 pods, and replicas.max is 3, which is all that Deployment web-green may get"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSim(t)
			s.rest()
			tt.edit(s)
			s.ask(green)
			s.rest()
			diff(t, []string{"Preflight", "Aborted"}, s.did)
			if name != "same labels" { // then both serve, and it says so instead
				diff(t, tt.want, s.policy.Status.BlueGreen.Switch.Message)
			}
			s.pass(time.Hour)
			diff(t, []string{"Preflight", "Aborted"}, s.did)
		})
	}
}

// Room for just as many is room. What a drain may take is told, and is no reason to stay.
func TestPreflightGoesOn(t *testing.T) {
	s := newSim(t)
	s.rest()
	s.checks.Room, s.checks.Unprotected = &quota.Room{Pods: 4}, "web"
	s.ask(green)
	for s.policy.Status.BlueGreen.Switch == nil || s.policy.Status.BlueGreen.Switch.Phase == v1alpha1.Preflight {
		s.step()
	}
	diff(t, "the PodDisruptionBudget web is for the pods that serve now, and none is for those of web-green: a drained node may take all of them", s.policy.Status.BlueGreen.Switch.Message)
	s.rest()
	diff(t, green, s.hpa)
}

// What does not get ready in time is given up, and gets back its size; so is what does not
// export the metrics.
func TestTooLate(t *testing.T) {
	for name, tt := range map[string]struct {
		edit func(*sim)
		want string
	}{
		"pods":    {func(s *sim) { s.world.Other.Observed = false }, "not within 10m0s: 5 of 5 pods of web-green serve"},
		"metrics": {func(s *sim) { s.checks.Unmetered = []string{"http_requests_per_second"} }, "not within 10m0s: the pods of web-green do not export http_requests_per_second"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSim(t)
			s.rest()
			tt.edit(s)
			s.ask(green)
			s.pass(15 * time.Minute)
			diff(t, []string{"Preflight", "Prescale", "scale web-green 5", "Waiting", "Reverting", "scale web-green 1", "Aborted"}, s.did)
			diff(t, tt.want, s.policy.Status.BlueGreen.Switch.Message)
			diff(t, []any{blue, int32(2)}, []any{s.hpa, s.min})
		})
	}
}

// Pods of an older revision serve, and are not what people want to switch to; what serves
// already is, on the way back.
func TestNewestRevision(t *testing.T) {
	s := newSim(t)
	s.rest()
	s.world.Other.Size, s.world.Other.Available, s.world.Other.Old = 6, 6, 2
	s.ask(green)
	s.rest()
	diff(t, []string{"Preflight", "Prescale", "Waiting"}, s.did)
	diff(t, "4 of 5 pods of web-green are of its newest revision", s.policy.Status.BlueGreen.Switch.Message)
	s.world.Other.Old = 0
	s.rest()
	diff(t, green, s.hpa)
	s.world.First.Old = 3
	s.ask(blue)
	s.rest()
	diff(t, blue, s.hpa)

	s = newSim(t)
	s.rest()
	s.world.Other.Failed, s.world.Other.Waits = true, "it is past its progress deadline"
	s.ask(green)
	s.rest()
	diff(t, []string{"Preflight", "Aborted"}, s.did)
	diff(t, "web-green is rolled out, and it is past its progress deadline", s.policy.Status.BlueGreen.Switch.Message)
}

// What the policy does not name any more is not scaled.
func TestNamesOthers(t *testing.T) {
	red := workload("web-red", 4)
	s := newSim(t)
	s.rest()
	s.ask(green)
	s.rest()
	s.policy.Spec.TargetRef, s.world.First, s.did = red.Ref, red, nil
	s.pass(time.Hour)
	diff(t, []string{"Complete"}, s.did)
	diff(t, "the policy does not name web-blue any more, which keeps the pods that it has", s.policy.Status.BlueGreen.Switch.Message)
	diff(t, []any{green, int32(2)}, []any{s.hpa, s.min})

	s = newSim(t)
	s.rest()
	s.checks.Unmetered = []string{"m"}
	s.ask(green)
	s.rest()
	s.policy.Spec.BlueGreen.OtherRef, s.world.Other, s.did = red.Ref, red, nil
	s.ask("")
	s.rest()
	diff(t, []string{"Aborted"}, s.did)
	diff(t, []any{blue, int32(2)}, []any{s.hpa, s.min})
}

// A write that the API server refuses is told in its words, and not tried for ever.
func TestWriteRefused(t *testing.T) {
	for name, tt := range map[string]struct {
		from string // the phase from which on writes are refused
		did  []string
		want string
	}{
		"prescaling": {"Prescale", []string{"Preflight", "Prescale", "Reverting", "Aborted"}, "not within 10m0s: no"},
		"the flip": {"Flipping", []string{"Preflight", "Prescale", "scale web-green 5", "Waiting", "Holding", "Flipping", "Reverting", "Aborted"},
			"not within 10m0s: no; web-green keeps its 5 pods: no"},
		"the end of blue": {"Soaking", []string{"Preflight", "Prescale", "scale web-green 5", "Waiting", "Holding", "Flipping", "flip web-green", "Retargeting", "Soaking", "Retiring", "Complete"},
			"web-blue keeps its 4 pods: no"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSim(t)
			s.rest()
			s.ask(green)
			s.until(tt.from)
			s.refuse = "no"
			s.pass(time.Hour)
			diff(t, tt.did, s.did)
			diff(t, tt.want, s.policy.Status.BlueGreen.Switch.Message)
		})
	}
}

// A size that grew when it was given up, and was never written, is taken back all the same.
func TestRatchetTooLate(t *testing.T) {
	s := newSim(t)
	s.rest()
	s.checks.Unmetered = []string{"m"}
	s.ask(green)
	s.rest()
	s.now = s.now.Add(11 * time.Minute)
	s.world.First.Size, s.world.First.Available = 6, 6
	s.rest()
	diff(t, []string{"Preflight", "Prescale", "scale web-green 5", "Waiting", "Reverting", "scale web-green 1", "Aborted"}, s.did)
}

// The size grows with what serves, until the flip.
func TestRatchet(t *testing.T) {
	s := newSim(t)
	s.rest()
	s.checks.Unmetered = []string{"m"} // so that it waits
	s.ask(green)
	s.rest()
	s.world.First.Size, s.world.First.Available = 7, 7
	s.rest()
	s.world.First.Size, s.world.First.Available = 3, 3 // which the floor would not let happen
	s.rest()
	if s.min != 7 || s.world.Other.Size != 8 {
		t.Errorf("min %d, the other has %d pods: %s", s.min, s.world.Other.Size, strings.Join(s.did, ", "))
	}
}

// What is asked for again while it is taken back is not forgotten.
func TestAskedAgainWhileReverting(t *testing.T) {
	s := newSim(t)
	s.rest()
	s.checks.Unmetered = []string{"m"}
	s.ask(green)
	s.rest()
	s.ask(blue)
	s.step()
	s.ask(green)
	s.checks = Checks{}
	s.rest()
	if s.hpa != green {
		t.Errorf("the HPA is on %s after %v", s.hpa, s.did)
	}
}

// Without the mandate nothing is done any more.
func TestModeObservedInTheMiddle(t *testing.T) {
	s := newSim(t)
	s.rest()
	s.checks.Unmetered = []string{"m"}
	s.ask(green)
	s.rest()
	s.policy.Spec.BlueGreen.Mode, s.policy.Spec.BlueGreen.Active = v1alpha1.Observed, ""
	s.rest()
	diff(t, []string{"Preflight", "Prescale", "scale web-green 5", "Waiting", "Aborted"}, s.did)
}

func TestPredecessor(t *testing.T) {
	rc := func(name string, size int32) Workload {
		w := workload(name, size)
		w.Ref = v1alpha1.TargetReference{APIVersion: "v1", Kind: "ReplicationController", Name: name}
		return w
	}
	good := Predecessor{Workload: rc("v1", 3), Successor: rc("v2", 3)}
	type out struct {
		Action *Action
		Why    string
	}
	for name, tt := range map[string]struct {
		edit func(*Predecessor)
		want out
	}{
		"it is not needed": {func(*Predecessor) {}, out{&Action{Kind: Scale, Target: good.Ref, From: 3, Why: "another one has taken its place"}, ""}},
		"gone":             {func(p *Predecessor) { p.Found = false }, out{}},
		"at 0":             {func(p *Predecessor) { p.Size = 0 }, out{}},
		"no right":         {func(p *Predecessor) { p.Failed = "may not" }, out{nil, "may not"}},
		"a Service": {func(p *Predecessor) { p.Service = "web" },
			out{nil, "the Service web selects the pods of v1, and not those of v2: give these its labels, or move it"}},
		"an HPA": {func(p *Predecessor) { p.HPA = "v1" }, out{nil, "the HPA v1 scales the ReplicationController v1: delete it"}},
		"overlap": {func(p *Predecessor) { p.Selector = labels.SelectorFromSet(map[string]string{"app": "web"}) },
			out{nil, "the selectors of v1 and v2 overlap, so that each counts the other's pods as its own: scale v1 by hand"}},
	} {
		t.Run(name, func(t *testing.T) {
			p := good
			tt.edit(&p)
			a, why := p.Retire(good.Successor.Ref)
			diff(t, tt.want, out{a, why})
		})
	}
}
