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
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	clientscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/loadline/loadline/hack/e2e/suite"
	"github.com/loadline/loadline/hack/lab"
	"github.com/loadline/loadline/policy/api/v1alpha1"
)

// hpaSync is the HPA controller's period, at the pace of a test.
const hpaSync = 5 * time.Second

// syncPeriod is that of this run: longer with thousands of policies.
var syncPeriod = hpaSync

// system is what all tests share.
var system suite.Suite

// kube talks to the API server as its administrator, without a cache.
var kube client.Client

func TestMain(m *testing.M) {
	ctrl.SetLogger(klog.Background())
	// Tests side by side wait more than they compute; the default is one a processor.
	if err := flag.Set("test.parallel", "16"); err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		os.Exit(1)
	}
	flag.Parse()
	if n := *waiting + *resting + *moving; n > 2000 {
		// So many would keep the HPA controller, and with it the machine, busy without a
		// break: 40 a second is what it may get through at the requests below.
		syncPeriod = min(time.Duration(n/40)*time.Second, 5*time.Minute)
	}
	os.Exit(system.Main(m, lab.Options{
		HPASyncPeriod: syncPeriod,
		// With Kubernetes' 20 requests a second a thousand HPAs take minutes for a sync.
		ExtraArgs: map[string][]string{"kube-controller-manager": {"--kube-api-qps=100", "--kube-api-burst=200"}},
	}, connect, startPolicies))
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
