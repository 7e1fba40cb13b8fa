//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"regexp"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/loadline/loadline/hack/lab"
	"github.com/loadline/loadline/hack/load"
)

// Test2InFlight: as many reminders as there are workers, each held by a worker and
// none waiting, are the depth that an HPA reads. Workers that are replaced while
// they hold them lose none.
func Test2InFlight(t *testing.T) {
	emptyQueue(t)
	before := processed(t)
	workTime(t, time.Hour)
	replicas(t, "remindme-worker", 2, time.Minute)
	create(t, 2)
	system.Until(t, "the workers hold both", 30*time.Second, func(ctx context.Context) (bool, string) {
		held, err := prometheusValues(ctx, "pod", `reminders_in_flight == 1`)
		return err == nil && len(held) == 2, fmt.Sprint(held, err)
	})
	var seen time.Time
	system.Until(t, "a depth of 2", 2*lab.EvaluationInterval+scrapeTime+slack, func(ctx context.Context) (bool, string) {
		depth, evaluated, err := queueDepth(ctx)
		seen = evaluated
		return err == nil && depth == 2, fmt.Sprint(depth, err)
	})
	// The last of these evaluations are of samples from after the first look. The
	// other adapter may still answer with one from before it, in whole seconds.
	system.Never(t, 2*lab.EvaluationInterval+scrapeTime+slack, func(ctx context.Context) (bool, string) {
		depth, evaluated, err := queueDepth(ctx)
		wrong := depth != 2 && evaluated.After(seen)
		return err != nil || wrong, fmt.Sprintf("depth %d of %s, %v, while two reminders are in flight", depth, evaluated, err)
	})
	workTime(t, defaultWork)
	emptyQueue(t)
	if done := processed(t) - before; done != 2 {
		t.Errorf("2 reminders were accepted and %d processed", done)
	}
}

// Test2Queue: the queue fills and the workers scale up to 6; it drains and they
// scale in to 2. Meanwhile web and API scale up to 6 and in again under another
// load, and the reminders keep coming. At the end the queue is empty and says 0,
// no request has failed, and the reminders that workers processed are as many as
// were accepted.
func Test2Queue(t *testing.T) {
	emptyQueue(t)
	replicas(t, "remindme-worker", 2, 90*time.Second)
	before := processed(t)
	reminders := driver(t, "remindmeapi-service", load.CreateReminders("e2e"))
	rate(t, reminders, 25) // two workers do 10 a second, six do 30
	web := driver(t, "remindmeweb-service", load.Get("/"))
	rate(t, web, 130) // more than five pods are for; web asks the API as often

	for _, name := range []string{"remindme-worker", "remindmeweb", "remindmeapi"} {
		replicas(t, name, 6, 90*time.Second)
	}
	rate(t, web, 5)
	for _, name := range []string{"remindmeweb", "remindmeapi"} {
		replicas(t, name, 2, 2*time.Minute)
	}
	rate(t, reminders, 0)
	replicas(t, "remindme-worker", 2, 3*time.Minute)
	emptyQueue(t)

	if s := web.Stats(); s.Failed > 0 {
		t.Errorf("%d of %d requests failed: %s", s.Failed, s.Sent, s.LastError)
	}
	stats := reminders.Stats()
	if stats.Failed > 0 || stats.InFlight > 0 {
		t.Errorf("creating reminders: %+v", stats)
	}
	if done := processed(t) - before; done != int(stats.OK) {
		t.Errorf("%d reminders were accepted and %d processed", stats.OK, done)
	} else {
		t.Logf("%d reminders accepted, %d processed", stats.OK, done)
	}
}

// emptyQueue waits until the metric says that the queue is empty, as 0.
func emptyQueue(t *testing.T) {
	t.Helper()
	system.Until(t, "an empty queue, told as 0", 90*time.Second, func(ctx context.Context) (bool, string) {
		depth, _, err := queueDepth(ctx)
		return err == nil && depth == 0, fmt.Sprint(depth, err)
	})
}

// create creates exactly n reminders that are due now.
func create(t *testing.T, n uint64) {
	t.Helper()
	ctx, cancel := system.Waiting(t)
	defer cancel()
	endpoints, err := load.Watch(ctx, system.Client, lab.RemindMeNamespace, "remindmeapi-service", "http", load.Slices)
	if err != nil {
		t.Fatal(err)
	}
	d, err := load.New(load.Options{Pick: endpoints.Pick, Request: load.CreateReminders("e2e"), Limits: load.Limits{
		Requests: n, Concurrency: int(n), Duration: 30 * time.Second, Timeout: 5 * time.Second,
	}})
	if err != nil {
		t.Fatal(err)
	}
	rate(t, d, 20)
	if err := d.Run(ctx); err != nil {
		t.Fatal(err)
	}
	if s := d.Stats(); s.OK != n {
		t.Fatalf("creating %d reminders: %+v", n, s)
	}
}

// defaultWork is how long a worker of the manifests works on a reminder.
const defaultWork = 200 * time.Millisecond

// workTime makes the workers work for so long on each reminder from now on, until
// the test ends, and waits for their rollout. A worker that is replaced gives back
// what it holds.
func workTime(t *testing.T, d time.Duration) {
	t.Helper()
	set := func(ctx context.Context, d time.Duration) error {
		patch := fmt.Sprintf(`{"spec":{"template":{"spec":{"containers":[{"name":"remindme-worker","env":[{"name":"WORK_TIME","value":%q}]}]}}}}`, d)
		_, err := system.Client.AppsV1().Deployments(lab.RemindMeNamespace).
			Patch(ctx, "remindme-worker", types.StrategicMergePatchType, []byte(patch), metav1.PatchOptions{})
		return err
	}
	if err := set(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := set(context.WithoutCancel(t.Context()), defaultWork); err != nil {
			t.Error(err)
		}
	})
	ctx, cancel := system.Waiting(t)
	defer cancel()
	if err := system.Available(ctx, lab.RemindMeNamespace, "remindme-worker", time.Minute); err != nil {
		t.Fatal(err)
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
