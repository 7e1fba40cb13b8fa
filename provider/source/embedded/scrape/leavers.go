package scrape

import (
	"net/netip"
	"time"

	"github.com/loadline/loadline/provider/source/embedded/target"
)

// leaving is how long a target is not gone yet that is not to be scraped any more: it may be
// scraped until the scrape loops are told, and it may come back at once.
const leaving = 2 * reloadInterval

// leavers are the present targets, and those that have left, by ID.
type leavers map[string]leaver

type leaver struct {
	target.Target
	since time.Time // zero: it is there
}

// note notes which targets there are.
func (l leavers) note(present []target.Target, now time.Time) {
	there := make(map[string]bool, len(present))
	for _, t := range present {
		id := t.ID()
		there[id], l[id] = true, leaver{Target: t}
	}
	for id, one := range l {
		if !there[id] && one.since.IsZero() {
			l[id] = leaver{one.Target, now}
		}
	}
}

// wait is when it is to be looked for targets that are gone; never if none has left.
func (l leavers) wait() <-chan time.Time {
	for _, one := range l {
		if !one.since.IsZero() {
			return time.After(leaving)
		}
	}
	return nil
}

// gone are those that have left for good; they are forgotten. One whose pod is there by another
// path has the series of that.
func (l leavers) gone(now time.Time) (gone []target.Target) {
	type place struct {
		namespace, pod string
		address        netip.AddrPort
	}
	of := func(t target.Target) place { return place{t.Namespace, t.Pod, t.Address} }
	taken := map[place]bool{}
	for _, one := range l {
		if one.since.IsZero() {
			taken[of(one.Target)] = true
		}
	}
	for id, one := range l {
		if one.since.IsZero() || now.Sub(one.since) < leaving {
			continue
		}
		delete(l, id)
		if !taken[of(one.Target)] {
			gone = append(gone, one.Target)
		}
	}
	return gone
}
