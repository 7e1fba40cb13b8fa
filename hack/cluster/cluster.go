package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"k8s.io/client-go/rest"

	"github.com/loadline/loadline/hack/build"
	"github.com/loadline/loadline/hack/netns"
	"github.com/loadline/loadline/hack/tempdir"
)

// Options say what kind of cluster [Start] starts.
type Options struct {
	// StateDir holds everything of the cluster: keys, data, logs. It must be
	// empty or absent, and is left in place. If unset, a temporary directory
	// is used and removed by [Cluster.Stop], or by the next Start if this
	// process is killed.
	StateDir string
	// Keep leaves a temporary state directory in place, to read the logs.
	Keep bool
	// HPASyncPeriod is how often HPAs are reconciled; Kubernetes' 15 s if 0.
	HPASyncPeriod time.Duration
	// DownscaleStabilization is the window of HPAs that state none of their
	// own; Kubernetes' 5 min if 0.
	DownscaleStabilization time.Duration
	// Kwok plays the nodes annotated [FakeNode]=fake, and their pods.
	Kwok bool
	// NodeAddress is an address of this machine at which kubelets and pods reach the
	// API server, for a cluster whose nodes are real: the API server authorizes
	// kubelets and asks them for logs, and reaches Services through kube-proxy. The
	// caller runs both. Without it there is neither.
	NodeAddress string
	// AuditLog records the requests of the authorization, authentication and
	// metrics APIs in [Cluster.AuditLogPath].
	AuditLog bool
	// ExtraArgs are appended to the flags of the servers by name, such as
	// "kube-controller-manager".
	ExtraArgs map[string][]string
	// Log takes progress, and the log's end of a server that died; nil for none.
	Log io.Writer
}

// Cluster is a running control plane.
type Cluster struct {
	layout
	tools       build.Tools
	credentials *credentials
	admin       *rest.Config
	log         io.Writer
	temporary   *tempdir.Dir // the state directory, if Stop removes it

	processes []*process // in the order they were started
	failed    chan error
	stopping  chan struct{}
	forward   context.CancelFunc
	tasks     sync.WaitGroup // monitors and the port's forwarding
	stopOnce  sync.Once
	stopErr   error
}

// startTimeout bounds Start. It takes about 6 s on two idle cores.
const startTimeout = 3 * time.Minute

// Start starts a cluster and returns when it is of use: the API server is
// ready, controllers have made the default service account, and the
// authentication settings that aggregated API servers need are published.
//
// The programs must have been built, see [build.Ensure]. When ctx is done the
// cluster stops as by [Cluster.Stop]; call that nevertheless, to wait for it.
func Start(ctx context.Context, opts Options) (*Cluster, error) {
	begun := time.Now()
	c, err := newCluster(ctx, opts)
	if err != nil {
		return nil, err
	}
	starting, cancel := context.WithTimeoutCause(ctx, startTimeout, fmt.Errorf("not up within %s", startTimeout))
	defer cancel()
	if err := c.start(starting, opts); err != nil {
		return nil, errors.Join(err, c.Stop())
	}
	// If ctx is done by now, this stops the cluster at once.
	context.AfterFunc(ctx, func() { _ = c.Stop() })
	fmt.Fprintf(c.log, "cluster: ready after %s, %s\n", time.Since(begun).Round(100*time.Millisecond), c.URL())
	return c, nil
}

// newCluster chooses directory and ports and writes keys and configuration.
func newCluster(ctx context.Context, opts Options) (*Cluster, error) {
	tools, err := build.Locate()
	if err != nil {
		return nil, err
	}
	dir, temporary, err := stateDir(opts.StateDir, "cluster", opts.Keep)
	if err != nil {
		return nil, err
	}
	c := &Cluster{
		layout:    layout{dir: dir, bind: "127.0.0.1", node: opts.NodeAddress, audit: opts.AuditLog},
		tools:     tools,
		log:       serialize(opts.Log),
		temporary: temporary,
		failed:    make(chan error, 1),
		stopping:  make(chan struct{}),
	}
	if netns.Isolated() || c.node != "" {
		c.bind = "0.0.0.0" // reachable by its service address too, and by nobody else
	}
	outside, err := c.choosePorts(ctx)
	if err == nil {
		err = c.writeFiles()
	}
	if err != nil {
		if outside != nil {
			outside.Close()
		}
		return nil, errors.Join(err, c.Stop())
	}
	c.expose(outside)
	return c, nil
}

