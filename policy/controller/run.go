package controller

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/uuid"
	"k8s.io/client-go/discovery"
	coordinationclient "k8s.io/client-go/kubernetes/typed/coordination/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	"k8s.io/client-go/util/flowcontrol"
	"k8s.io/klog/v2"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/loadline/loadline/policy/decide"
)

// stopTimeout bounds the wait for writes under way when the process is asked to end.
// Only then the Lease is given up.
const stopTimeout = 10 * time.Second

// Run works on policies until ctx ends, or with an error when it cannot start or
// loses its Lease.
func Run(ctx context.Context, config *rest.Config, o *Options) error {
	config = rest.CopyConfig(config)
	config.UserAgent = Name
	lock, err := lease(config, o)
	if err != nil {
		return err
	}
	// One for all clients, each of which would else have its own; but for the Lease's,
	// which must not wait behind the work.
	config.RateLimiter = flowcontrol.NewTokenBucketRateLimiter(o.ClientQPS, o.ClientBurst)
	scheme, err := newScheme()
	if err != nil {
		return err
	}
	mgr, err := manager.New(config, manager.Options{
		Scheme: scheme,
		Cache:  cacheOptions(o),
		Client: client.Options{
			FieldOwner: Name,
			// What we wrote is read back before the next decision: otherwise each write
			// would be followed by a decision on the old state, which a 409 throws away.
			Cache: &client.CacheOptions{EnableReadYourWritesConsistency: ptr.To(true)},
		},
		Logger:                 klog.FromContext(ctx),
		Metrics:                metricsserver.Options{BindAddress: "0"}, // ours serves these, too
		HealthProbeBindAddress: o.HealthBindAddress,

		LeaderElection: o.LeaderElect, LeaderElectionID: Name, LeaderElectionNamespace: o.Namespace,
		LeaderElectionResourceLockInterface: lock,
		LeaderElectionReleaseOnCancel:       true,
		LeaseDuration:                       &o.LeaseDuration, RenewDeadline: &o.RenewDeadline, RetryPeriod: &o.RetryPeriod,
		GracefulShutdownTimeout: ptr.To(stopTimeout),
	})
	if err != nil {
		return err
	}
	if err := assemble(ctx, mgr, config, o); err != nil {
		return err
	}
	return mgr.Start(ctx)
}

// assemble joins the parts.
func assemble(ctx context.Context, mgr manager.Manager, config *rest.Config, o *Options) error {
	if err := index(ctx, mgr); err != nil {
		return err
	}
	direct, err := client.New(config, client.Options{Scheme: mgr.GetScheme(), Mapper: mgr.GetRESTMapper(), HTTPClient: mgr.GetHTTPClient(), FieldOwner: Name})
	if err != nil {
		return err
	}
	disco, err := discovery.NewDiscoveryClientForConfigAndClient(config, mgr.GetHTTPClient())
	if err != nil {
		return err
	}
	metrics := newMetrics(o.MetricsMaxPolicies, mgr.Elected())
	r := &reconciler{
		cached: mgr.GetClient(), direct: direct, events: mgr.GetEventRecorder(Name), judge: decide.Decide,
		kinds: newKinds(disco, o), features: newFeatures(direct, disco, o), scales: disco.RESTClient(),
		claims: &claims{}, conflicts: flowcontrol.NewBackOff(firstConflictPause, lastConflictPause), values: flowcontrol.NewTokenBucketRateLimiter(valuesPerSecond, valuesPerSecond), metrics: metrics, opts: o,
	}
	if err := r.register(mgr); err != nil {
		return err
	}
	if err := r.watchZeros(mgr); err != nil {
		return err
	}
	if err := serveMetrics(mgr, metrics, o); err != nil {
		return err
	}
	if err := serveWebhook(mgr, config, metrics, o); err != nil {
		return err
	}
	if err := mgr.AddHealthzCheck("ping", healthz.Ping); err != nil {
		return err
	}
	// A replica without the Lease is ready, too: it could take over at once.
	return mgr.AddReadyzCheck("caches", func(req *http.Request) error {
		ctx, cancel := context.WithTimeout(req.Context(), probePatience)
		defer cancel()
		if !mgr.GetCache().WaitForCacheSync(ctx) {
			return errors.New("policies and HPAs are not read yet")
		}
		return nil
	})
}

// probePatience is less than the timeout of any probe.
const probePatience = 500 * time.Millisecond

// lease is the lock of the leader. The library's own also writes Events of the old
// API, for which there would have to be a right of its own.
func lease(config *rest.Config, o *Options) (resourcelock.Interface, error) {
	if !o.LeaderElect {
		return nil, nil
	}
	host, err := os.Hostname()
	if err != nil {
		return nil, err
	}
	config = rest.CopyConfig(config)
	config.Timeout = o.RenewDeadline / 2 // one request that hangs must not lose the Lease
	c, err := coordinationclient.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	return &resourcelock.LeaseLock{
		LeaseMeta:  metav1.ObjectMeta{Namespace: o.Namespace, Name: Name},
		Client:     c,
		LockConfig: resourcelock.ResourceLockConfig{Identity: host + "_" + string(uuid.NewUUID())},
	}, nil
}

// serveMetrics serves /metrics on a port of its own, with and without the Lease.
func serveMetrics(mgr manager.Manager, m *metrics, o *Options) error {
	if o.MetricsBindAddress == "" {
		return nil
	}
	listener, err := net.Listen("tcp", o.MetricsBindAddress)
	if err != nil {
		return fmt.Errorf("--metrics-bind-address: %w", err)
	}
	mux := http.NewServeMux()
	mux.Handle("/metrics", m.handler())
	return mgr.Add(&manager.Server{
		Name: "metrics", Listener: listener, ShutdownTimeout: ptr.To(time.Second),
		Server: &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 64 << 10},
	})
}
