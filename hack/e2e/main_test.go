//go:build e2e

// Package e2e watches the whole system do its job: a real HPA controller scales
// real processes on metrics that a real Prometheus scraped and our adapter
// serves. It runs in a namespace of hack/netns (make e2e).
package e2e

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/loadline/loadline/hack/lab"
	"github.com/loadline/loadline/hack/netns"
)

// The system under test at the pace of a test.
const (
	hpaSync     = 5 * time.Second
	downscale   = 15 * time.Second // stabilization window of Remind Me's HPAs
	valueMaxAge = 10 * time.Second // of the adapter
)

// system is started once for all tests, which share it in their order.
var system *lab.Lab

// interrupted is done when a signal asks the tests to end. Waits heed it.
var interrupted context.Context

func TestMain(m *testing.M) {
	keep := flag.Bool("keep", false, "leave the state directory, to read the logs")
	flag.Parse()
	os.Exit(run(m, *keep))
}

func run(m *testing.M, keep bool) int {
	if !netns.Isolated() {
		fmt.Fprintln(os.Stderr, "e2e: needs a network namespace in which pod addresses are local: make e2e")
		return 1
	}
	root, err := filepath.Abs(os.Getenv("LOADLINE_ROOT"))
	if err != nil || os.Getenv("LOADLINE_ROOT") == "" {
		fmt.Fprintln(os.Stderr, "e2e: LOADLINE_ROOT must name the repository: make e2e")
		return 1
	}
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer cancel()
	context.AfterFunc(ctx, cancel) // a second signal ends us at once
	interrupted = ctx
	began := time.Now()
	system, err = lab.Start(ctx, lab.Options{
		Root: root, HPASyncPeriod: hpaSync, DownscaleStabilization: downscale, Keep: keep, Log: os.Stderr,
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		return 1
	}
	stop := sync.OnceFunc(func() {
		if err := system.Stop(); err != nil {
			fmt.Fprintln(os.Stderr, "e2e: stopping:", err)
		}
	})
	defer stop()
	for _, start := range []func(context.Context) error{
		system.StartPrometheus,
		startAdapter,
		system.StartRemindMe,
	} {
		if err := start(ctx); err != nil {
			fmt.Fprintln(os.Stderr, "e2e:", err, "\nlogs:", system.Cluster.Logs())
			system.DumpLogs(os.Stderr)
			return 1
		}
	}
	fmt.Fprintf(os.Stderr, "e2e: the system runs after %s\n", time.Since(began).Round(time.Second))
	defer context.AfterFunc(ctx, func() { endAnyway(stop) })()
	return m.Run()
}

// endAnyway ends the process although tests run that do not notice a signal.
// Otherwise they fail at their next wait, and the process ends as ever.
func endAnyway(stop func()) {
	fmt.Fprintln(os.Stderr, "e2e: interrupted, the tests end")
	time.Sleep(10 * time.Second)
	fmt.Fprintln(os.Stderr, "e2e: the tests did not end within 10 s, stopping the system")
	stop()
	os.Exit(1)
}
