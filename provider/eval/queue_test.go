package eval

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/loadline/loadline/provider/plan"
)

// jobOf reads a job from a word such as "hpa/a/slow?": its lane (hpa, read, or first for
// a read that waits), its namespace and its name. ? marks a suspect and
// ! what is untried; else it is proven.
func jobOf(word string) *job {
	parts := strings.Split(strings.TrimRight(word, "?!"), "/")
	j := &job{query: plan.Query{Rule: word}, record: proven}
	switch word[len(word)-1] {
	case '?':
		j.record = suspect
	case '!':
		j.record = untried
	}
	j.flow = flow{referenced: parts[0] == "hpa", first: parts[0] == "first", namespace: parts[1]}
	if age, found := strings.CutPrefix(parts[2], "-"); found { // sent this long ago
		d, err := time.ParseDuration(age)
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
			"hpa/a/1 hpa/a/2 hpa/a/3 read/a/1 read/a/2 read/a/3 read/a/4 read/a/5",
		},
		"and leaves 2 to reads": {
			8, "hpa/a/1 hpa/a/2 hpa/a/3 hpa/a/4 hpa/a/5 hpa/a/6 hpa/a/7 hpa/a/8 read/a/1 read/a/2 read/a/3", false,
			"hpa/a/1 hpa/a/2 hpa/a/3 read/a/1 hpa/a/4 hpa/a/5 hpa/a/6 read/a/2",
		},
		"or takes all where nothing is read": {2, "hpa/a/1 hpa/a/2 hpa/a/3", false, "hpa/a/1 hpa/a/2"},
		"of 2 slots, reads leave 1":          {2, "read/a/1 read/a/2", false, "read/a/1"},
		"one slot is for all":                {1, "read/a/1 hpa/a/1", true, "hpa/a/1 read/a/1"},
		"suspects go last, and have half of the slots": {
			8, "hpa/a/1? hpa/a/2? hpa/a/3? hpa/a/4? hpa/a/5? hpa/a/6 hpa/a/7", false,
			"hpa/a/6 hpa/a/7 hpa/a/1? hpa/a/2? hpa/a/3? hpa/a/4?",
		},
		"where nothing is proven, what is untried takes all": {4, "hpa/a/1! hpa/a/2! hpa/a/3! hpa/a/4!", false, "hpa/a/1! hpa/a/2! hpa/a/3! hpa/a/4!"},
		"else it leaves a quarter":                           {4, "hpa/a/1! hpa/a/2! hpa/a/3! hpa/a/4! hpa/a/5", false, "hpa/a/1! hpa/a/2! hpa/a/3! hpa/a/5"},
		"and together no more": {
			8, "read/a/1! read/a/2! read/a/3! hpa/a/1! hpa/a/2! hpa/a/3! hpa/a/4! hpa/a/5", false,
			"hpa/a/1! hpa/a/2! hpa/a/3! read/a/1! hpa/a/4! hpa/a/5 read/a/2!",
		},
		"of what is only read, a quarter less": {8, "read/a/1! read/a/2! read/a/3! read/a/4! read/a/5! read/a/6", false, "read/a/1! read/a/2! read/a/3! read/a/4! read/a/6"},
		"every fourth turn is that of reads":   {1, "hpa/a/1 hpa/a/2 hpa/a/3 hpa/a/4 read/a/1 read/a/2", true, "hpa/a/1 hpa/a/2 hpa/a/3 read/a/1 hpa/a/4 read/a/2"},
		"every eighth that of suspects": {
			1, "hpa/a/1? hpa/a/1 hpa/a/2 hpa/a/3 hpa/a/4 hpa/a/5 hpa/a/6 hpa/a/7 hpa/a/8", true,
			"hpa/a/1 hpa/a/2 hpa/a/3 hpa/a/4 hpa/a/5 hpa/a/6 hpa/a/7 hpa/a/1? hpa/a/8",
		},
		"the two kinds of demand take turns for suspects": {1, "hpa/a/1? hpa/a/2? read/a/1? read/a/2?", true, "hpa/a/1? read/a/1? hpa/a/2? read/a/2?"},
		"of few slots, suspects take the last":            {3, "hpa/a/1? hpa/a/2? hpa/a/3 hpa/a/4", true, "hpa/a/3 hpa/a/4 hpa/a/1? hpa/a/2?"},
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

// After an untried query was left unanswered, others go behind proven ones but for every
// fourth turn, until one is answered.
func TestUntriedQueriesThatHangGoBehind(t *testing.T) {
	q := queue{slots: 1}
	for _, word := range strings.Fields("hpa/a/1! hpa/a/2! hpa/a/3! hpa/a/4! hpa/a/1 hpa/b/2 hpa/b/3 hpa/b/4 hpa/b/5 hpa/b/6") {
		q.add(jobOf(word))
	}
	var got []string
	for j := q.take(); j != nil; j = q.take() {
		got = append(got, j.query.Rule)
		q.tried(j, len(got) > 1)
		q.end(j, false)
	}
	want := "hpa/a/1! hpa/b/2 hpa/a/1 hpa/b/3 hpa/a/2! hpa/b/4 hpa/a/3! hpa/b/5 hpa/a/4! hpa/b/6"
	if diff := cmp.Diff(want, strings.Join(got, " ")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Whatever else waits all the time, each is taken now and then, at any number of slots.
func TestNoneStarves(t *testing.T) {
	for _, slots := range []int{1, 2, 3, 4, 5, 8, 16} {
		for _, words := range []string{
			"hpa/a/1 read/a/1", "hpa/a/1 hpa/b/1!", "hpa/a/1 hpa/b/1?", "read/a/1 read/b/1?", "hpa/a/1! read/a/1!",
			"hpa/a/1 hpa/b/1? read/a/1?", "hpa/a/1? read/a/1 read/a/1?", "hpa/a/1? read/a/1! read/a/1?",
			"hpa/a/1 hpa/b/1! hpa/c/1? read/a/1 read/b/1! read/c/1?",
		} {
			taken := alwaysWaiting(slots, strings.Fields(words))
			for _, word := range strings.Fields(words) {
				if taken[word] < 10 {
					t.Errorf("%d slots, %s: %s was taken %d times of 1000", slots, words, word, taken[word])
				}
			}
		}
	}
}

// alwaysWaiting ends what is under way longest a thousand times, while there is enough of
// each word. Untried queries are left unanswered.
func alwaysWaiting(slots int, words []string) map[string]int {
	q := queue{slots: slots}
	for _, word := range words {
		for range 2 * slots {
			q.add(jobOf(word))
		}
	}
	taken := map[string]int{}
	var underWay []*job
	for range 1000 {
		for j := q.take(); j != nil; j = q.take() {
			underWay = append(underWay, j)
			taken[j.query.Rule]++
			q.add(jobOf(j.query.Rule))
		}
		q.tried(underWay[0], underWay[0].record != untried)
		q.end(underWay[0], false)
		underWay = underWay[1:]
	}
	return taken
}

// Flows keep their place when what they wait with is removed and added anew.
func TestTurnsSurviveRemoval(t *testing.T) {
	var turns turns
	all := func(*job) bool { return true }
	var got []string
	for now := range 9 {
		for _, word := range strings.Fields("hpa/a/1 hpa/b/1 hpa/c/1") {
			turns.add(jobOf(word))
		}
		got = append(got, turns.take(now+1, all).query.Rule)
		turns.remove(all)
	}
	want := strings.TrimSpace(strings.Repeat("hpa/a/1 hpa/b/1 hpa/c/1 ", 3))
	if diff := cmp.Diff(want, strings.Join(got, " ")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	turns.remove(all) // nothing waits any more
	if len(turns.last) > 0 {
		t.Errorf("still remembered: %v", turns.last)
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
