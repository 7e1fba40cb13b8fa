package handoff

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/utils/ptr"

	"github.com/loadline/loadline/policy/api/v1alpha1"
	"github.com/loadline/loadline/policy/rollout"
)

const (
	blue, green = "web-blue", "web-green"
	sync        = 15 * time.Second
)

var began = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

// sim is a Service, two workloads whose pods come and go, and an HPA.
type sim struct {
	t       *testing.T
	now     time.Time
	policy  *v1alpha1.AutoscalingPolicy
	world   World
	hpa     string // the name of what it scales
	min     int32
	checks  Checks
	version int
	// refuse is what the API server answers to each write that is to hand over.
	refuse string
	// fail, if set, says whether a write is lost.
	fail func() bool
	// did are the phases and the writes, in their order.
	did []string
}

func workload(name string, size int32) Workload {
	of := map[string]string{"app": "web", "colour": name}
	return Workload{
		Ref: v1alpha1.TargetReference{APIVersion: "apps/v1", Kind: "Deployment", Name: name}, Found: true,
		View:   rollout.View{Size: size, Available: size, Observed: true},
		Labels: of, Selector: labels.SelectorFromSet(of),
	}
}

func newSim(t *testing.T, edit ...func(*v1alpha1.BlueGreen)) *sim {
	t.Helper()
	p := &v1alpha1.AutoscalingPolicy{}
	p.Spec.TargetRef = workload(blue, 0).Ref
	p.Spec.Replicas = v1alpha1.Replicas{Min: 2, Max: 10}
	p.Spec.BlueGreen = &v1alpha1.BlueGreen{Service: "web", OtherRef: workload(green, 0).Ref, Mode: v1alpha1.Managed}
	for _, e := range edit {
		e(p.Spec.BlueGreen)
	}
	s := &sim{t: t, now: began, policy: p, hpa: blue, min: 2}
	s.world = World{
		Service: Service{Found: true, ResourceVersion: "0", Selector: map[string]string{"app": "web", "colour": blue}},
		First:   workload(blue, 4), Other: workload(green, 1),
	}
	return s
}

// step takes one step and carries it out, and says whether it changed anything.
func (s *sim) step() bool {
	s.t.Helper()
	in := Input{
		Now: s.now, Policy: s.policy, World: s.world, Min: s.min, OnTarget: s.hpa, Sync: sync, Size: s.world.Workload(s.hpa).Size,
		Rival: func(v1alpha1.TargetReference) string { return "" },
	}
	for _, w := range []*Workload{&in.World.First, &in.World.Other} {
		w.Updated = w.Available - w.Old
	}
	in.World.Checks = nil
	if NeedsChecks(s.policy) {
		c := s.checks
		in.World.Checks = &c
		if c.Endpoints == nil {
			c.Endpoints = map[string]int{}
			if on, _ := s.world.Serving("web"); on != "" {
				c.Endpoints[on] = 1
			}
		}
	}
	before := s.policy.Status.BlueGreen
	r := Step(in)
	if s.refuse != "" && r.Action != nil {
		in.Refused = s.refuse
		r = Step(in)
	}
	if s.fail != nil && s.fail() {
		return true
	}
	changed := before == nil || fmt.Sprint(text(*before)) != fmt.Sprint(text(r.State))
	state := r.State.DeepCopy()
	s.policy.Status.BlueGreen = state
	if w := state.Switch; w != nil && (before == nil || before.Switch == nil || before.Switch.Phase != w.Phase || before.Switch.To != w.To) {
		s.did = append(s.did, string(w.Phase))
	}
	// The HPA follows the status.
	if s.hpa != state.Serving {
		s.hpa, changed = state.Serving, true
	}
	s.min = max(s.policy.Spec.Replicas.Min, r.Floor)
	on := s.world.Workload(s.hpa)
	if on.Size > 0 && on.Size < s.min {
		on.Size, changed = s.min, true
	}
	if r.Action != nil && !changed && (s.fail == nil || !s.fail()) {
		s.act(r.Action)
		changed = true
	}
	return changed || r.Soon
}

func text(s v1alpha1.BlueGreenState) string {
	if s.Switch == nil {
		return fmt.Sprint(s.Serving, s.Doubt, s.Handled)
	}
	w := s.Switch
	return fmt.Sprint(s.Serving, s.Doubt, s.Handled, w.From, w.To, w.Managed, w.Phase, w.Size, w.Needed, w.Before != nil)
}

