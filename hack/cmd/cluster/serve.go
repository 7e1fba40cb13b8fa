package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/loadline/loadline/hack/cluster"
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
	err = isolated(context.WithoutCancel(ctx), append([]string{self, "serve"}, flags.args()...), flags.host)
	if err != nil {
		// The logs are what tells why; the next `up` removes them.
		return errors.Join(err, os.RemoveAll(dir.path("state.json")))
	}
	return dir.clear()
}

func serveInside(ctx context.Context, dir runDir, flags *clusterFlags) error {
	server, err := strconv.Atoi(os.Getenv(envServer))
	if err != nil {
		return fmt.Errorf("%s: %w", envServer, err)
	}
	c, err := cluster.Start(ctx, cluster.Options{
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
		return errors.Join(err, c.Stop())
	}
	select {
	case <-ctx.Done():
		return c.Stop()
	case err := <-c.Failed():
		return errors.Join(err, c.Stop())
	}
}
