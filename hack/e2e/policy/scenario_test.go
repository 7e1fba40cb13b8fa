//go:build e2e

package policy

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

// What a scenario scales.
const (
	aDeployment  = "Deployment"
	aRecreate    = "Deployment with Recreate"
	aStatefulSet = "StatefulSet"
	twoManaged   = "two colours, managed"
	twoObserved  = "two colours, observed"
)

// scenario is a seeded life of a policy. It is all that is random in a run: what the
// controllers make of it is theirs.
type scenario struct {
	seed uint64
	kind string
	// pods: the load is told by a metric of the pods, not by one external.
	pods bool
	// unavailable is the strategy's maxUnavailable, of a rolling update.
	unavailable int32
	// first is the load of the beginning, in pods; start is how long a pod starts.
	first int32
	start time.Duration
	moves []move
	// deaths are at which write, from 1, each controller dies, one after another.
	deaths []death
	// forGood: the last one is followed by none, and the load stays as it is, so that at no
	// moment fewer pods may serve than at first.
	forGood bool
}

// death is one of a controller.
type death struct {
	write int64
	after bool // the API server heard of the write
	pause time.Duration
}

// move is what somebody does.
type move struct {
	at   time.Duration // since the beginning
	what string
	n    int32  // of load and reapply
	name string // of the workload or colour
}

// The moves.
const (
	loads   = "load"    // the load is what n pods take
	images  = "image"   // a new revision of the workload
	breaks  = "break"   // a new revision whose pods never get ready
	undoes  = "undo"    // the last revision that was good
	backs   = "back"    // the revision before this one, although its pods do get ready
	reapply = "reapply" // somebody writes the manifest's replicas, n
	flips   = "flip"    // somebody points the Service to the other colour
	asks    = "ask"     // somebody asks for a managed switch
)

func (m move) String() string {
	switch m.what {
	case loads:
		return fmt.Sprintf("%s load of %d pods", m.at, m.n)
	case reapply:
		return fmt.Sprintf("%s reapply %s with %d", m.at, m.name, m.n)
	}
	return fmt.Sprintf("%s %s %s", m.at, m.what, m.name)
}

// rollsOut says whether a move begins a rollout.
func (m move) rollsOut() bool { return m.what == images || m.what == backs || m.what == breaks }

// String is the scenario as a table.
func (s scenario) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "seed %d: %s, pods metric %t, maxUnavailable %d, load of %d pods, which take %s to start, killed for good %t",
		s.seed, s.kind, s.pods, s.unavailable, s.first, s.start, s.forGood)
	for _, m := range s.moves {
		fmt.Fprintf(&b, "\n  %s", m)
	}
	for _, d := range s.deaths {
		fmt.Fprintf(&b, "\n  dies at write %d, heard %t, the next one %s later", d.write, d.after, d.pause)
	}
	return b.String()
}

// colours says whether there are two workloads.
func (s scenario) colours() bool { return s.kind == twoManaged || s.kind == twoObserved }

// names are the workloads; the first one serves at first.
func (s scenario) names() []string {
	if s.colours() {
		return []string{"blue", "green"}
	}
	return []string{"web"}
}

// serving is who serves in the end, and load what it has to serve then.
func (s scenario) serving() string {
	on := s.names()[0]
	for _, m := range s.moves {
		if m.what == flips || m.what == asks && !s.forGood {
			on = m.name
		}
	}
	return on
}

func (s scenario) load() int32 {
	n := s.first
	for _, m := range s.moves {
		if m.what == loads {
			n = m.n
		}
	}
	return n
}

// takenBack: a switch was, so that what is left of it depends on how far it had come.
func (s scenario) takenBack() bool {
	n := 0
	for _, m := range s.moves {
		if m.what == asks {
			n++
		}
	}
	return n > 1
}

// Bounds of all scenarios. Up to 8 pods the HPA's tolerance of 10 % leaves one size to
// each load; one pod more is 12 % of 8.
const leastPods, mostPods = 2, 8

// newScenario makes the one of a seed.
func newScenario(seed uint64) scenario {
	r := rand.New(rand.NewPCG(seed, 15))
	kinds := []string{aDeployment, aRecreate, aStatefulSet, twoManaged, twoObserved, aDeployment, aStatefulSet, twoManaged}
	s := scenario{
		seed: seed, kind: kinds[seed%uint64(len(kinds))], pods: r.IntN(3) == 0, unavailable: r.Int32N(2),
		first: leastPods + r.Int32N(5), start: time.Second + time.Duration(r.IntN(20))*100*time.Millisecond,
	}
	s.forGood = s.kind == twoManaged && seed%16 == 7
	if s.forGood {
		s.first++ // more than the least, so that there is something to lose
	}
	at, broken, on := time.Duration(0), "", s.names()[0]
	for range 4 + r.IntN(3) {
		at += time.Duration(2+r.IntN(6)) * time.Second
		m := move{at: at, name: on}
		switch pick := r.IntN(10); {
		case s.kind == twoManaged && pick < 4:
			on = other(s, on)
			m.what, m.name = asks, on
		case s.kind == twoObserved && pick < 3 && broken == "": // flipped to pods that cannot serve is nobody's scenario here
			on = other(s, on)
			m.what, m.name = flips, on
		case !s.forGood && len(s.moves) > 0 && s.moves[len(s.moves)-1].rollsOut() && r.IntN(2) == 0:
			// The HPA would scale in what is rolled out: only the floor keeps it.
			m.what, m.n, m.name = loads, leastPods, ""
		case broken == "" && len(s.moves) > 0 && s.moves[len(s.moves)-1].what == images && pick < 3:
			m.what = backs
		case broken != "" && pick < 5:
			m.what, m.name, broken = undoes, broken, ""
		case pick < 6 && s.forGood:
			continue // the load stays
		case pick < 6:
			m.what, m.n, m.name = loads, leastPods+r.Int32N(mostPods-leastPods+1), ""
		case pick == 6 && s.kind != twoManaged: // a managed switch is refused where somebody does
			m.what, m.n = reapply, leastPods+r.Int32N(3)
		case pick == 7 && broken == "" && !s.forGood:
			m.what, broken = breaks, on
		default:
			m.what = images
			if broken == m.name {
				broken = ""
			}
		}
		s.moves = append(s.moves, m)
	}
	if broken != "" {
		at += 10 * time.Second // it may well fail for a while
		s.moves = append(s.moves, move{at: at, what: undoes, name: broken})
	}
	if s.forGood {
		s.moves = append(s.moves, move{at: at + 3*time.Second, what: asks, name: "green"})
		s.deaths = []death{{write: 3 + r.Int64N(12), after: r.IntN(2) == 0}}
		return s
	}
	for range 2 + r.IntN(4) {
		s.deaths = append(s.deaths, death{write: 1 + r.Int64N(8), after: r.IntN(2) == 0, pause: time.Duration(r.IntN(2000)) * time.Millisecond})
	}
	return s
}

func other(s scenario, name string) string {
	if names := s.names(); names[0] == name {
		return names[1]
	}
	return s.names()[0]
}
