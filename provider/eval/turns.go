package eval

import (
	"cmp"
	"maps"
	"slices"
)

// turns holds waiting jobs by flow. The flow goes next whose last turn is longest ago,
// also if it did not wait all the time; within each, the job whose query was sent longest
// ago. The zero value is empty.
type turns struct {
	order []flow // of those that wait, the next one first
	jobs  map[flow][]*job
	last  map[flow]int // when a flow had its turn last, on the clock of take; 0 if it had none
}

func (t *turns) add(j *job) {
	if t.jobs == nil {
		t.jobs = map[flow][]*job{}
	}
	waiting := t.jobs[j.flow]
	if len(waiting) == 0 {
		at, _ := slices.BinarySearchFunc(t.order, t.last[j.flow], func(f flow, last int) int {
			return cmp.Or(cmp.Compare(t.last[f], last), -1) // behind its equals
		})
		t.order = slices.Insert(t.order, at, j.flow)
	}
	at, _ := slices.BinarySearchFunc(waiting, j, func(a, b *job) int {
		return cmp.Or(a.since.Compare(b.since), -1)
	})
	t.jobs[j.flow] = slices.Insert(waiting, at, j)
}

// waits says whether a job waits.
func (t *turns) waits() bool { return len(t.order) > 0 }

// has says whether a job with that record waits.
func (t *turns) has(r record) bool {
	for _, jobs := range t.jobs {
		if slices.ContainsFunc(jobs, func(j *job) bool { return j.record == r }) {
			return true
		}
	}
	return false
}

// take returns the job whose turn it is among those that may be sent; nil if none waits.
// now is later with each call.
func (t *turns) take(now int, may func(*job) bool) *job {
	for at, f := range t.order {
		i := slices.IndexFunc(t.jobs[f], may)
		if i < 0 {
			continue
		}
		j := t.jobs[f][i]
		t.jobs[f] = slices.Delete(t.jobs[f], i, i+1)
		t.order = slices.Delete(t.order, at, at+1)
		if t.last == nil {
			t.last = map[flow]int{}
		}
		t.last[f] = now
		if len(t.jobs[f]) > 0 {
			t.order = append(t.order, f)
		} else {
			delete(t.jobs, f)
		}
		return j
	}
	return nil
}

// remove takes out the jobs that match. A flow that waits again afterwards has kept its
// place among those that still wait.
func (t *turns) remove(match func(*job) bool) (out []*job) {
	if !t.waits() {
		t.last = nil
		return nil
	}
	// Before the next one's turn means first, also without an entry.
	next := t.last[t.order[0]]
	maps.DeleteFunc(t.last, func(_ flow, last int) bool { return last < next })
	old := *t
	*t = turns{last: old.last}
	for _, f := range old.order {
		for _, j := range old.jobs[f] {
			if match(j) {
				out = append(out, j)
			} else {
				t.add(j)
			}
		}
	}
	return out
}
