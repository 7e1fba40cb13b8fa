package eval

import (
	"cmp"
	"slices"
)

// turns holds waiting jobs by flow. The flows take turns; within each, the one goes
// first whose query was sent longest ago. The zero value is empty.
type turns struct {
	order []flow // of those that wait, the next one first
	jobs  map[flow][]*job
}

func (t *turns) add(j *job) {
	if t.jobs == nil {
		t.jobs = map[flow][]*job{}
	}
	waiting := t.jobs[j.flow]
	if len(waiting) == 0 {
		t.order = append(t.order, j.flow)
	}
	at, _ := slices.BinarySearchFunc(waiting, j, func(a, b *job) int {
		return cmp.Or(a.since.Compare(b.since), -1) // behind its equals
	})
	t.jobs[j.flow] = slices.Insert(waiting, at, j)
}

// take returns the job whose turn it is; nil if none waits.
func (t *turns) take() *job {
	if len(t.order) == 0 {
		return nil
	}
	f := t.order[0]
	t.order = t.order[1:]
	j := t.jobs[f][0]
	if rest := t.jobs[f][1:]; len(rest) > 0 {
		t.jobs[f] = rest
		t.order = append(t.order, f)
	} else {
		delete(t.jobs, f)
	}
	return j
}

// remove takes out the jobs that match.
func (t *turns) remove(match func(*job) bool) (out []*job) {
	old := *t
	*t = turns{}
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
