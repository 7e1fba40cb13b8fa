package controller

import (
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/spf13/pflag"

	"github.com/loadline/loadline/policy/decide"
	"github.com/loadline/loadline/policy/query"
)

// Options are what flags set, and what a test injects. See NewOptions.
type Options struct {
	Kubeconfig  string
	ClientQPS   float32
	ClientBurst int
	CallTimeout time.Duration // of one request to the API server

	Namespace     string // of the Lease and of the trial HPAs
	LeaderElect   bool
	LeaseDuration time.Duration
	RenewDeadline time.Duration
	RetryPeriod   time.Duration

	Workers           int
	UnknownHold       time.Duration
	HPASync           time.Duration // the HPA controller's period
	MetricWindow      time.Duration // how far back the metrics look
	HoldRollouts      bool
	HoldOutages       bool
	FollowServices    bool
	DiscoveryInterval time.Duration

	// Queries are the adapter's settings, whose flags have the same names there.
	Queries query.Settings

	MetricsBindAddress string
	HealthBindAddress  string
	MetricsMaxPolicies int

	Webhook WebhookOptions

	// Now is the clock by which schedules, floors and pauses are judged.
	Now func() time.Time
}

// Name is the field manager, the Lease and the reporter of Events.
const Name = decide.FieldManager

// NewOptions returns the defaults.
func NewOptions() *Options {
	return &Options{
		ClientQPS: 100, ClientBurst: 200,
		CallTimeout: 10 * time.Second,

		Namespace:   "loadline-system",
		LeaderElect: true,
		// Kubernetes' own components use these three.
		LeaseDuration: 15 * time.Second, RenewDeadline: 10 * time.Second, RetryPeriod: 2 * time.Second,

		Workers:           8,
		UnknownHold:       time.Hour,
		HPASync:           15 * time.Second,
		MetricWindow:      time.Minute,
		HoldRollouts:      true,
		HoldOutages:       true,
		FollowServices:    true,
		DiscoveryInterval: 10 * time.Minute,

		Queries: query.Defaults(),

		MetricsBindAddress: ":8080",
		HealthBindAddress:  ":8081",
		MetricsMaxPolicies: 1000,

		Webhook: newWebhookOptions(),

		Now: time.Now,
	}
}

// AddFlags registers all flags.
func (o *Options) AddFlags(fs *pflag.FlagSet) {
	fs.StringVar(&o.Kubeconfig, "kubeconfig", o.Kubeconfig, "Kubeconfig for the Kubernetes API server; the pod's own service account if empty.")
	fs.Float32Var(&o.ClientQPS, "client-qps", o.ClientQPS, "Requests a second to the Kubernetes API server, at most. A new policy takes five or so: its target's scale, the HPA, the status, Events.")
	fs.IntVar(&o.ClientBurst, "client-burst", o.ClientBurst, "Requests to the Kubernetes API server at once, at most.")
	fs.DurationVar(&o.CallTimeout, "call-timeout", o.CallTimeout, "Deadline of one request to the Kubernetes API server.")

	fs.StringVar(&o.Namespace, "namespace", o.Namespace, "Namespace of the Lease, and of the HPAs by which is tried, without storing them, what the cluster supports.")
	fs.BoolVar(&o.LeaderElect, "leader-elect", o.LeaderElect, "Act only while holding the Lease "+Name+". Off is for a single process that nobody else runs beside.")
	fs.DurationVar(&o.LeaseDuration, "leader-elect-lease-duration", o.LeaseDuration, "How long the others wait for a leader that does not renew its Lease.")
	fs.DurationVar(&o.RenewDeadline, "leader-elect-renew-deadline", o.RenewDeadline, "How long a leader tries to renew its Lease before it ends itself.")
	fs.DurationVar(&o.RetryPeriod, "leader-elect-retry-period", o.RetryPeriod, "Time between two tries for the Lease.")

	fs.IntVar(&o.Workers, "workers", o.Workers, "Policies that are worked on at once.")
	fs.DurationVar(&o.UnknownHold, "unknown-hold", o.UnknownHold, "How long a minimum of unknown origin is kept: one above what is known, where the policy's status was lost.")
	fs.DurationVar(&o.HPASync, "hpa-sync-period", o.HPASync, "The period of the cluster's HPA controller (--horizontal-pod-autoscaler-sync-period of kube-controller-manager), by which is judged how long a change takes.")
	fs.DurationVar(&o.MetricWindow, "metric-window", o.MetricWindow, "How far back the metrics look, such as the range of a rate: for so long after a rollout they may be those of pods that are gone, and scale-in stays held.")
	fs.BoolVar(&o.HoldRollouts, "hold-rollouts", o.HoldRollouts, "Hold scale-in while a Deployment or StatefulSet rolls out a new revision, unless its policy says otherwise. Off, workloads are not watched, and no right to is needed.")
	fs.BoolVar(&o.HoldOutages, "hold-outages", o.HoldOutages, "Hold the size through an outage of metrics that is longer than half the scaleDown window, for a day at most, and lower it in steps afterwards.")
	fs.BoolVar(&o.FollowServices, "follow-services", o.FollowServices, "Follow the Services of policies with spec.blueGreen. Off, Services are not watched, no right to is needed, and the HPAs of such policies stay where they are.")
	fs.DurationVar(&o.DiscoveryInterval, "discovery-interval", o.DiscoveryInterval, "Time between two looks at which kinds can be scaled and which fields of an HPA the API server takes. An unknown kind triggers one sooner.")

	o.Queries.AddFlags(fs)

	fs.StringVar(&o.MetricsBindAddress, "metrics-bind-address", o.MetricsBindAddress, "Address of the plain HTTP port that serves /metrics. Off if empty.")
	fs.StringVar(&o.HealthBindAddress, "health-probe-bind-address", o.HealthBindAddress, "Address of the plain HTTP port that serves /healthz and /readyz. Off if empty.")
	fs.IntVar(&o.MetricsMaxPolicies, "metrics-max-policies", o.MetricsMaxPolicies, "Policies that have target and current value in /metrics, at most, the oldest first. 0 is none. They are values of all namespaces, results of queries included, for whoever reaches the port.")

	o.Webhook.addFlags(fs)
}