// act makes a write, which must keep the rules of safety whatever the world is like.
func (s *sim) act(a *Action) {
	s.t.Helper()
	switch a.Kind {
	case Flip:
		if a.ResourceVersion != s.world.Service.ResourceVersion {
			return // a 409
		}
		w := s.policy.Status.BlueGreen.Switch
		from, to := s.world.Workload(w.From), s.world.Workload(w.To)
		if to.Available < w.Size && from.Available > 0 {
			s.t.Fatalf("flipped to %d of %d pods", to.Available, w.Size)
		}
		s.version++
		s.world.Service.Selector, s.world.Service.ResourceVersion = a.Selector, fmt.Sprint(s.version)
		s.did = append(s.did, "flip "+a.Selector["colour"])
	case Scale:
		target := s.world.Workload(a.Target.Name)
		switch {
		case target.Size != a.From:
			return
		case s.hpa == a.Target.Name:
			s.t.Fatalf("scaled %s, which the HPA scales", a.Target.Name)
		case a.Replicas < a.From && s.world.Service.Serves(target):
			s.t.Fatalf("scaled in %s, which serves", a.Target.Name)
		}
		target.Size = a.Replicas
		s.did = append(s.did, fmt.Sprintf("scale %s %d", a.Target.Name, a.Replicas))
	}
}

// pods lets n pods of each workload come, or all that are too many go.
func (s *sim) pods(n int32) {
	for _, w := range []*Workload{&s.world.First, &s.world.Other} {
		w.Available = min(w.Size, w.Available+n)
	}
}

// late lets all pods come, but not right after the write that asks for them.
func (s *sim) late() {
	if n := len(s.did); n == 0 || !strings.HasPrefix(s.did[n-1], "scale") {
		s.pods(100)
	}
}

// rest takes steps until nothing changes.
func (s *sim) rest() {
	s.t.Helper()
	for range 50 {
		if !s.step() {
			return
		}
		s.late()
	}
	s.t.Fatalf("it never rests: %v", s.did)
}

// until takes steps until the switch is in a phase.
func (s *sim) until(phase string) {
	s.t.Helper()
	for range 100 {
		if w := s.policy.Status.BlueGreen.Switch; w != nil && string(w.Phase) == phase {
			return
		}
		s.step()
		s.late()
	}
	s.t.Fatalf("it never comes to %s: %v", phase, s.did)
}

func (s *sim) pass(d time.Duration) {
	s.t.Helper()
	for range 20 {
		s.rest()
		s.now = s.now.Add(d / 20)
	}
	s.rest()
}

func (s *sim) ask(name string) { s.policy.Spec.BlueGreen.Active = name }

// flipByHand changes the Service as a person does.
func (s *sim) flipByHand(name string) {
	s.version++
	s.world.Service.Selector = maps.Clone(s.world.Service.Selector)
	s.world.Service.Selector["colour"], s.world.Service.ResourceVersion = name, fmt.Sprint(s.version)
}

// At random: load, requests, flips by hand, pods that fail, writes that are lost. act holds
// each write against the rules; in the end all is at rest, the HPA scales what serves, and
// nothing is held.
func TestRandomSwitches(t *testing.T) {
	for seed := range uint64(500) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 1))
			s := newSim(t, func(b *v1alpha1.BlueGreen) {
				b.HeadroomPercent = ptr.To(random.Int32N(50))
				if random.IntN(3) == 0 {
					b.Retire = v1alpha1.Keep
				}
				if random.IntN(4) == 0 {
					b.Mode = v1alpha1.Observed
				}
			})
			s.fail = func() bool { return random.IntN(10) == 0 }
			names := []string{blue, green}
			for range 300 {
				switch random.IntN(14) {
				case 0:
					if s.policy.Spec.BlueGreen.Mode == v1alpha1.Managed {
						s.ask(names[random.IntN(2)])
					}
				case 1:
					if random.IntN(4) == 0 {
						s.flipByHand(names[random.IntN(2)])
					}
				case 2: // the HPA scales as the load wants it to
					if w := s.world.Workload(s.hpa); w.Size > 0 {
						w.Size = max(s.min, 1+random.Int32N(10))
					}
				case 3:
					w := s.world.Workload(names[random.IntN(2)])
					w.Available = random.Int32N(w.Available + 1)
				case 4:
					s.checks.Failed = []string{"", "", "away"}[random.IntN(3)]
				case 5:
					s.now = s.now.Add(time.Duration(random.IntN(900)) * time.Second)
				case 7:
					s.refuse = []string{"", "", "no"}[random.IntN(3)]
				case 6:
					s.policy.Annotations = map[string]string{RequestAnnotation: fmt.Sprint(random.IntN(5))}
				default:
					s.now = s.now.Add(time.Second)
				}
				s.pods(random.Int32N(3))
				s.step()
			}
			s.fail, s.refuse, s.checks = nil, "", Checks{}
			s.pods(100)
			s.pass(3 * time.Hour)
			state := s.policy.Status.BlueGreen
			serving, doubt := s.world.Serving("web")
			if doubt != "" || state.Serving != serving || s.hpa != serving {
				t.Errorf("the Service is on %s (%s), the status says %s, the HPA is on %s", serving, doubt, state.Serving, s.hpa)
			}
			if w := state.Switch; w != nil && !w.Phase.Over() {
				t.Errorf("the switch is left in %s: %s", w.Phase, w.Message)
			}
			if s.min != s.policy.Spec.Replicas.Min {
				t.Errorf("a minimum of %d is held", s.min)
			}
		})
	}
}