// stateDir makes the directory for a state. temporary is nil if it is to stay.
func stateDir(wanted, kind string, keep bool) (dir string, temporary *tempdir.Dir, err error) {
	prefix := "loadline-" + kind + "-"
	switch {
	case wanted == "" && keep:
		dir, err = os.MkdirTemp("", prefix)
		return dir, nil, err
	case wanted == "":
		if temporary, err = tempdir.New(os.TempDir(), prefix); err != nil {
			return "", nil, err
		}
		return temporary.Path, temporary, nil
	}
	dir, err = filepath.Abs(wanted)
	if err != nil {
		return "", nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", nil, err
	}
	entries, err := os.ReadDir(dir)
	if err == nil && len(entries) > 0 {
		err = fmt.Errorf("state directory %s is not empty: give each cluster one of its own", dir)
	}
	return dir, nil, err
}

func (c *Cluster) choosePorts(ctx context.Context) (outside net.Listener, err error) {
	free, err := freePorts(5)
	if err != nil {
		return nil, err
	}
	c.ports = ports{etcdClient: free[0], etcdPeer: free[1], controllerManager: free[2], scheduler: free[3], kwok: free[4]}
	for {
		c.ports.api, outside, err = sharedPort(ctx)
		if err != nil || !slices.Contains(free, c.ports.api) {
			return outside, err
		}
		if outside != nil {
			outside.Close()
		}
	}
}

// expose makes the API server's port reachable from outside the namespace.
func (c *Cluster) expose(outside net.Listener) {
	ctx, cancel := context.WithCancel(context.Background()) // ends with Stop, not with Start's context
	c.forward = cancel
	if outside == nil {
		return
	}
	c.tasks.Go(func() {
		if err := netns.Forward(ctx, outside, fmt.Sprintf("127.0.0.1:%d", c.ports.api)); err != nil {
			fmt.Fprintf(c.log, "cluster: port %d is no longer reachable outside: %v\n", c.ports.api, err)
		}
	})
}

// Stop stops everything that [Start] started, in reverse, and waits for it. It
// may be called more than once, and from several goroutines.
func (c *Cluster) Stop() error {
	c.stopOnce.Do(func() {
		close(c.stopping)
		c.stopProcesses()
		if c.forward != nil {
			c.forward()
		}
		c.tasks.Wait()
		if c.temporary != nil {
			c.stopErr = c.temporary.Remove()
		}
	})
	return c.stopErr
}

// URL is the API server's address, the same inside and outside of the namespace.
func (c *Cluster) URL() string { return c.apiURL() }

// Dir is the state directory.
func (c *Cluster) Dir() string { return c.dir }

// Logs is the directory of the servers' logs.
func (c *Cluster) Logs() string { return c.logs() }

// AuditLogPath is the audit log, one JSON event a line. It exists if
// Options.AuditLog was set.
func (c *Cluster) AuditLogPath() string { return c.auditLog() }

// Failed delivers the first server that ended although nobody stopped it, with
// the end of its log.
func (c *Cluster) Failed() <-chan error { return c.failed }

// KubectlPath is the kubectl of the cluster's version.
func (c *Cluster) KubectlPath() string { return c.tools.Path("kubectl") }

// Kubectl is a kubectl call with the administrator's rights, ready to run.
func (c *Cluster) Kubectl(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, c.KubectlPath(), args...)
	// Its discovery cache is by host and port, and a port may be reused.
	cmd.Env = append(os.Environ(), "KUBECONFIG="+c.Kubeconfig(), "KUBECACHEDIR="+c.KubectlCache())
	return cmd
}

// KubectlCache is kubectl's cache directory of this cluster, for KUBECACHEDIR.
func (c *Cluster) KubectlCache() string { return filepath.Join(c.dir, "kubectl-cache") }
