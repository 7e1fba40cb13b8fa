package cadence

// never is the number of a part that is long past.
const never = -1 << 30

// group is what is known of the scrapes of a namespace. Parts are counted from the beginning;
// the same part of each interval has the same number modulo parts.
type group struct {
	commits   [parts]int // by part of the interval, the number of the newest one with a scrape
	newest    int        // the largest of these; a namespace without scrapes is forgotten
	phase     int        // after which part of the interval it is evaluated
	evaluated int        // up to which number
	chosen    int        // the number at which phase became what it is
}

func newGroup() *group {
	g := &group{newest: never, evaluated: never, chosen: never}
	for i := range g.commits {
		g.commits[i] = never
	}
	return g
}

func (g *group) commit(n int) {
	g.commits[n%parts] = max(g.commits[n%parts], n)
	g.newest = max(g.newest, n)
}

// alive says whether there was a scrape that matters at the beginning of part n.
func (g *group) alive(n int) bool { return n-g.newest <= (remembered+1)*parts }

// takes says whether g is to be evaluated for one of the parts from number from on that have
// ended at the beginning of part to, and notes that it is. Several have ended where whoever
// asks comes late.
func (g *group) takes(from, to int) bool {
	due := false
	for ended := max(from, to-2*parts); ended < to; ended++ {
		due = g.due(ended) || due
	}
	if due {
		g.evaluated = to
	}
	return due
}

// due says whether g is to be evaluated as a part ends, and chooses after which part that is
// the next time. What has no scrape since the last time is not due.
func (g *group) due(ended int) bool {
	first := g.evaluated == never
	if !g.waits(ended) || !first && ended%parts != g.phase {
		return false
	}
	if first {
		g.phase = ended % parts
	} else if ended-g.chosen >= steady*parts {
		if next := phase(g.recent(ended), g.phase); next != g.phase {
			g.phase, g.chosen = next, ended
		}
	}
	return true
}

// waits says whether there is a scrape, up to the end of a part, that is not evaluated.
func (g *group) waits(ended int) bool {
	for _, n := range g.commits {
		if n >= g.evaluated && n <= ended && n != never {
			return true
		}
	}
	return false
}

// recent are the parts of the interval that have scrapes at present.
func (g *group) recent(ended int) (out [parts]bool) {
	for i, n := range g.commits {
		out[i] = ended-n < remembered*parts
	}
	return out
}

// phase is the part of the interval after which is evaluated best: where the scrape that
// waits longest waits least, and the first of several. It is the present one unless that is
// clearly worse.
func phase(scrapes [parts]bool, present int) int {
	best, least := present, delay(scrapes, present)-better+1
	for i := range parts {
		if d := delay(scrapes, i); d < least {
			best, least = i, d
		}
	}
	return best
}

// delay is how many parts the scrape waits that waits longest, if they are evaluated at the
// end of a part.
func delay(scrapes [parts]bool, end int) int {
	for n := parts - 1; n > 0; n-- {
		if scrapes[(end-n+parts)%parts] {
			return n
		}
	}
	return 0
}
