package object

import (
	"strings"
	"sync"
	"time"
)

// How often a resource that nobody serves is worth a look at the API's
// discovery: a CRD is usually asked for in the minute in which it is installed,
// and a misspelt one for ever. A look is begun by whoever asks after the pause, and
// HPAs ask every 15 s: what is installed is found within a minute of it.
const (
	firstPause = 5 * time.Second
	maxPause   = 40 * time.Second
)

// Readers choose the spelling, so what is remembered of it is bounded. Names
// longer than that cannot exist: 253 for a group, 63 for a resource or kind.
const (
	maxUnknown     = 256
	maxUnknownName = 320
)

// unknown remembers the resources that were asked for and that nobody serves,
// and after which pause each of them is worth another look. Those beyond
// maxUnknown share one pause.
type unknown struct {
	mu     sync.Mutex
	pauses map[string]pause
}

type pause struct {
	length time.Duration
	until  time.Time
}

func newUnknown() *unknown { return &unknown{pauses: map[string]pause{}} }

// worth says whether asking for name at now is worth a look, and lengthens the
// pause after which it is again.
func (u *unknown) worth(name string, now time.Time) bool {
	if len(name) > maxUnknownName {
		return false
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	name = strings.ToLower(name)
	p, known := u.pauses[name]
	if !known && len(u.pauses) >= maxUnknown {
		u.expire(now)
		if len(u.pauses) >= maxUnknown {
			name = "" // the one that is shared
			p = u.pauses[name]
		}
	}
	if now.Before(p.until) {
		return false
	}
	p.length = max(firstPause, min(2*p.length, maxPause))
	p.until = now.Add(p.length)
	u.pauses[name] = p
	return true
}

// expire forgets what nobody has asked for since a pause or more.
func (u *unknown) expire(now time.Time) {
	for name, p := range u.pauses {
		if name != "" && now.Sub(p.until) > maxPause {
			delete(u.pauses, name)
		}
	}
}
