package eval

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/loadline/loadline/provider/plan"
)

// jobOf reads a job from a word such as "hpa/a/slow?": its lane (hpa, read, or first for
// a read that waits), its namespace and its name; ? marks a suspect.
func jobOf(word string) *job {
	parts := strings.Split(word, "/")
	j := &job{query: plan.Query{Rule: word}, suspect: strings.HasSuffix(word, "?")}
	j.flow = flow{referenced: parts[0] == "hpa", first: parts[0] == "first", namespace: parts[1]}
	if age, found := strings.CutPrefix(parts[2], "-"); found { // sent this long ago
		d, err := time.ParseDuration(strings.TrimSuffix(age, "?"))
		if err != nil {
			panic(err)
		}
		j.since = at.Add(-d)
	}
	return j
}

// The queue is asked for a job again and again. In serial, each ends with an answer
// before the next is taken; otherwise none ends.
func TestQueue(t *testing.T) {
	for name, tc := range map[string]struct {
		slots  int
		add    string
		serial bool
		want   string
	}{
		"empty": {8, "", false, ""},
		"namespaces take turns": {
			8, "hpa/a/1 hpa/a/2 hpa/a/3 hpa/b/1 hpa/c/1 hpa/b/2", false,
			"hpa/a/1 hpa/b/1 hpa/c/1 hpa/a/2 hpa/b/2 hpa/a/3",
		},
		"in one, what was sent longest ago first, and before that what never was": {
			8, "hpa/a/-1s hpa/a/-9s hpa/a/never hpa/a/-5s", false,
			"hpa/a/never hpa/a/-9s hpa/a/-5s hpa/a/-1s",
		},
		"a first read does not wait for its namespace's others": {
			8, "read/a/1 read/a/2 read/a/3 first/a/1 first/a/2", false,
			"read/a/1 first/a/1 read/a/2 first/a/2 read/a/3",
		},
		"of 8 slots, reads leave 2": {8, "read/a/1 read/a/2 read/a/3 read/a/4 read/a/5 read/a/6 read/a/7", false, "read/a/1 read/a/2 read/a/3 read/a/4 read/a/5 read/a/6"},
		"what HPAs reference finds them": {
			8, "read/a/1 read/a/2 read/a/3 read/a/4 read/a/5 read/a/6 read/a/7 hpa/a/1 hpa/a/2 hpa/a/3", false,
			"read/a/1 read/a/2 hpa/a/1 hpa/a/2 hpa/a/3 read/a/3 read/a/4 read/a/5",
		},
		"and leaves 2 to reads": {
			8, "hpa/a/1 hpa/a/2 hpa/a/3 hpa/a/4 hpa/a/5 hpa/a/6 hpa/a/7 hpa/a/8 read/a/1 read/a/2 read/a/3", false,
			"read/a/1 read/a/2 hpa/a/1 hpa/a/2 hpa/a/3 hpa/a/4 hpa/a/5 hpa/a/6",
		},
		"or takes all where nothing is read": {2, "hpa/a/1 hpa/a/2 hpa/a/3", false, "hpa/a/1 hpa/a/2"},
		"of 2 slots, reads leave 1":          {2, "read/a/1 read/a/2", false, "read/a/1"},
		"one slot is for all":                {1, "read/a/1 hpa/a/1", true, "hpa/a/1 read/a/1"},
		"suspects take a quarter, and half where nothing else waits": {
			8, "hpa/a/1? hpa/a/2? hpa/a/3? hpa/a/4? hpa/a/5? hpa/a/6 hpa/a/7", false,
			"hpa/a/1? hpa/a/2? hpa/a/6 hpa/a/7 hpa/a/3? hpa/a/4?",
		},
		"of few slots, suspects take the last": {3, "hpa/a/1? hpa/a/2? hpa/a/3 hpa/a/4", true, "hpa/a/3 hpa/a/4 hpa/a/1? hpa/a/2?"},
	} {
		t.Run(name, func(t *testing.T) {
			q := queue{slots: tc.slots}
			for _, word := range strings.Fields(tc.add) {
				q.add(jobOf(word))
			}
			var got []string
			for j := q.take(); j != nil; j = q.take() {
				got = append(got, j.query.Rule)
				if tc.serial {
					q.end(j, false)
				}
			}
			if diff := cmp.Diff(tc.want, strings.Join(got, " ")); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// A lost query keeps its slot, and that of its own kind of demand, until an answer.
func TestLostSlots(t *testing.T) {
	q := queue{slots: 4}
	for _, word := range strings.Fields("read/a/1 read/a/2 read/a/3 read/a/4 read/a/5") {
		q.add(jobOf(word))
	}
	for range 3 {
		q.end(q.take(), true)
	}
	if q.lost() != 3 || q.most() != 3 {
		t.Errorf("%d lost of %d", q.lost(), q.most())
	}
	if j := q.take(); j != nil {
		t.Errorf("%s is sent on a slot that was lost", j.query.Rule)
	}
	q.add(jobOf("hpa/a/1"))
	if j := q.take(); j == nil || j.query.Rule != "hpa/a/1" {
		t.Errorf("took %v, want what an HPA references", j)
	}
	q.found()
	if j := q.take(); j == nil || j.query.Rule != "read/a/4" {
		t.Errorf("took %v after an answer", j)
	}
}

func TestRemove(t *testing.T) {
	q := queue{slots: 8}
	for _, word := range strings.Fields("read/a/1 hpa/b/2? hpa/a/1 hpa/a/2 read/b/2?") {
		q.add(jobOf(word))
	}
	gone := q.remove(func(j *job) bool { return strings.Contains(j.query.Rule, "2") })
	if len(gone) != 3 {
		t.Errorf("%d removed", len(gone))
	}
	if q.idle() {
		t.Error("idle while two wait")
	}
	for j := q.take(); j != nil; j = q.take() {
		if q.idle() {
			t.Error("idle while one is under way")
		}
		q.end(j, false)
	}
	if !q.idle() {
		t.Error("not idle")
	}
}
