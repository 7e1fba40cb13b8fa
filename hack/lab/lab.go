// Package lab is the whole system on one machine, for the demo and the e2e
// tests: a real control plane, a node that runs pods as processes, a real
// Prometheus, the adapter from its real manifests, and Remind Me.
//
// It must run in a namespace of hack/netns; cmd/cluster exec gives one.
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

// Options of a Lab.
type Options struct {
	Root                   string        // of the repository; bin/ in it holds our programs
	HPASyncPeriod          time.Duration // Kubernetes' 15 s if 0
	DownscaleStabilization time.Duration // written into Remind Me's HPAs, which state their own
	AuditLog               bool
	Kwok                   bool                // play the nodes annotated cluster.FakeNode, and their pods
	ExtraArgs              map[string][]string // flags of the control plane's servers, by name
	PrometheusURL          string              // of a Prometheus of the caller's, in place of StartPrometheus'
	Keep                   bool                // leave the state directory, to read logs
	Log                    io.Writer           // progress
}

// Lab is a running system. See Start.
type Lab struct {
	Cluster *cluster.Cluster
	Node    *node.Node
	Client  kubernetes.Interface

	opts     Options
	stopNode context.CancelFunc
	nodeDone chan error
}

// Start starts the control plane and the node. The parts that run on them are
// started by StartPrometheus, StartAdapter and StartRemindMe.
func Start(ctx context.Context, o Options) (*Lab, error) {
	tools, err := build.Locate()
	if err != nil {
		return nil, err
	}
	c, err := cluster.Start(ctx, cluster.Options{
		HPASyncPeriod: o.HPASyncPeriod, DownscaleStabilization: o.DownscaleStabilization, AuditLog: o.AuditLog,
		Kwok: o.Kwok, ExtraArgs: o.ExtraArgs, Keep: o.Keep, Log: o.Log,
	})
	if err != nil {
		return nil, err
	}
	l := &Lab{Cluster: c, opts: o, nodeDone: make(chan error, 1)}
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

func (l *Lab) startNode(ctx context.Context, config *rest.Config, tools build.Tools) error {
	nodeLog, err := os.OpenFile(filepath.Join(l.Cluster.Logs(), "node.log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	l.Node, err = node.New(node.Options{
		RESTConfig: config,
		Images:     l.images(tools),
		Dir:        filepath.Join(l.Cluster.Dir(), "node"),
		Isolated:   netns.Isolated(),
		Log:        slog.New(slog.NewTextHandler(nodeLog, nil)),
	})
	if err != nil {
		nodeLog.Close()
		return err
	}
	ctx, l.stopNode = context.WithCancel(ctx)
	go func() {
		defer nodeLog.Close()
		l.nodeDone <- l.Node.Run(ctx)
	}()
	return nil
}

// images says which program an image of the manifests is.
func (l *Lab) images(tools build.Tools) map[string]node.Image {
	bin := func(name string) node.Image { return node.Image{Path: filepath.Join(l.opts.Root, "bin", name)} }
	images := map[string]node.Image{
		"prometheus:local":   {Path: tools.Path("prometheus")},
		"remindme-worker:v1": bin("remindme-worker"),
		"remindme-queue:v1":  bin("remindme-queue"),
	}
	for _, version := range []string{"v1", "v2"} {
		images["remindmeweb:"+version] = bin("remindmeweb-" + version)
		images["remindmeapi:"+version] = bin("remindmeapi-" + version)
	}
	// There is no mount namespace, so rest.InClusterConfig finds no token; and
	// pods share a network namespace, so each binds to its own address.
	adapter := bin("loadline-adapter")
	adapter.ExtraArgs = []string{
		"--lister-kubeconfig=$(KUBECONFIG)", "--authentication-kubeconfig=$(KUBECONFIG)", "--authorization-kubeconfig=$(KUBECONFIG)",
	}
	images["loadline-adapter:local"] = adapter
	return images
}

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
