package adapter

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"k8s.io/apiserver/pkg/server/healthz"

	"github.com/loadline/loadline/provider/rule"
)

// stuckAfter is how many evaluation intervals without a sign of life make the
// process stuck. A pass over thousands of queries of a slow source is no sign of
// that, hence also the floor of two minutes.
const stuckAfter = 10

// alive fails when the evaluation loop is stuck, which a restart mends. A source
// that is away or metrics that do not exist do not make it fail.
func alive(beat func() time.Time, interval time.Duration, now func() time.Time) healthz.HealthChecker {
	limit := max(stuckAfter*interval, 2*time.Minute)
	return healthz.NamedCheck("evaluation", func(*http.Request) error {
		if silent := now().Sub(beat()); silent > limit {
			return fmt.Errorf("no evaluation has begun for %s", silent.Round(time.Second))
		}
		return nil
	})
}

// warm fails until the first evaluation of what HPAs reference. It never fails
// again: an unready replica would take the APIService down with it, and then
// discovery breaks and namespaces cannot be deleted.
func warm(done <-chan struct{}) healthz.HealthChecker {
	return healthz.NamedCheck("first-evaluation", func(*http.Request) error {
		select {
		case <-done:
			return nil
		default:
			return fmt.Errorf("what HPAs reference is being evaluated for the first time")
		}
	})
}

// answering tells in /readyz?verbose which sources do not answer. It is a check that never
// fails, see warm; and the library prints of one that passes its name only.
type answering func() (up map[string]bool)

// Name implements healthz.HealthChecker.
func (up answering) Name() string {
	var away []string
	for name, answers := range up() {
		if !answers {
			away = append(away, rule.SourceLabel(name))
		}
	}
	if len(away) == 0 {
		return "sources"
	}
	slices.Sort(away)
	return "sources-of-which-these-do-not-answer:-" + strings.Join(away, ",-")
}

// Check implements healthz.HealthChecker.
func (answering) Check(*http.Request) error { return nil }

var _ healthz.HealthChecker = (answering)(nil)
