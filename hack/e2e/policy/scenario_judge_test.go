//go:build e2e

package policy

import (
	"fmt"
	"strings"
	"time"

	"github.com/loadline/loadline/policy/controller"
)

// Limits of the judge.
const (
	// lag is how old what the HPA controller decides by may be: its cache, and the
	// metrics that it reads in between.
	lag = 2 * time.Second
	// react is within what time after a new revision there has to be a floor. The median
	// is some tens of milliseconds; the machine may be busy.
	react = 8 * time.Second
	// steady is for how long what served counts when the Service is moved.
	steady = 3 * time.Second
)

// Who writes a size; we are controller.Name.
const theHPA, people = "kube-controller-manager", "e2e"

// judge goes through what became of a namespace, change by change, and tells what must not
// be. It asks of the floor itself and of what the floor is for:
//
//   - A new revision of what the HPA scales has a floor of the size at that moment, within
//     react, until all pods are of it and ready.
//   - Neither the HPA nor we lower a size below the minimum in force, or scale in what the
//     Service selects, or move the Service to fewer ready pods than serve.
//   - The ready pods behind the Service are, once there were as many as the minimum, never
//     fewer again as long as it holds. With no HPA and that many replicas there were so
//     many all the time, less what the strategy takes while it replaces pods: all of them
//     with Recreate, maxUnavailable in a rolling update, one in a StatefulSet. What a write
//     by hand takes is gone until pods have started again, and so is what the HPA had decided
//     on before it saw the minimum; while a revision fails, until that is over.
//   - The minimum is back one HPA sync after a write by hand.
type judge struct {
	s     scenario
	ups   []up // when there was a controller
	least int32

	problems []string
	works    map[string]*work
	pods     map[string]podFact
	hpa      hpaFact
	holds    bool   // the policy's floors have one of a rollout
	on       string // whom the Service selects
	reached  int32  // how many ready pods of the minimum were reached
	served   []sample
	settled  bool // the scenario has begun: least counts
	// taken is how many pods were missing at most in a rollout that overtook none.
	taken int32
}

// up is a time with a controller. The last one has no end.
type up struct{ from, to time.Time }

// sample is how many pods served, surge aside.
type sample struct {
	at time.Time
	n  int32
}

// work is a workload.
type work struct {
	workloadFact
	// overtaken: a rollout by the next one. The Deployment controller then takes pods of the
	// oldest revision for unhealthy by a status that lags, and one more may go.
	overtaken bool
	rolling   bool      // a new template is not everywhere yet
	held      int32     // the size at which the floor has to be; 0 for none
	since     time.Time // a new template
	inForce   bool
	late      bool // and that was told
	spoiled   bool // a write by hand during a failing revision
	// mending is until when pods may be missing that a write by hand took: the size is back
	// before they have gone.
	mending time.Time
	// owed are ready pods that are to go, until a time, by what the HPA wrote: they may go
	// although the minimum, and the size, were raised meanwhile.
	owed      int32
	owedUntil time.Time
	ready     int32
	back      time.Time
	backTo    int32
}

func (j *judge) tell(c written, format string, args ...any) {
	j.problems = append(j.problems, c.at.Format("05.000")+" "+fmt.Sprintf(format, args...))
}

// look takes one change.
func (j *judge) look(c written) {
	if j.works == nil {
		j.works, j.pods = map[string]*work{}, map[string]podFact{}
	}
	switch f := c.fact.(type) {
	case workloadFact:
		j.workload(c, f)
	case podFact:
		j.pods[f.name] = f
	case hpaFact:
		j.minimum(c, f)
	case serviceFact:
		j.service(c, f)
	case policyFact:
		j.holds = strings.Contains(f.floors, "rollout=")
		for _, w := range j.works {
			j.force(w)
		}
	}
	for name, w := range j.works {
		if w.held > 0 && !w.inForce && !w.late && j.upFor(w.since, c.at) > react {
			w.late = true
			j.tell(c, "%s is rolled out at %d since %s, and the minimum is %d", name, w.held, w.since.Format("05.000"), j.hpa.min)
		}
		if w.backTo > 0 && c.at.After(w.back) {
			j.tell(c, "%s has %d replicas, %d are held, and a write by hand was long ago", name, w.size, w.backTo)
			w.backTo = 0
		}
	}
	j.serving(c)
}

// upFor is how long, at most since a time, there was a controller without a break.
func (j *judge) upFor(since, at time.Time) time.Duration {
	for _, u := range j.ups {
		if !at.Before(u.from) && (u.to.IsZero() || at.Before(u.to)) {
			if u.from.After(since) {
				since = u.from
			}
			return at.Sub(since)
		}
	}
	return 0
}

func (j *judge) ready(app string) (n int32) {
	for _, p := range j.pods {
		if p.app == app && p.ready {
			n++
		}
	}
	return n
}

func (j *judge) workload(c written, f workloadFact) {
	w := j.works[f.name]
	if w == nil {
		j.works[f.name] = &work{workloadFact: f}
		return
	}
	was := w.workloadFact
	w.workloadFact = f
	if f.template != was.template {
		w.overtaken = w.rolling
		w.rolling, w.since = true, c.at
		if j.hpa.target == f.name {
			w.held, w.inForce, w.late = max(w.held, was.size), false, false
		}
	}
	if f.whole && j.ready(f.name) >= f.size { // a status may say so of pods that are gone by now
		w.rolling, w.overtaken, w.held, w.spoiled = false, false, 0, false
	}
	if w.backTo > 0 && f.size >= w.backTo {
		w.backTo = 0
	}
	if f.size < was.size {
		j.lowered(c, w, was.size)
	}
	j.force(w)
}

