package worker_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
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
	"github.com/loadline/loadline/deploy/examples/remindme/worker"
)

var quiet = slog.New(slog.DiscardHandler)

// TestMain also is the program of the worker processes that tests kill: it
// prints the text of each reminder it has processed.
func TestMain(m *testing.M) {
	url := os.Getenv("TEST_WORKER_QUEUE")
	if url == "" {
		goleak.VerifyTestMain(m)
		return
	}
	nc, err := queue.Connect(url, "killed", quiet)
	if err != nil {
		panic(err)
	}
	work := func(ctx context.Context, r reminder.Reminder) error {
		if err := worker.Wait(20*time.Millisecond)(ctx, r); err != nil {
			return err
		}
		fmt.Println(r.Text)
		return nil
	}
	err = worker.Run(context.Background(), nc, worker.Options{Concurrency: 4, Grace: time.Second}, work,
		worker.NewMetrics(prometheus.NewRegistry()), quiet)
	panic(fmt.Sprint("a worker that nobody stopped has ended: ", err))
}

func options(t *testing.T) broker.Options {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return broker.Options{Host: "127.0.0.1", Port: ln.Addr().(*net.TCPAddr).Port, ServerName: "test-0",
		StoreDir: t.TempDir(), MaxStore: 64 << 20, Schema: queue.SchemaOptions{Replicas: 1, AckWait: time.Second}}
}

func start(t *testing.T, o broker.Options) *broker.Broker {
	t.Helper()
	b, err := broker.Start(o, quiet)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Prepare(t.Context(), o.Schema, quiet); err != nil {
		b.Close()
		t.Fatal(err)
	}
	return b
}

func connect(t *testing.T, b *broker.Broker) *nats.Conn {
	t.Helper()
	nc, err := queue.Connect(b.URL(), t.Name(), quiet)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return nc
}

// fill creates n reminders with the texts "PREFIX i", all due after in.
func fill(t *testing.T, nc *nats.Conn, prefix string, n int, in time.Duration) {
	t.Helper()
	c, err := queue.NewClient(nc, 10_000, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		now := time.Now()
		r, err := reminder.New(fmt.Sprintf("%s %d", prefix, i), now.Add(in), now)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Create(t.Context(), r, now); err != nil {
			t.Fatal(err)
		}
	}
}

func depth(t *testing.T, b *broker.Broker) uint64 {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	d, err := queue.ReadDepth(ctx, b.JetStream())
	if err != nil {
		t.Fatal(err)
	}
	return d.Reminders
}

func eventually(t *testing.T, ok func() bool, what string) {
	t.Helper()
	deadline, tick := time.After(60*time.Second), time.NewTicker(20*time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-deadline:
			t.Fatalf("not within 60s: %s", what)
		case <-tick.C:
		}
	}
}

// tally counts deliveries by text.
type tally struct {
	mu   sync.Mutex
	seen map[string]int
}

func (c *tally) add(text string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.seen == nil {
		c.seen = map[string]int{}
	}
	c.seen[text]++
	return c.seen[text]
}

func (c *tally) distinct() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.seen)
}

// run starts a worker in this process; term is its SIGTERM, wait waits until
// it has ended after that.
func run(t *testing.T, nc *nats.Conn, o worker.Options, work worker.Work) (term, wait func(), reg *prometheus.Registry) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	reg = prometheus.NewRegistry()
	done := make(chan error, 1)
	go func() { done <- worker.Run(ctx, nc, o, work, worker.NewMetrics(reg), quiet) }()
	var once sync.Once
	wait = func() {
		once.Do(func() {
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
	}
	t.Cleanup(func() { cancel(); wait() })
	return cancel, wait, reg
}

// process starts a worker process; what it processes goes to the tally.
func process(t *testing.T, url string, seen *tally) (kill func()) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "TEST_WORKER_QUEUE="+url)
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} // it ends with a test that is killed
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	read := make(chan struct{})
	go func() {
		defer close(read)
		for s := bufio.NewScanner(out); s.Scan(); {
			seen.add(s.Text())
		}
	}()
	var once sync.Once
	kill = func() {
		once.Do(func() {
			_ = cmd.Process.Kill() // SIGKILL: no chance to say goodbye
			<-read
			_ = cmd.Wait() // it was killed, as it says
		})
	}
	t.Cleanup(kill)
	return kill
}

func TestNoReminderIsLostWhileWorkersAreKilledAndTheQueueRestarts(t *testing.T) {
	const dueNow, future = 300, 60
	o := options(t)
	b := start(t, o)
	defer func() { b.Close() }()
	url := b.URL()
	nc := connect(t, b)
	fill(t, nc, "now", dueNow, 0)
	fill(t, nc, "later", future, 2*time.Second)

	var seen tally
	killFirst := process(t, url, &seen)
	process(t, url, &seen)
	eventually(t, func() bool { return seen.distinct() >= 30 }, "the first reminders")
	killFirst() // in the middle of up to four
	process(t, url, &seen)
	eventually(t, func() bool { return seen.distinct() >= 100 }, "more reminders")
	if n := seen.distinct(); n >= dueNow {
		t.Fatalf("all %d were done before the queue was stopped: the test shows nothing", n)
	}
	b.Close()
	b = start(t, o)
	eventually(t, func() bool { return seen.distinct() == dueNow+future && depth(t, b) == 0 }, "every reminder, and an empty queue")
}

