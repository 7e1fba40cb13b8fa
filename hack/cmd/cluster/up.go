package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/loadline/loadline/hack/build"
	"github.com/loadline/loadline/hack/lab"
)

// clusterFlags are the choices of `up`, handed on as they were given.
type clusterFlags struct {
	hpaSync, downscale        time.Duration
	kwok, audit, host, system bool
	root                      string // of the repository
}

func (f *clusterFlags) register(cmd *cobra.Command) {
	cmd.Flags().DurationVar(&f.hpaSync, "hpa-sync-period", 0, "how often HPAs are reconciled (0: Kubernetes' default, 15s)")
	cmd.Flags().DurationVar(&f.downscale, "downscale-stabilization", 0, "window of Remind Me's HPAs that --system starts, and of HPAs without one of their own (0: 5m)")
	cmd.Flags().BoolVar(&f.kwok, "kwok", true, "run kwok for nodes annotated kwok.x-k8s.io/node=fake")
	cmd.Flags().BoolVar(&f.audit, "audit-log", false, "log the requests of the authorization and metrics APIs")
	cmd.Flags().BoolVar(&f.system, "system", false, "start the adapter and Remind Me with its HPAs, too")
	cmd.Flags().StringVar(&f.root, "root", cmp.Or(os.Getenv("LOADLINE_ROOT"), "."), "the repository; bin/ in it holds the programs of the adapter's and Remind Me's images")
	hostFlag(cmd, &f.host)
}

// check completes the flags for a process that runs elsewhere.
func (f *clusterFlags) check() (err error) {
	if f.root, err = filepath.Abs(f.root); err != nil || !f.system {
		return err
	}
	return lab.CheckPrograms(f.root)
}

func (f *clusterFlags) args() []string {
	return []string{
		"--hpa-sync-period=" + f.hpaSync.String(),
		"--downscale-stabilization=" + f.downscale.String(),
		fmt.Sprintf("--kwok=%t", f.kwok),
		fmt.Sprintf("--audit-log=%t", f.audit),
		fmt.Sprintf("--host-network=%t", f.host),
		fmt.Sprintf("--system=%t", f.system),
		"--root=" + f.root,
	}
}

func upCommand() *cobra.Command {
	var flags clusterFlags
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Start a cluster in the background and return when it is ready",
		Long: "Start a cluster in the background and return when it is ready.\n" +
			"It has a node that runs pods as processes of this machine, and a Prometheus that finds the pods annotated\n" +
			"prometheus.io/scrape. The node knows the images of Remind Me's manifests, as `make build` built them:\n" +
			"kubectl apply -k deploy/examples/remindme/manifests. --system applies them, and the adapter's, itself.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := flags.check(); err != nil {
				return err
			}
			dir, err := openRunDir()
			if err != nil {
				return err
			}
			return up(cmd.Context(), dir, &flags, cmd.OutOrStdout())
		},
	}
	flags.register(cmd)
	return cmd
}

func up(ctx context.Context, dir runDir, flags *clusterFlags, out io.Writer) error {
	if busy, err := dir.busy(); err != nil {
		return err
	} else if busy {
		s, ok, err := dir.read()
		if err != nil {
			return err
		}
		if !ok {
			return fmt.Errorf("a cluster is being started or stopped, see %s", dir.log())
		}
		fmt.Fprintln(out, "# The cluster is already up; `down` and `up` to change its options.")
		printState(out, s)
		return nil
	}
	if _, err := build.Ensure(ctx, os.Stderr); err != nil {
		return err
	}
	server, err := spawnServer(dir, flags)
	if err != nil {
		return err
	}
	s, err := awaitReady(ctx, dir, server)
	if err != nil {
		return err
	}
	printState(out, s)
	return nil
}

// server is the background process, while its parent waits for it.
type server struct {
	cmd   *exec.Cmd
	ended chan error
}

// spawnServer starts `serve` in a session of its own, out of reach of the
// terminal's signals and of its end.
func spawnServer(dir runDir, flags *clusterFlags) (*server, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	// `go run` removes the program when it ends, and the background needs it
	// longer (to enter the namespace).
	self, err = keepExecutable(dir, self)
	if err != nil {
		return nil, err
	}
	log, err := os.OpenFile(dir.log(), os.O_CREATE|os.O_TRUNC|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd := exec.Command(self, append([]string{"serve"}, flags.args()...)...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	s := &server{cmd: cmd, ended: make(chan error, 1)}
	go func() { s.ended <- cmd.Wait() }()
	return s, nil
}

func keepExecutable(dir runDir, self string) (string, error) {
	data, err := os.ReadFile(self)
	if err != nil {
		return "", err
	}
	tmp, kept := dir.path("cluster.new"), dir.path("cluster-command")
	if err := os.WriteFile(tmp, data, 0o700); err != nil {
		return "", err
	}
	return kept, os.Rename(tmp, kept)
}

// awaitReady waits for the state file. Whatever goes wrong, the server is
// stopped and its log shown.
func awaitReady(ctx context.Context, dir runDir, server *server) (state, error) {
	// Each part has a deadline of its own, which says more; this is the last resort.
	const limit = 10 * time.Minute
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("not ready within %s", limit))
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case err := <-server.ended:
			return state{}, fmt.Errorf("the cluster did not start: %v\n%s", err, logTail(dir.log()))
		case <-ctx.Done():
			_ = server.cmd.Process.Signal(syscall.SIGTERM)
			<-server.ended // serve stops within its own deadlines
			return state{}, fmt.Errorf("the cluster did not start: %w\n%s", context.Cause(ctx), logTail(dir.log()))
		case <-tick.C:
		}
		s, ok, err := dir.read()
		if err != nil {
			return state{}, err
		}
		if ok && s.PID == server.cmd.Process.Pid {
			return s, nil
		}
	}
}

func logTail(path string) string {
	data, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimRight(string(data), "\n"), "\n")
	return "end of " + path + ":\n" + strings.Join(lines[max(0, len(lines)-40):], "\n")
}

// printState prints lines a shell can evaluate.
func printState(out io.Writer, s state) {
	fmt.Fprintf(out, "export KUBECONFIG=%s KUBECACHEDIR=%s\n", s.Kubeconfig, s.KubeCache)
	fmt.Fprintf(out, "export PATH=%s:\"$PATH\"\n", filepath.Dir(s.Kubectl))
	fmt.Fprintf(out, "# API server %s, logs in %s\n", s.URL, s.Logs)
	if s.Isolated {
		fmt.Fprintf(out, "# Pod addresses are reachable inside only: %s\n", enterHint(s.Inside, os.Geteuid()))
	} else {
		fmt.Fprintln(out, "# No network namespace: pods get addresses out of 127.0.0.0/8, and EndpointSlices refuse those.")
	}
}

// enterHint is how a person gets a shell in the cluster's namespace.
func enterHint(pid, euid int) string {
	if euid == 0 {
		return fmt.Sprintf("nsenter --target %d --net", pid)
	}
	return fmt.Sprintf("nsenter --target %d --user --net --preserve-credentials", pid)
}
