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
	"syscall"
	"testing"
	"time"

	"github.com/loadline/loadline/hack/lab"
	"github.com/loadline/loadline/hack/netns"
)

// downscale is the stabilization window of Remind Me's HPAs here.
const downscale = 15 * time.Second

// system is started once for all tests, which share it in their order.
var system *lab.Lab

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
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	began := time.Now()
	system, err = lab.Start(ctx, lab.Options{
		Root: root, HPASyncPeriod: 5 * time.Second, DownscaleStabilization: downscale, Keep: keep, Log: os.Stderr,
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		return 1
	}
	defer func() {
		if err := system.Stop(); err != nil {
			fmt.Fprintln(os.Stderr, "e2e: stopping:", err)
		}
	}()
	for _, start := range []func(context.Context) error{
		system.StartPrometheus,
		func(ctx context.Context) error { return system.StartAdapter(ctx) },
		system.StartRemindMe,
	} {
		if err := start(ctx); err != nil {
			fmt.Fprintln(os.Stderr, "e2e:", err, "\nlogs:", system.Cluster.Logs())
			system.DumpLogs(os.Stderr)
			return 1
		}
	}
	fmt.Fprintf(os.Stderr, "e2e: the system runs after %s\n", time.Since(began).Round(time.Second))
	return m.Run()
}
