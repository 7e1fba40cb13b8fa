// Package suite is what every package of end-to-end tests begins with, and how its
// tests wait.
package suite

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
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

	// Show writes what there is to see of the system when a wait was in vain; Lab's DumpLogs
	// if nil.
	Show func(io.Writer)

	interrupted context.Context // done when a signal asks the tests to end
}

// Flags of every package of end-to-end tests. They are here for those that parse before Main.
var (
	keep   = flag.Bool("keep", false, "leave the state directory, to read the logs")
	source = flag.String("source", string(lab.Prometheus), "where the adapter has its numbers from: prometheus, or embedded (it scrapes pods itself)")
	gates  = flag.String("feature-gates", "", "of kube-apiserver and kube-controller-manager, such as HPAScaleToZero=true; the defaults of their version else")
)

// givenFlag is the name of one of them that was given; empty for none.
func givenFlag() (name string) {
	flag.Visit(func(f *flag.Flag) {
		switch f.Name {
		case "keep", "source", "feature-gates":
			name = f.Name
		}
	})
	return name
}

// patience is how long tests may take to notice that they are to end.
const patience = 10 * time.Second

// Main starts the system, and then in it what the tests need, runs them, and returns
// the exit status. Root, Keep and Log of the options are its own. Main needs a network
// namespace of hack/netns, and the repository's path in LOADLINE_ROOT (make e2e).
func (s *Suite) Main(m *testing.M, o lab.Options, starts ...func(context.Context) error) int {
	flag.Parse()
	if !netns.Isolated() {
		fmt.Fprintln(os.Stderr, "e2e: needs a network namespace in which pod addresses are local: make e2e")
		return 1
	}
	root, err := Root()
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		return 1
	}
	if o.Source, err = lab.ParseSource(*source); err != nil {
		fmt.Fprintln(os.Stderr, "e2e: -source:", err)
		return 1
	}
	if *gates != "" {
		o.ExtraArgs = gated(o.ExtraArgs, *gates)
	}
	o.Root, o.Keep, o.Log = root, *keep, os.Stderr
	start := func(ctx context.Context) (*lab.Lab, error) { return lab.Start(ctx, o) }
	return s.within(m.Run, start, starts...)
}

// Root is the path of the repository.
func Root() (string, error) {
	root := os.Getenv("LOADLINE_ROOT")
	if root == "" {
		return "", errors.New("LOADLINE_ROOT must name the repository: make e2e, or make e2e-node")
	}
	return filepath.Abs(root)
}

// Run is Main for a system that start starts: it then starts in it what the tests need, has
// tests run them (testing.M's Run), stops the system, and returns the exit status. SIGINT,
// SIGTERM or SIGHUP ends waits of tests and, if those go on nevertheless, the process, with
// the system stopped in each case. A second signal ends it at once. The flags of Main's own
// system are refused, for start knows nothing of them; the caller has parsed them.
func (s *Suite) Run(tests func() int, start func(context.Context) (*lab.Lab, error), starts ...func(context.Context) error) int {
	if name := givenFlag(); name != "" {
		fmt.Fprintf(os.Stderr, "e2e: -%s says nothing to this system\n", name)
		return 1
	}
	return s.within(tests, start, starts...)
}

func (s *Suite) within(tests func() int, start func(context.Context) (*lab.Lab, error), starts ...func(context.Context) error) int {
	all := append([]func(context.Context) error{func(ctx context.Context) (err error) {
		s.Lab, err = start(ctx)
		return err
	}}, starts...)
	return s.run(tests, patience, func() error { return s.Stop() }, all...)
}

// run starts all, one after the other, runs tests, and stops what the first one started.
func (s *Suite) run(tests func() int, patience time.Duration, stop func() error, starts ...func(context.Context) error) int {
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer cancel()
	context.AfterFunc(ctx, cancel) // a second signal ends us at once
	s.interrupted = ctx
	began := time.Now()
	if err := starts[0](ctx); err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		return 1
	}
	stopOnce := sync.OnceFunc(func() {
		if err := stop(); err != nil {
			fmt.Fprintln(os.Stderr, "e2e: stopping:", err)
		}
	})
	defer stopOnce()
	for _, start := range starts[1:] {
		if err := start(ctx); err != nil {
			fmt.Fprintln(os.Stderr, "e2e:", err, "\nlogs:", s.Cluster.Logs())
			s.show(os.Stderr)
			return 1
		}
	}
	fmt.Fprintf(os.Stderr, "e2e: the system runs after %s\n", time.Since(began).Round(time.Second))
	defer context.AfterFunc(ctx, func() { endAnyway(patience, stopOnce) })()
	return tests()
}

func (s *Suite) show(w io.Writer) {
	if s.Show != nil {
		s.Show(w)
		return
	}
	s.DumpLogs(w)
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
func endAnyway(patience time.Duration, stop func()) {
	fmt.Fprintln(os.Stderr, "e2e: interrupted, the tests end")
	time.Sleep(patience)
	fmt.Fprintf(os.Stderr, "e2e: the tests did not end within %s, stopping the system\n", patience)
	stop()
	os.Exit(1)
}
