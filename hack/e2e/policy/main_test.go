//go:build e2e

// Package policy watches loadline-policy do its job on a real control plane: a real
// API server, garbage collector and HPA controller, and a node that runs its pods as
// processes. It runs in a namespace of hack/netns (make e2e).
package policy

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	clientscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/loadline/loadline/hack/lab"
	"github.com/loadline/loadline/hack/netns"
	"github.com/loadline/loadline/policy/api/v1alpha1"
)

// hpaSync is the HPA controller's period, at the pace of a test.
const hpaSync = 5 * time.Second

// system is started once for all tests, which share it in their order.
var system *lab.Lab

// kube talks to the API server as its administrator, without a cache.
var kube client.Client

// interrupted is done when a signal asks the tests to end. Waits heed it.
var interrupted context.Context

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
	ctrl.SetLogger(klog.Background())
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer cancel()
	context.AfterFunc(ctx, cancel) // a second signal ends us at once
	interrupted = ctx
	began := time.Now()
	system, err = lab.Start(ctx, lab.Options{Root: root, HPASyncPeriod: hpaSync, Keep: keep, Log: os.Stderr})
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		return 1
	}
	stop := sync.OnceFunc(func() {
		if err := system.Stop(); err != nil {
			fmt.Fprintln(os.Stderr, "e2e: stopping:", err)
		}
	})
	defer stop()
	for _, start := range []func(context.Context) error{connect, startPolicies} {
		if err := start(ctx); err != nil {
			fmt.Fprintln(os.Stderr, "e2e:", err, "\nlogs:", system.Cluster.Logs())
			system.DumpLogs(os.Stderr)
			return 1
		}
	}
	fmt.Fprintf(os.Stderr, "e2e: the system runs after %s\n", time.Since(began).Round(time.Second))
	return m.Run()
}

func startPolicies(ctx context.Context) error { return system.StartPolicies(ctx) }

func connect(context.Context) error {
	scheme := runtime.NewScheme()
	if err := clientscheme.AddToScheme(scheme); err != nil {
		return err
	}
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		return err
	}
	config := system.Cluster.RESTConfig()
	config.QPS, config.Burst = 500, 1000
	var err error
	kube, err = client.New(config, client.Options{Scheme: scheme, FieldOwner: "e2e"})
	return err
}