// cost is how many pods the strategy takes while it replaces them, of a rollout that
// overtook one or did not. TestP15Scenarios measures that it is so with no HPA.
func (s scenario) cost(overtaken bool) int32 {
	switch {
	case s.kind == aRecreate:
		return mostPods
	case s.kind == aStatefulSet:
		return 1
	case overtaken:
		return s.unavailable + 1
	}
	return s.unavailable
}

// lowered judges a size that came down.
func (j *judge) lowered(c written, w *work, from int32) {
	mine := j.hpa.target == w.name
	switch w.writer {
	case people:
		if mine {
			w.back, w.backTo = c.at.Add(hpaSync+lag+react), min(j.hpa.min, from)
			w.spoiled = w.spoiled || w.failing
			w.held = min(w.held, max(w.size, j.hpa.min))
		}
		w.mending = c.at.Add(hpaSync + lag + react)
		if j.on == w.name {
			j.reached = min(j.reached, w.size)
		}
		return
	case controller.Name:
		if j.on == w.name {
			j.tell(c, "we scaled in what serves, %s, from %d to %d", w.name, from, w.size)
		}
		return
	}
	w.owed, w.owedUntil = max(0, j.ready(w.name)-w.size), c.at.Add(hpaSync+lag+react)
	switch {
	case !mine || w.size < j.hpa.min && !j.hpa.seen: // it was decided before
		j.reached = min(j.reached, w.size)
		w.held = min(w.held, w.size)
	case w.size < j.hpa.min:
		j.tell(c, "the HPA lowered %s from %d to %d, below the minimum %d", w.name, from, w.size, j.hpa.min)
	case w.held > 0 && w.inForce && w.size < w.held:
		j.tell(c, "the HPA lowered %s from %d to %d while it is rolled out, begun at %d", w.name, from, w.size, w.held)
	case w.held > 0 && !w.inForce: // the floor is of the size at the first look
		w.held = min(w.held, w.size)
	}
}

// force notes that a workload's floor is there: the policy has it, and the HPA. A minimum
// alone that is high enough may be about to come down for the last rollout, by a write that
// was decided before this one.
func (j *judge) force(w *work) {
	w.inForce = w.inForce || j.holds && w.held > 0 && j.hpa.target == w.name && j.hpa.min >= w.held
}

func (j *judge) minimum(c written, f hpaFact) {
	if f.target == j.hpa.target && f.min == j.hpa.min {
		j.hpa.seen = f.seen
		return
	}
	if w := j.works[f.target]; w != nil && j.hpa.target == f.target && w.inForce && w.held > 0 && f.min < w.held {
		j.tell(c, "the minimum went from %d to %d while %s is rolled out, begun at %d", j.hpa.min, f.min, f.target, w.held)
	}
	if f.target != j.hpa.target {
		for _, w := range j.works {
			w.held, w.inForce, w.backTo = 0, false, 0
		}
	}
	j.hpa = f
	for _, w := range j.works {
		j.force(w)
		w.backTo = min(w.backTo, f.min)
	}
}

func (j *judge) service(c written, f serviceFact) {
	from, to := j.works[j.on], j.works[f.app]
	if j.on != "" && f.app != j.on && f.writer == controller.Name && from != nil && to != nil {
		served := min(from.size, j.ready(j.on))
		for i := len(j.served) - 1; i >= 0; i-- {
			served = min(served, j.served[i].n)
			if c.at.Sub(j.served[i].at) > steady {
				break
			}
		}
		if n := j.ready(f.app); n < served {
			j.tell(c, "we moved the Service from %d ready pods of %s to %d of %s", served, j.on, n, f.app)
		}
	} else if f.app != j.on {
		j.reached = 0 // whoever did it by hand did that
	}
	j.on = f.app
}

// serving judges how many pods serve.
func (j *judge) serving(c written) {
	w := j.works[j.on]
	if w == nil {
		return
	}
	n := j.ready(j.on)
	j.served = append(j.served, sample{c.at, min(n, w.size)})
	cost := int32(0)
	switch {
	case c.at.Before(w.mending), w.rolling && w.spoiled:
		cost = mostPods
	case w.rolling:
		cost = j.s.cost(w.overtaken)
		if !w.overtaken {
			j.taken = max(j.taken, min(w.size, j.hpa.min)-n)
		}
	}
	if paid := min(w.owed, w.ready-n); paid > 0 && c.at.Before(w.owedUntil) {
		w.owed -= paid
		j.reached -= paid
	}
	w.ready = n
	j.reached = min(max(j.reached, min(n, w.size)), j.hpa.min)
	if cost == mostPods {
		j.reached = 0
	}
	if n < j.reached-cost {
		j.tell(c, "%d pods of %s serve, %d are held and the strategy takes %d", n, j.on, j.reached, cost)
		j.reached = n + cost // told once
	}
	if j.settled = j.settled || n >= j.least; j.settled && n < j.least-cost {
		j.tell(c, "%d pods of %s serve, %d did before", n, j.on, j.least)
		j.least = n + cost
	}
}
