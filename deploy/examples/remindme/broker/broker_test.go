package broker_test

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/goleak"

	"github.com/loadline/loadline/deploy/examples/remindme/broker"
	"github.com/loadline/loadline/deploy/examples/remindme/queue"
	"github.com/loadline/loadline/deploy/examples/remindme/reminder"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// node is a real queue engine that a test can stop and start again on the
// same port and the same directory.
type node struct {
	t      *testing.T
	opts   broker.Options
	broker *broker.Broker
}

func freePort(t *testing.T) int {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().(*net.TCPAddr).Port
}

func startNode(t *testing.T) *node {
	t.Helper()
	n := &node{t: t, opts: broker.Options{
		Host: "127.0.0.1", Port: freePort(t), ServerName: "test-0", StoreDir: t.TempDir(), MaxStore: 64 << 20,
		Schema: queue.SchemaOptions{Replicas: 1, AckWait: time.Second},
	}}
	n.start()
	t.Cleanup(func() { n.broker.Close() })
	return n
}

func (n *node) start() {
	n.t.Helper()
	var err error
	if n.broker, err = broker.Start(n.opts, slog.New(slog.DiscardHandler)); err != nil {
		n.t.Fatal(err)
	}
	if err := n.broker.Prepare(n.t.Context(), n.opts.Schema, slog.New(slog.DiscardHandler)); err != nil {
		n.t.Fatal(err)
	}
}

func (n *node) connect() *nats.Conn {
	n.t.Helper()
	nc, err := queue.Connect(n.broker.URL(), n.t.Name(), slog.New(slog.DiscardHandler))
	if err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(nc.Close)
	return nc
}

func (n *node) client(max uint64) *queue.Client {
	n.t.Helper()
	c, err := queue.NewClient(n.connect(), max, time.Now)
	if err != nil {
		n.t.Fatal(err)
	}
	return c
}

func (n *node) depth() queue.Depth {
	n.t.Helper()
	ctx, cancel := context.WithTimeout(n.t.Context(), 5*time.Second)
	defer cancel()
	d, err := queue.ReadDepth(ctx, n.broker.JetStream())
	if err != nil {
		n.t.Fatal(err)
	}
	return d
}

func (n *node) waitDepth(want uint64) {
	n.t.Helper()
	eventually(n.t, func() bool { return n.depth().Reminders == want }, "depth %d", want)
}

func eventually(t *testing.T, ok func() bool, format string, args ...any) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-deadline:
			t.Fatalf("never happened within 20s: "+format, args...)
		case <-tick.C:
		}
	}
}

func create(t *testing.T, c *queue.Client, text string, in time.Duration) reminder.Reminder {
	t.Helper()
	now := time.Now()
	r, err := reminder.New(text, now.Add(in), now)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Create(t.Context(), r, now); err != nil {
		t.Fatal(err)
	}
	return r
}

// take fetches one due reminder as a worker would and leaves it in flight.
func take(t *testing.T, n *node, nc *nats.Conn) jetstream.Msg {
	t.Helper()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	cons, err := js.Consumer(t.Context(), queue.Stream, queue.Consumer)
	if err != nil {
		t.Fatal(err)
	}
	msg, err := cons.Next(jetstream.FetchMaxWait(5 * time.Second))
	if err != nil {
		t.Fatal(err)
	}
	return msg
}

func TestDepthCountsDueAndInFlightButNotFuture(t *testing.T) {
	n := startNode(t)
	c := n.client(1000)
	if got := n.depth(); got != (queue.Depth{}) {
		t.Fatalf("empty queue: %+v", got)
	}
	create(t, c, "future", time.Hour)
	if got := n.depth(); got.Reminders != 0 || !got.Oldest.IsZero() {
		t.Fatalf("only a future reminder: %+v", got)
	}
	before := time.Now()
	for _, text := range []string{"a", "b", "c"} {
		create(t, c, text, 0)
	}
	n.waitDepth(3)
	if got := n.depth().Oldest; got.Before(before.Add(-time.Second)) || got.After(time.Now()) {
		t.Errorf("oldest %v is not from after %v", got, before)
	}
	msg := take(t, n, n.connect())
	if got := n.depth().Reminders; got != 3 {
		t.Errorf("one of three in flight: depth %d, want 3", got)
	}
	if err := msg.DoubleAck(t.Context()); err != nil {
		t.Fatal(err)
	}
	n.waitDepth(2)
}

func TestScheduledReminderBecomesDueAndNeverEarly(t *testing.T) {
	n := startNode(t)
	c := n.client(1000)
	r := create(t, c, "soon", 1500*time.Millisecond)
	page, err := c.List(t.Context(), 0, 10)
	if err != nil || len(page.Entries) != 1 || page.Entries[0].State != queue.Pending {
		t.Fatalf("list before: %+v, %v", page, err)
	}
	n.waitDepth(1)
	if now := time.Now(); now.Before(r.Due) {
		t.Errorf("due at %v, delivered early, before %v", r.Due, now)
	}
	page, err = c.List(t.Context(), 0, 10)
	if err != nil || len(page.Entries) != 1 || page.Entries[0].State != queue.Due || page.Entries[0].ID != r.ID {
		t.Fatalf("list after: %+v, %v", page, err)
	}
}