func TestStopFinishesWhatWasStartedAndTakesNoMore(t *testing.T) {
	b := start(t, options(t))
	defer b.Close()
	nc := connect(t, b)
	fill(t, nc, "r", 10, 0)
	started, finish := make(chan struct{}, 10), make(chan struct{})
	term, wait, reg := run(t, nc, worker.Options{Concurrency: 2, Grace: 30 * time.Second}, func(context.Context, reminder.Reminder) error {
		started <- struct{}{}
		<-finish
		return nil
	})
	<-started
	<-started
	if got := depth(t, b); got != 10 {
		t.Errorf("two of ten in flight: depth %d, want 10", got)
	}
	term()
	close(finish)
	wait()
	if got := depth(t, b); got != 8 || len(started) != 0 {
		t.Errorf("after the stop: depth %d, want 8; %d more started", got, len(started))
	}
	expectOutcome(t, reg, "done", 2)
}

func TestWorkLongerThanTheGraceIsGivenBackAtOnce(t *testing.T) {
	o := options(t)
	o.Schema.AckWait = time.Hour // so that only a give-back brings it back
	b := start(t, o)
	defer b.Close()
	nc := connect(t, b)
	fill(t, nc, "slow", 1, 0)
	started := make(chan struct{})
	term, wait, reg := run(t, nc, worker.Options{Concurrency: 1, Grace: 50 * time.Millisecond}, func(ctx context.Context, _ reminder.Reminder) error {
		close(started)
		<-ctx.Done()
		return ctx.Err()
	})
	<-started
	term()
	wait()
	expectOutcome(t, reg, "given_back", 1)
	got := make(chan string, 1)
	run(t, nc, worker.Options{Concurrency: 1}, func(_ context.Context, r reminder.Reminder) error { got <- r.Text; return nil })
	select {
	case text := <-got:
		if text != "slow 0" {
			t.Errorf("got %q", text)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("the reminder was not given back")
	}
}

func TestLongWorkIsNotDeliveredTwice(t *testing.T) {
	b := start(t, options(t)) // ack wait: 1 s
	defer b.Close()
	nc := connect(t, b)
	fill(t, nc, "long", 1, 0)
	var seen tally
	for range 2 {
		run(t, connect(t, b), worker.Options{Concurrency: 1, Grace: time.Minute}, func(ctx context.Context, r reminder.Reminder) error {
			seen.add(r.Text)
			return worker.Wait(3*time.Second)(ctx, r)
		})
	}
	eventually(t, func() bool { return seen.distinct() == 1 && depth(t, b) == 0 }, "the long work")
	if n := seen.add("long 0") - 1; n != 1 {
		t.Errorf("work of three ack waits was delivered %d times", n)
	}
}

func TestFailedWorkIsTriedAgainAndRubbishIsDropped(t *testing.T) {
	b := start(t, options(t))
	defer b.Close()
	nc := connect(t, b)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.Publish(t.Context(), strings.Replace(queue.DueFilter, "*", "RUBBISH", 1), []byte("{")); err != nil {
		t.Fatal(err)
	}
	fill(t, nc, "flaky", 1, 0)
	var seen tally
	_, _, reg := run(t, nc, worker.Options{Concurrency: 1}, func(_ context.Context, r reminder.Reminder) error {
		if seen.add(r.Text) == 1 {
			return errors.New("the first attempt fails")
		}
		return nil
	})
	eventually(t, func() bool { return depth(t, b) == 0 }, "an empty queue")
	expectOutcome(t, reg, "failed", 1)
	expectOutcome(t, reg, "done", 1)
	expectOutcome(t, reg, "unreadable", 1)
}

func expectOutcome(t *testing.T, reg *prometheus.Registry, outcome string, want int) {
	t.Helper()
	eventually(t, func() bool {
		families, err := reg.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range families {
			for _, m := range f.GetMetric() {
				if f.GetName() == "reminders_processed_total" && m.GetLabel()[0].GetValue() == outcome {
					return int(m.GetCounter().GetValue()) == want
				}
			}
		}
		return false
	}, fmt.Sprintf("reminders_processed_total{outcome=%q} %d", outcome, want))
	if n, err := testutil.GatherAndCount(reg, "reminders_processed_total"); err != nil || n != 5 {
		t.Errorf("%d outcomes, %v; want all five from the start", n, err)
	}
}
