//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/loadline/loadline/hack/lab"
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

// Test2Queue: the queue fills and the workers scale up; it drains and they scale
// in. Every reminder that was accepted is processed, while workers come and go.
func Test2Queue(t *testing.T) {
	replicas(t, "remindme-worker", 2, 90*time.Second)
	before := processed(t)
	api := driver(t, "remindmeapi-service", load.CreateReminders("e2e"))
	rate(t, api, 40)
	replicas(t, "remindme-worker", 6, 90*time.Second)
	rate(t, api, 0)
	replicas(t, "remindme-worker", 2, 3*time.Minute)
	until(t, "an empty queue, told as 0", 30*time.Second, func(ctx context.Context) (bool, string) {
		data, err := system.Raw(ctx, depthPath)
		return err == nil && strings.Contains(string(data), `"value":"0"`), fmt.Sprint(string(data), err)
	})
	stats := api.Stats()
	if stats.Failed > 0 || stats.InFlight > 0 {
		t.Errorf("creating reminders: %+v", stats)
	}
	if done := processed(t) - before; done != int(stats.OK) {
		t.Errorf("%d reminders were accepted and %d processed", stats.OK, done)
	} else {
		t.Logf("%d reminders accepted, %d processed", stats.OK, done)
	}
}

// processed counts the distinct reminders that workers say they have processed,
// in logs that outlive the workers.
func processed(t *testing.T) int {
	t.Helper()
	lines, err := system.LogLines(lab.RemindMeNamespace, "remindme-worker-", "reminder done")
	if err != nil {
		t.Fatal(err)
	}
	ids := map[string]bool{}
	for _, line := range lines {
		id := reminderID.FindString(line)
		if id == "" {
			t.Fatalf("a line without an id: %s", line)
		}
		ids[id] = true
	}
	return len(ids)
}

var reminderID = regexp.MustCompile(`"?id"?[=:]"?[^ ,"]+`)
