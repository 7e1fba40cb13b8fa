package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"sync"

	"github.com/spf13/cobra"

	"github.com/loadline/loadline/hack/lab"
	"github.com/loadline/loadline/hack/netns"
)

// envServer tells the process inside which process outside to name in the state.
const envServer = "LOADLINE_CLUSTER_SERVER"

// serveCommand is the background process of `up`. Outside of the namespace it
// holds the lock and runs itself inside; inside it runs the cluster.
func serveCommand() *cobra.Command {
	var flags clusterFlags
	cmd := &cobra.Command{
		Use:    "serve",
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			dir, err := openRunDir()
			if err != nil {
				return err
			}
			if os.Getenv(envServer) != "" {
				return serveInside(cmd.Context(), dir, &flags)
			}
			return serveOutside(cmd.Context(), dir, &flags)
		},
	}
	flags.register(cmd)
	return cmd
}

func serveOutside(ctx context.Context, dir runDir, flags *clusterFlags) (err error) {
	held, ok, err := dir.lock()
	if err != nil {
		return err
	}
	if !ok {
		return errors.New("another cluster is up")
	}
	defer held.Close()
	if err := dir.clear(); err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	if err := os.Setenv(envServer, strconv.Itoa(os.Getpid())); err != nil {
		return err
	}
	err = isolated(ctx, append([]string{self, "serve"}, flags.args()...), flags.host)
	if err != nil {
		sayKilled(err, os.Stderr)
		// The logs are what tells why; the next `up` removes them.
		return errors.Join(err, os.RemoveAll(dir.path("state.json")))
	}
	return dir.clear()
}

// sayKilled names the process inside if a signal ended it, for then it said nothing
// itself.
func sayKilled(err error, out io.Writer) {
	var exit *netns.ExitError
	if errors.As(err, &exit) && exit.Code > 128 {
		fmt.Fprintf(out, "cluster: the process that runs the node and starts the servers was killed by signal %d\n", exit.Code-128)
	}
}

func serveInside(ctx context.Context, dir runDir, flags *clusterFlags) error {
	server, err := strconv.Atoi(os.Getenv(envServer))
	if err != nil {
		return fmt.Errorf("%s: %w", envServer, err)
	}
	l, err := lab.Start(ctx, lab.Options{
		Root:                   flags.root,
		StateDir:               dir.cluster(),
		HPASyncPeriod:          flags.hpaSync,
		DownscaleStabilization: flags.downscale,
		Kwok:                   flags.kwok,
		AuditLog:               flags.audit,
		Log:                    os.Stderr,
	})
	if err != nil {
		return err
	}
	running, done := untilFailed(ctx, l.Cluster.Failed(), l.NodeFailed())
	defer done()
	if err := startParts(running, l, flags.system); err != nil {
		if ctx.Err() == nil {
			l.DumpLogs(os.Stderr)
		}
		return errors.Join(failure(running), err, l.Stop())
	}
	c := l.Cluster
	if err := dir.ready(state{
		PID:        server,
		Inside:     os.Getpid(),
		Isolated:   netns.Isolated(),
		URL:        c.URL(),
		Kubeconfig: c.Kubeconfig(),
		Kubectl:    c.KubectlPath(),
		KubeCache:  c.KubectlCache(),
		Logs:       c.Logs(),
	}); err != nil {
		return errors.Join(err, l.Stop())
	}
	sayEnds(running, l.Client, os.Stderr)
	return errors.Join(failure(running), l.Stop())
}

// untilFailed returns a context that ends with the first error of parts, which is
// its cause.
func untilFailed(ctx context.Context, parts ...<-chan error) (running context.Context, done func()) {
	running, cancel := context.WithCancelCause(ctx)
	var wg sync.WaitGroup
	for _, part := range parts {
		wg.Go(func() {
			select {
			case err := <-part:
				cancel(err)
			case <-running.Done():
			}
		})
	}
	return running, func() { cancel(nil); wg.Wait() }
}

// failure is the part's end that ended running; nil if that was asked for.
func failure(running context.Context) error {
	if err := context.Cause(running); !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// startParts starts what runs in pods: Prometheus always, and with system the
// adapter and Remind Me.
func startParts(ctx context.Context, l *lab.Lab, system bool) error {
	if err := l.StartPrometheus(ctx); err != nil || !system {
		return err
	}
	if err := l.StartAdapter(ctx); err != nil {
		return err
	}
	return l.StartRemindMe(ctx)
}
