package controller

import (
	"context"
	"crypto/tls"
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"

	admissionclient "k8s.io/client-go/kubernetes/typed/admissionregistration/v1"
	coreclient "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/certwatcher"

	"github.com/loadline/loadline/adapter/cert"
)

// certInterval is for how long a caBundle that somebody overwrote can stay wrong.
const certInterval = 10 * time.Second

// webhookCertificate is what the webhook shows.
type webhookCertificate struct {
	get func(*tls.ClientHelloInfo) (*tls.Certificate, error)
	// keep has get follow what changes, until its context ends.
	keep func(context.Context) error
}

// servingCertificate is one of the files that are given, which are read again when they
// change, or else one that the replicas manage themselves. Of a given one the metrics say
// when it expires.
func servingCertificate(config *rest.Config, c *http.Client, m *metrics, o *Options) (webhookCertificate, error) {
	if file := o.Webhook.CertFile; file != "" {
		given, err := certwatcher.New(file, o.Webhook.KeyFile)
		if err != nil {
			return webhookCertificate{}, fmt.Errorf("--webhook-tls-cert-file and --webhook-tls-private-key-file: %w", err)
		}
		m.registry.MustRegister(cert.NewExpiry(webhookPrefix, func() time.Time { return notAfter(given.GetCertificate(nil)) }))
		return webhookCertificate{get: given.GetCertificate, keep: given.Start}, nil
	}
	managed, err := newCertificate(config, c, o)
	if err != nil {
		return webhookCertificate{}, err
	}
	m.registry.MustRegister(cert.NewCollector(webhookPrefix, managed.Status))
	return webhookCertificate{get: managed.GetCertificate, keep: func(ctx context.Context) error { managed.Run(ctx, 1); return nil }}, nil
}

// notAfter is when a certificate that was read expires; zero where none was.
func notAfter(shown *tls.Certificate, err error) time.Time {
	if err != nil || shown == nil || shown.Leaf == nil {
		return time.Time{}
	}
	return shown.Leaf.NotAfter
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
