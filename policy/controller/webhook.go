package controller

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/util/flowcontrol"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/manager"

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

// serveWebhook answers the API server's questions on a port of its own, with and without
// the Lease.
func serveWebhook(mgr manager.Manager, config *rest.Config, m *metrics, o *Options) error {
	if o.Webhook.BindAddress == "" {
		return nil
	}
	config = rest.CopyConfig(config)
	config.RateLimiter = flowcontrol.NewTokenBucketRateLimiter(webhookQPS, webhookBurst)
	certificate, err := servingCertificate(config, mgr.GetHTTPClient(), m, o)
	if err != nil {
		return err
	}
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
	if err := mgr.Add(onEveryReplica(certificate.keep)); err != nil {
		return err
	}
	return mgr.Add(&manager.Server{
		Name: "webhook", ShutdownTimeout: ptr.To(2 * time.Second),
		// One connection of each API server is enough, and HTTP/2 has more to go wrong.
		Listener: tls.NewListener(listener, &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}, GetCertificate: certificate.get}),
		Server: &http.Server{
			Handler: handler, ReadHeaderTimeout: 2 * time.Second, ReadTimeout: 5 * time.Second, WriteTimeout: 10 * time.Second,
			IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
		},
	})
}

// onEveryReplica is a task that does not wait for the Lease.
type onEveryReplica func(context.Context) error

// Start implements manager.Runnable.
func (f onEveryReplica) Start(ctx context.Context) error { return f(ctx) }

// NeedLeaderElection implements manager.LeaderElectionRunnable.
func (onEveryReplica) NeedLeaderElection() bool { return false }
