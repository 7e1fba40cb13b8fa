package catalog

import (
	"context"
	"reflect"
	"time"

	"github.com/loadline/loadline/provider/rule"
	"github.com/loadline/loadline/provider/source"
)

// origin is one source, as it is asked for series: with slots of its own, so that one that
// hangs holds up the discovery of no other.
type origin struct {
	name string
	Discoverer
	slots   chan struct{} // one for each discovery under way
	retries chan struct{} // and besides for each whose last one failed
}

// origins are those of the sources that rules name, and of all others that are there. Those
// of before whose sources are the same stay, and with them what is under way.
func origins(before map[string]*origin, sources map[string]Discoverer, rules *rule.Set) map[string]*origin {
	all := map[string]*origin{}
	add := func(name string, d Discoverer) {
		if old := before[name]; old != nil && same(old.Discoverer, d) {
			all[name] = old
			return
		}
		all[name] = &origin{name: name, Discoverer: d, slots: make(chan struct{}, parallel), retries: make(chan struct{}, parallel-1)}
	}
	for name, d := range sources {
		add(name, d)
	}
	for _, r := range rules.All() {
		if all[r.Source()] == nil {
			add(r.Source(), nowhere{})
		}
	}
	return all
}

// same says whether two are one. Those that cannot be compared are not.
func same(a, b Discoverer) bool {
	return reflect.TypeOf(a) == reflect.TypeOf(b) && reflect.TypeOf(a).Comparable() && a == b
}

// nowhere is a source that is not there.
type nowhere struct{}

func (nowhere) Series(context.Context, []string, time.Duration) ([]source.Series, error) {
	return nil, &source.Error{Kind: source.Rejected, Text: "there is no such source"}
}

// tally is how the discovery of one source's series stands.
type tally struct {
	rules         int
	found, failed int // rules whose newest discovery succeeded, and failed
	untried       int
	answered      int   // rules of which the source ever answered a discovery, if only with a refusal
	silent        int   // of failed, those that got no answer at all
	trouble       error // of the first rule whose series are not known, or not newly
}

func (t *tally) count(f *finding) {
	t.rules++
	if f.answered {
		t.answered++
	}
	switch {
	case f.err == nil:
		t.found++
	case f.tried:
		t.failed++
		if source.Unanswered(f.err) {
			t.silent++
		}
	default:
		t.untried++
	}
	if t.trouble == nil && f.err != nil {
		t.trouble = f.err
	}
}