// Validate returns everything that is wrong at once.
func (o *Options) Validate() error {
	errs := []error{o.Queries.Validate(), o.Webhook.validate()}
	for _, d := range []struct {
		flag     string
		value    time.Duration
		min, max time.Duration
	}{
		{"call-timeout", o.CallTimeout, time.Second, time.Minute},
		{"leader-elect-retry-period", o.RetryPeriod, 100 * time.Millisecond, time.Minute},
		// client-go's elector demands room for a retry and its jitter of 1.2.
		{"leader-elect-renew-deadline", o.RenewDeadline, o.RetryPeriod*6/5 + time.Millisecond, 10 * time.Minute},
		{"leader-elect-lease-duration", o.LeaseDuration, o.RenewDeadline + time.Second, 10 * time.Minute},
		{"unknown-hold", o.UnknownHold, time.Minute, 24 * time.Hour},
		{"hpa-sync-period", o.HPASync, time.Second, 5 * time.Minute},
		{"metric-window", o.MetricWindow, time.Second, time.Hour},
		{"discovery-interval", o.DiscoveryInterval, time.Second, 24 * time.Hour},
	} {
		if d.value < d.min || d.value > d.max {
			errs = append(errs, fmt.Errorf("--%s=%s: must be from %s to %s", d.flag, d.value, d.min, d.max))
		}
	}
	if o.ClientQPS <= 0 {
		errs = append(errs, fmt.Errorf("--client-qps=%g: must be more than 0", o.ClientQPS))
	}
	if o.ClientBurst < 1 {
		errs = append(errs, fmt.Errorf("--client-burst=%d: must be at least 1", o.ClientBurst))
	}
	if o.Workers < 1 || o.Workers > 100 {
		errs = append(errs, fmt.Errorf("--workers=%d: must be from 1 to 100", o.Workers))
	}
	if o.MetricsMaxPolicies < 0 {
		errs = append(errs, fmt.Errorf("--metrics-max-policies=%d: must not be negative; 0 is none", o.MetricsMaxPolicies))
	}
	if o.Namespace == "" {
		errs = append(errs, errors.New("--namespace: must name the namespace of the Lease"))
	}
	for _, a := range []struct{ flag, value string }{
		{"metrics-bind-address", o.MetricsBindAddress}, {"health-probe-bind-address", o.HealthBindAddress}, {"webhook-bind-address", o.Webhook.BindAddress},
	} {
		if a.value == "" {
			continue
		}
		if _, _, err := net.SplitHostPort(a.value); err != nil {
			errs = append(errs, fmt.Errorf("--%s=%s: must be HOST:PORT or :PORT", a.flag, a.value))
		}
	}
	return errors.Join(errs...)
}
