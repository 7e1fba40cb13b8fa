// Package suite is what every package of end-to-end tests begins with, and how its
// tests wait.
package suite

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/loadline/loadline/hack/lab"
	"github.com/loadline/loadline/hack/netns"
)

// Suite is a package's tests and the system that they share. The zero value is ready
// for Main.
type Suite struct {
	*lab.Lab // started once for all tests, which share it in their order

	interrupted context.Context // done when a signal asks the tests to end
}

// Flags of every package of end-to-end tests. They are here for those that parse before Main.
var (
	keep   = flag.Bool("keep", false, "leave the state directory, to read the logs")
	source = flag.String("source", string(lab.Prometheus), "where the adapter has its numbers from: prometheus, or embedded (it scrapes pods itself)")
	gates  = flag.String("feature-gates", "", "of kube-apiserver and kube-controller-manager, such as HPAScaleToZero=true; the defaults of their version else")
)

// Main starts the system, and then in it what the tests need, runs them, and returns
// the exit status. Root, Keep and Log of the options are its own. Main needs a network
// namespace of hack/netns, and the repository's path in LOADLINE_ROOT (make e2e).
func (s *Suite) Main(m *testing.M, o lab.Options, starts ...func(context.Context) error) int {
	flag.Parse()
	if !netns.Isolated() {
		fmt.Fprintln(os.Stderr, "e2e: needs a network namespace in which pod addresses are local: make e2e")
		return 1
	}
	root, err := filepath.Abs(os.Getenv("LOADLINE_ROOT"))
	if err != nil || os.Getenv("LOADLINE_ROOT") == "" {
		fmt.Fprintln(os.Stderr, "e2e: LOADLINE_ROOT must name the repository: make e2e")
		return 1
	}
	if o.Source, err = lab.ParseSource(*source); err != nil {
		fmt.Fprintln(os.Stderr, "e2e: -source:", err)
		return 1
	}
	if *gates != "" {
		o.ExtraArgs = gated(o.ExtraArgs, *gates)
	}
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer cancel()
	context.AfterFunc(ctx, cancel) // a second signal ends us at once
	s.interrupted = ctx
	began := time.Now()
	o.Root, o.Keep, o.Log = root, *keep, os.Stderr
	if s.Lab, err = lab.Start(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		return 1
	}
	stop := sync.OnceFunc(func() {
		if err := s.Stop(); err != nil {
			fmt.Fprintln(os.Stderr, "e2e: stopping:", err)
		}
	})
	defer stop()
	for _, start := range starts {
		if err := start(ctx); err != nil {
			fmt.Fprintln(os.Stderr, "e2e:", err, "\nlogs:", s.Cluster.Logs())
			s.DumpLogs(os.Stderr)
			return 1
		}
	}
	fmt.Fprintf(os.Stderr, "e2e: the system runs after %s\n", time.Since(began).Round(time.Second))
	defer context.AfterFunc(ctx, func() { endAnyway(stop) })()
	return m.Run()
}

// gated returns the servers' arguments with those feature gates.
func gated(args map[string][]string, gates string) map[string][]string {
	out := map[string][]string{}
	maps.Copy(out, args)
	for _, server := range []string{"kube-apiserver", "kube-controller-manager"} {
		out[server] = append(slices.Clone(out[server]), "--feature-gates="+gates)
	}
	return out
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