func TestScheduleSurvivesRestartAcrossItsDueTime(t *testing.T) {
	n := startNode(t)
	c := n.client(1000)
	r := create(t, c, "while away", time.Second)
	later := create(t, c, "later", time.Hour)
	n.broker.Close()
	eventually(t, func() bool { return time.Now().After(r.Due.Add(time.Second)) }, "due time passes")
	n.start()
	n.waitDepth(1)
	var page queue.Page
	eventually(t, func() bool {
		var err error
		page, err = c.List(t.Context(), 0, 10) // fails until the client is connected again
		return err == nil
	}, "list after the restart")
	states := map[string]queue.State{}
	for _, e := range page.Entries {
		states[e.ID] = e.State
	}
	if len(states) != 2 || states[r.ID] != queue.Due || states[later.ID] != queue.Pending {
		t.Errorf("after the restart: %v", states)
	}
}

func TestDelete(t *testing.T) {
	n := startNode(t)
	c := n.client(1000)
	pending := create(t, c, "pending", time.Hour)
	inFlight := create(t, c, "in flight", 0)
	msg := take(t, n, n.connect())
	due := create(t, c, "due", 0)
	n.waitDepth(2)
	for _, r := range []reminder.Reminder{pending, due, inFlight} {
		if err := c.Delete(t.Context(), r.ID); err != nil {
			t.Errorf("delete %q: %v", r.Text, err)
		}
		if err := c.Delete(t.Context(), r.ID); !errors.Is(err, queue.ErrNotFound) {
			t.Errorf("delete %q again: %v, want ErrNotFound", r.Text, err)
		}
	}
	n.waitDepth(0)
	if err := msg.DoubleAck(t.Context()); err != nil {
		t.Errorf("acknowledging a deleted reminder: %v", err)
	}
	if err := c.Delete(t.Context(), "*"); !errors.Is(err, queue.ErrNotFound) {
		t.Errorf("delete of a wildcard: %v, want ErrNotFound", err)
	}
}

func TestCreateAgainStoresOnce(t *testing.T) {
	n := startNode(t)
	c := n.client(1000)
	r := create(t, c, "once", 0)
	if err := c.Create(t.Context(), r, time.Now()); err != nil {
		t.Fatal(err)
	}
	n.waitDepth(1)
}

func TestListPages(t *testing.T) {
	n := startNode(t)
	c := n.client(1000)
	page, err := c.List(t.Context(), 0, 3)
	if err != nil || len(page.Entries) != 0 || page.Next != 0 {
		t.Fatalf("empty: %+v, %v", page, err)
	}
	want := map[string]bool{}
	for range 7 {
		want[create(t, c, "x", time.Hour).ID] = true
	}
	var from uint64
	for pages := 1; ; pages++ {
		page, err := c.List(t.Context(), from, 3)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range page.Entries {
			if !want[e.ID] {
				t.Errorf("%s is unknown or came twice", e.ID)
			}
			delete(want, e.ID)
		}
		if from = page.Next; from == 0 {
			if pages != 3 {
				t.Errorf("%d pages, want 3", pages)
			}
			break
		}
	}
	if len(want) != 0 {
		t.Errorf("never listed: %v", want)
	}
}

func TestFullQueueRefuses(t *testing.T) {
	n := startNode(t)
	c := n.client(2)
	now := time.Now()
	refused := 0
	// The count may be a second old, so more than two can pass at first.
	eventually(t, func() bool {
		r, err := reminder.New("x", now, now)
		if err != nil {
			t.Fatal(err)
		}
		err = c.Create(t.Context(), r, now)
		if errors.Is(err, queue.ErrFull) {
			refused++
		} else if err != nil {
			t.Fatal(err)
		}
		return refused > 0
	}, "a refusal")
}

func TestMetricsAreAbsentWhenUnknownAndZeroWhenEmpty(t *testing.T) {
	for name, tc := range map[string]struct {
		depth queue.Depth
		err   error
		want  string
	}{
		"empty is an explicit 0": {want: `
			reminder_queue_depth{queue="reminders"} 0
			reminder_queue_oldest_seconds{queue="reminders"} 0`},
		"waiting": {depth: queue.Depth{Reminders: 7, Oldest: time.Unix(90, 0)}, want: `
			reminder_queue_depth{queue="reminders"} 7
			reminder_queue_oldest_seconds{queue="reminders"} 10`},
		"unknown is absent": {err: errors.New("away"), want: ""},
	} {
		t.Run(name, func(t *testing.T) {
			read := func(context.Context) (queue.Depth, error) { return tc.depth, tc.err }
			c := broker.NewCollector(read, func() time.Time { return time.Unix(100, 0) }, slog.New(slog.DiscardHandler))
			reg := prometheus.NewRegistry()
			reg.MustRegister(c)
			want := ""
			if tc.want != "" {
				want = "# HELP reminder_queue_depth Reminders that are due, waiting or being processed; not future ones.\n" +
					"# TYPE reminder_queue_depth gauge\n" +
					"# HELP reminder_queue_oldest_seconds How long ago the oldest reminder not yet done became due, in seconds; 0 if there is none.\n" +
					"# TYPE reminder_queue_oldest_seconds gauge\n" + strings.ReplaceAll(tc.want, "\t", "") + "\n"
			}
			if err := testutil.GatherAndCompare(reg, strings.NewReader(want), "reminder_queue_depth", "reminder_queue_oldest_seconds"); err != nil {
				t.Error(err)
			}
		})
	}
}
