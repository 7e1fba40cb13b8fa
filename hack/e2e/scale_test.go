//go:build e2e

package e2e

import (
	"testing"
	"time"

	"github.com/loadline/loadline/hack/load"
)

// Test1RequestRate: the request rate goes up, the HPA scales 2 → 6 within a
// minute of the step, and back after the stabilization window.
func Test1RequestRate(t *testing.T) {
	web := driver(t, "remindmeweb-service", load.Get("/"))
	rate(t, web, 5) // so that there is a value, well below the target
	replicas(t, "remindmeweb", 2, 90*time.Second)

	rate(t, web, 150) // 6 pods at 20 a second are 120
	replicas(t, "remindmeweb", 6, time.Minute)

	rate(t, web, 5)
	began := time.Now()
	replicas(t, "remindmeweb", 2, 2*time.Minute)
	if took := time.Since(began); took < downscale {
		t.Errorf("scaled in %s after the load fell, within the stabilization window of %s", took, downscale)
	}
	if s := web.Stats(); s.Failed > 0 {
		t.Errorf("%d of %d requests failed: %s", s.Failed, s.Sent, s.LastError)
	}
}

// Test2Queue: the queue fills and the workers scale up; it drains and they
// scale in.
func Test2Queue(t *testing.T) {
	replicas(t, "remindme-worker", 2, 90*time.Second)
	api := driver(t, "remindmeapi-service", load.CreateReminders("e2e"))
	rate(t, api, 40)
	replicas(t, "remindme-worker", 6, 90*time.Second)
	rate(t, api, 0)
	replicas(t, "remindme-worker", 2, 3*time.Minute)
}
