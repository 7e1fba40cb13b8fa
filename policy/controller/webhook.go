package controller

import (
	"context"
	"crypto/tls"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"time"

	admissionclient "k8s.io/client-go/kubernetes/typed/admissionregistration/v1"
	coreclient "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/util/flowcontrol"
	"k8s.io/klog/v2"
	"k8s.io/utils/clock"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"github.com/loadline/loadline/adapter/cert"
	"github.com/loadline/loadline/policy/webhook"
)

// webhookPrefix begins the names of the metrics of the webhook's certificate.
const webhookPrefix = "loadline_policy_webhook_"

// Requests of the webhook's own to the API server, which must not wait behind the work
// on policies: a count of pods takes two or more.
const (
	webhookQPS   = 50
	webhookBurst = 100
)

// certInterval is for how long a caBundle that somebody overwrote can stay wrong.
const certInterval = 10 * time.Second

// serveWebhook answers the API server's questions on a port of its own, with and without
// the Lease.
func serveWebhook(mgr manager.Manager, config *rest.Config, m *metrics, o *Options) error {
	if o.Webhook.BindAddress == "" {
		return nil
	}
	config = rest.CopyConfig(config)
	config.RateLimiter = flowcontrol.NewTokenBucketRateLimiter(webhookQPS, webhookBurst)
	certificate, err := newCertificate(config, mgr.GetHTTPClient(), o)
	if err != nil {
		return err
	}
	m.registry.MustRegister(cert.NewCollector(webhookPrefix, certificate.Status))
	pods, err := client.New(config, client.Options{Scheme: mgr.GetScheme(), Mapper: mgr.GetRESTMapper(), HTTPClient: mgr.GetHTTPClient()})
	if err != nil {
		return err
	}
	gate := webhook.NewGate(&facts{policies: mgr.GetCache(), pods: pods})
	handler := webhook.NewHandler(map[string]webhook.Judge{
		webhook.PoliciesPath:    webhook.Policies(o.Queries.Check),
		webhook.ServicesPath:    gate.Judge,
		webhook.AllServicesPath: gate.JudgeAll,
	}, func(path, outcome string, took time.Duration) {
		m.asked.WithLabelValues(path, outcome).Observe(took.Seconds())
	})
	listener, err := net.Listen("tcp", o.Webhook.BindAddress)
	if err != nil {
		return fmt.Errorf("--webhook-bind-address: %w", err)
	}
	if err := mgr.Add(onEveryReplica(func(ctx context.Context) error { certificate.Run(ctx, 1); return nil })); err != nil {
		return err
	}
	return mgr.Add(&manager.Server{
		Name: "webhook", ShutdownTimeout: ptr.To(2 * time.Second),
		// One connection of each API server is enough, and HTTP/2 has more to go wrong.
		Listener: tls.NewListener(listener, &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}, GetCertificate: certificate.GetCertificate}),
		Server: &http.Server{
			Handler: handler, ReadHeaderTimeout: 2 * time.Second, ReadTimeout: 5 * time.Second, WriteTimeout: 10 * time.Second,
			IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
		},
	})
}

// newCertificate makes what keeps the webhook's certificate. Its clients are of the kinds
// that it needs alone.
func newCertificate(config *rest.Config, c *http.Client, o *Options) (*cert.Controller, error) {
	secrets, err := coreclient.NewForConfigAndClient(config, c)
	if err != nil {
		return nil, err
	}
	configurations, err := admissionclient.NewForConfigAndClient(config, c)
	if err != nil {
		return nil, err
	}
	policy := cert.DefaultPolicy()
	policy.Jitter = rand.Float64()
	w := o.Webhook
	return cert.New(cert.Options{
		Namespace: o.Namespace, Secret: w.Secret, Service: w.Service,
		Carriers: []cert.Carrier{cert.Webhooks(configurations.ValidatingWebhookConfigurations(), o.Namespace, w.Service, w.Configuration)},
		Program:  Name, Manifests: "deploy/components/policy-webhook",
		Policy: policy, Interval: certInterval, StartTimeout: 30 * time.Second,
		Secrets: secrets.Secrets(o.Namespace), Clock: clock.RealClock{}, Log: klog.Background().WithName("cert"),
	})
}

// onEveryReplica is a task that does not wait for the Lease.
type onEveryReplica func(context.Context) error

// Start implements manager.Runnable.
func (f onEveryReplica) Start(ctx context.Context) error { return f(ctx) }

// NeedLeaderElection implements manager.LeaderElectionRunnable.
func (onEveryReplica) NeedLeaderElection() bool { return false }
