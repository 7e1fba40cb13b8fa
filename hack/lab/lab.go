// Package lab is the whole system on one machine, for the demo and the e2e
// tests: a real control plane, a node that runs pods as processes, a real
// Prometheus, the adapter from its real manifests, and Remind Me.
//
// It belongs into a namespace of hack/netns, which cmd/cluster exec gives; see
// HostNotice for what is missing elsewhere.
package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/loadline/loadline/hack/build"
	"github.com/loadline/loadline/hack/cluster"
	"github.com/loadline/loadline/hack/netns"
	"github.com/loadline/loadline/hack/node"
)

// Names of what runs in the lab.
const (
	AdapterNamespace    = "loadline-system"
	AdapterDeployment   = "loadline-adapter"
	RemindMeNamespace   = "remindme"
	MonitoringNamespace = "monitoring"
)

// Source is where the adapter has its numbers from.
type Source string

// The sources.
const (
	Prometheus Source = "prometheus" // the lab's, or that of Options.PrometheusURL
	Embedded   Source = "embedded"   // the adapter's own engine
)

// ParseSource reads the name of a source.
func ParseSource(name string) (Source, error) {
	switch s := Source(name); s {
	case Prometheus, Embedded:
		return s, nil
	}
	return "", fmt.Errorf("%q is no source: give %s or %s", name, Embedded, Prometheus)
}

// Options of a Lab.
type Options struct {
	Root                   string        // of the repository; bin/ in it holds our programs
	Source                 Source        // Prometheus if empty
	HPASyncPeriod          time.Duration // Kubernetes' 15 s if 0
	DownscaleStabilization time.Duration // written into Remind Me's HPAs or policies, which state their own
	AuditLog               bool
	Kwok                   bool                // play the nodes annotated cluster.FakeNode, and their pods
	ExtraArgs              map[string][]string // flags of the control plane's servers, by name
	PrometheusURL          string              // of a Prometheus of the caller's, in place of StartPrometheus'
	StateDir               string              // of the cluster, empty or absent, left in place; a temporary one if unset
	Keep                   bool                // leave the temporary state directory, to read logs
	Log                    io.Writer           // progress
}

// Lab is a running system. See Start.
type Lab struct {
	Cluster *cluster.Cluster
	Node    *node.Node
	Client  kubernetes.Interface

	opts       Options
	isolated   bool // in a network namespace of hack/netns
	stopNode   context.CancelFunc
	nodeDone   chan error
	nodeFailed chan error
}

// Start starts the control plane and the node. The parts that run on them are
// started by StartPrometheus, StartAdapter and StartRemindMe. When ctx is done all
// of it ends as by Stop; call that nevertheless, to wait for it.
func Start(ctx context.Context, o Options) (*Lab, error) {
	tools, err := build.Locate()
	if err != nil {
		return nil, err
	}
	isolated := netns.Isolated()
	c, err := cluster.Start(ctx, cluster.Options{
		StateDir: o.StateDir, HPASyncPeriod: o.HPASyncPeriod, DownscaleStabilization: o.DownscaleStabilization, AuditLog: o.AuditLog,
		Kwok: o.Kwok, ExtraArgs: serverFlags(o.ExtraArgs, isolated), Keep: o.Keep, Log: o.Log,
	})
	if err != nil {
		return nil, err
	}
	l := &Lab{Cluster: c, opts: o, isolated: isolated, nodeDone: make(chan error, 1), nodeFailed: make(chan error, 1)}
	config := c.RESTConfig()
	config.QPS, config.Burst = 200, 400
	if l.Client, err = kubernetes.NewForConfig(config); err != nil {
		return nil, errors.Join(err, c.Stop())
	}
	if err := l.startNode(ctx, config, tools); err != nil {
		return nil, errors.Join(err, l.Stop())
	}
	return l, nil
}

// On is a Lab on a cluster of the caller's, whose nodes are real: what runs in it has no
// need of what a node of processes lacks. It has no Node, and Stop stops nothing but the
// cluster. Of the options Root, DownscaleStabilization and Log count.
func On(c *cluster.Cluster, client kubernetes.Interface, o Options) *Lab {
	return &Lab{Cluster: c, Client: client, opts: o, isolated: true}
}

func (l *Lab) startNode(ctx context.Context, config *rest.Config, tools build.Tools) error {
	nodeLog, err := os.OpenFile(filepath.Join(l.Cluster.Logs(), "node.log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	l.Node, err = node.New(node.Options{
		RESTConfig: config,
		Images:     l.images(tools),
		Dir:        filepath.Join(l.Cluster.Dir(), "node"),
		Isolated:   l.isolated,
		Log:        slog.New(slog.NewTextHandler(nodeLog, nil)),
	})
	if err != nil {
		nodeLog.Close()
		return err
	}
	ctx, l.stopNode = context.WithCancel(ctx)
	go func() {
		defer nodeLog.Close()
		l.nodeDone <- tellEnd(ctx, l.Node.Run, nodeLog.Name(), l.nodeFailed)
	}()
	return nil
}

// tellEnd runs the node and tells failed of an end that ctx did not ask for.
func tellEnd(ctx context.Context, run func(context.Context) error, log string, failed chan<- error) error {
	err := run(ctx)
	if ctx.Err() == nil {
		failed <- fmt.Errorf("the node ended: %v, see %s", err, log)
	}
	return err
}

// NodeFailed delivers the end of the node that nobody asked for, as
// Cluster.Failed does that of a server.
func (l *Lab) NodeFailed() <-chan error { return l.nodeFailed }

// Stop stops everything that Start started.
func (l *Lab) Stop() error {
	var errs []error
	if l.stopNode != nil {
		l.stopNode()
		select {
		case err := <-l.nodeDone:
			errs = append(errs, err)
		case <-time.After(30 * time.Second):
			errs = append(errs, errors.New("the node did not stop within 30 s"))
		}
	}
	return errors.Join(append(errs, l.Cluster.Stop())...)
}

func (l *Lab) say(format string, args ...any) {
	if l.opts.Log != nil {
		fmt.Fprintf(l.opts.Log, format+"\n", args...)
	}
}
