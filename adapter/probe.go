package adapter

import (
	"fmt"
	"net/http"
	"time"

	"k8s.io/apiserver/pkg/server/healthz"
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
