package cluster

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

// stopGrace is how long one server may take to end before it is killed.
// Nothing it holds is needed afterwards.
const stopGrace = 10 * time.Second

// writeFiles writes all that the servers read.
func (c *Cluster) writeFiles() error {
	if err := os.MkdirAll(c.logs(), 0o700); err != nil {
		return err
	}
	var err error
	if c.credentials, err = newCredentials(filepath.Join(c.dir, "pki"), time.Now(), c.nodeHosts()...); err != nil {
		return err
	}
	for component, id := range map[string]identity{
		"admin":           {name: "admin", groups: []string{"system:masters"}},
		controllerManager: {name: "system:kube-controller-manager"},
		scheduler:         {name: "system:kube-scheduler"},
		kwok:              {name: "kwok", groups: []string{"system:masters"}},
	} {
		config, err := c.UserConfig(id.name, id.groups...)
		if err != nil {
			return err
		}
		if component == "admin" {
			c.admin = config
		}
		data, err := kubeconfig(config, id.name)
		if err != nil {
			return err
		}
		if err := os.WriteFile(c.kubeconfig(component), data, 0o600); err != nil {
			return err
		}
	}
	if c.audit {
		return os.WriteFile(c.auditPolicy(), []byte(auditPolicy), 0o600)
	}
	return nil
}

// start launches the servers, each as soon as it can work.
func (c *Cluster) start(ctx context.Context, opts Options) error {
	ca, admin := c.credentials.cluster, c.admin
	etcdUser, err := c.credentials.etcd.issue(identity{name: "probe"}, time.Now())
	if err != nil {
		return err
	}
	if err := c.run(ctx, etcd, etcdArgs(c.layout), opts,
		httpProbe(local("https", c.ports.etcdClient)+"/health", c.credentials.etcd, etcdUser)); err != nil {
		return err
	}
	if err := c.run(ctx, apiServer, apiServerArgs(c.layout), opts,
		httpProbe(c.apiURL()+"/readyz", ca, nil)); err != nil {
		return err
	}
	if err := c.run(ctx, scheduler, schedulerArgs(c.layout), opts,
		httpProbe(local("https", c.ports.scheduler)+"/healthz", ca, nil)); err != nil {
		return err
	}
	if err := c.run(ctx, controllerManager,
		controllerManagerArgs(c.layout, opts.HPASyncPeriod, opts.DownscaleStabilization), opts,
		bootstrapped(admin)); err != nil {
		return err
	}
	if !opts.Kwok {
		return nil
	}
	stages, err := c.kwokStages()
	if err != nil {
		return err
	}
	return c.run(ctx, kwok, kwokArgs(c.layout, stages), opts,
		httpProbe(local("http", c.ports.kwok)+"/healthz", nil, nil))
}

// run launches one of the cluster's own servers.
func (c *Cluster) run(ctx context.Context, name string, args []string, opts Options, ready func(context.Context) error) error {
	return c.Run(ctx, Server{
		Name:  name,
		Path:  c.tools.Path(name),
		Args:  append(slices.Clone(args), opts.ExtraArgs[name]...),
		Ready: ready,
	})
}

// Server is a program that belongs to a cluster.
type Server struct {
	Name  string // also of its log
	Path  string // of the program
	Args  []string
	Ready func(context.Context) error // asked until it returns nil
}

// Run launches a server of the caller's, waits until it is ready, and watches over it
// as over those of the cluster, which stops it before them. It must not be called at the
// same time as [Cluster.Stop].
func (c *Cluster) Run(ctx context.Context, s Server) error {
	fmt.Fprintf(c.log, "cluster: starting %s\n", s.Name)
	home := filepath.Join(c.dir, "home", s.Name)
	if err := os.MkdirAll(home, 0o700); err != nil {
		return err
	}
	p, err := launch(spec{
		name: s.Name,
		path: s.Path,
		args: s.Args,
		dir:  home,
		logs: c.logs(),
	})
	if err != nil {
		return err
	}
	c.processes = append(c.processes, p)
	if err := p.await(ctx, s.Ready); err != nil {
		return err
	}
	c.tasks.Go(func() { watch(p, c.stopping, c.failed, c.log) })
	return nil
}

// watch reports a process that ends before stopping is closed: to log, and to
// failed if nothing is waiting there yet (the first failure explains the
// others).
func watch(p *process, stopping <-chan struct{}, failed chan<- error, log io.Writer) {
	select {
	case <-stopping:
		return
	case <-p.done:
	}
	select {
	case <-stopping: // it ended because of that
		return
	default:
	}
	err := p.failure()
	fmt.Fprintf(log, "cluster: %v\n", err)
	select {
	case failed <- err:
	default:
	}
}

// stopProcesses stops in reverse, so that no server logs the loss of one that
// it needs.
func (c *Cluster) stopProcesses() {
	for _, p := range slices.Backward(c.processes) {
		p.stop(stopGrace)
	}
}

func (c *Cluster) kwokStages() ([]string, error) {
	var stages []string
	for _, dir := range []string{"node/fast", "node/heartbeat-with-lease", "pod/fast"} {
		found, err := filepath.Glob(filepath.Join(c.tools.File(kwok, "kustomize/stage/"+dir), "*.yaml"))
		if err != nil {
			return nil, err
		}
		stages = append(stages, found...)
	}
	stages = slices.DeleteFunc(stages, func(f string) bool { return filepath.Base(f) == "kustomization.yaml" })
	if len(stages) == 0 {
		return nil, fmt.Errorf("no stages beside %s: remove its directory and build again", c.tools.Path(kwok))
	}
	return stages, nil
}

// bootstrapped asks for what the first client of a cluster relies on: the
// default service account, without which no pod is admitted, and the settings
// by which aggregated API servers authenticate.
func bootstrapped(admin *rest.Config) func(context.Context) error {
	return func(ctx context.Context) error {
		config := rest.CopyConfig(admin)
		config.Timeout = 2 * time.Second
		config.QPS = -1 // asks every 50 ms
		client, err := kubernetes.NewForConfig(config)
		if err != nil {
			return err
		}
		_, err = client.CoreV1().ServiceAccounts(metav1.NamespaceDefault).Get(ctx, "default", metav1.GetOptions{})
		if err != nil {
			return err
		}
		_, err = client.CoreV1().ConfigMaps(metav1.NamespaceSystem).Get(ctx, "extension-apiserver-authentication", metav1.GetOptions{})
		return err
	}
}

// serialize lets several goroutines write to w; nil discards.
func serialize(w io.Writer) io.Writer {
	if w == nil {
		return io.Discard
	}
	return &lockedWriter{w: w}
}

type lockedWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *lockedWriter) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(b)
}
