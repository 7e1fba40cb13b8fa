package object

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// asked is when, in seconds, asking for name each second was worth a look.
func asked(u *unknown, name string, start time.Time, seconds int) []int {
	var at []int
	for i := range seconds {
		if u.worth(name, start.Add(time.Duration(i)*time.Second)) {
			at = append(at, i)
		}
	}
	return at
}

func TestUnknownPausesGrow(t *testing.T) {
	u, start := newUnknown(), time.Unix(1000, 0)
	want := []int{0, 5, 15, 35, 75, 115, 155, 195, 235, 275}
	if diff := cmp.Diff(want, asked(u, "gizmos", start, 300)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := asked(u, "GIZMOS", start.Add(300*time.Second), 10); got != nil {
		t.Errorf("another spelling of the same is worth a look at %v", got)
	}
	if got := asked(u, "other", start.Add(300*time.Second), 10); !cmp.Equal(got, []int{0, 5}) {
		t.Errorf("another resource is worth a look at %v", got)
	}
}

// Readers choose the names: neither memory nor looks grow with them.
func TestUnknownIsBounded(t *testing.T) {
	u, now := newUnknown(), time.Unix(1000, 0)
	looks := 0
	for i := range 10 * maxUnknown {
		if u.worth(fmt.Sprintf("r%d", i), now) {
			looks++
		}
	}
	if looks != maxUnknown+1 || len(u.pauses) != maxUnknown+1 {
		t.Errorf("%d looks and %d remembered, want %d: the bound and one for all others", looks, len(u.pauses), maxUnknown+1)
	}
	if u.worth(strings.Repeat("x", maxUnknownName+1), now) {
		t.Error("a name that cannot exist is worth a look")
	}
	// All of them are old after a while, and make room.
	if later := now.Add(3 * maxPause); !u.worth("fresh", later) || len(u.pauses) > 2 {
		t.Errorf("%d remembered after %s", len(u.pauses), later.Sub(now))
	}
}
