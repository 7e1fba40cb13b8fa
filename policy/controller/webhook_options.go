package controller

import (
	"errors"
	"fmt"

	"github.com/spf13/pflag"
)

// WebhookOptions are the flags of the validating webhook.
type WebhookOptions struct {
	BindAddress string // empty turns it off
	// The rest is in Options.Namespace, but for the configuration.
	Service       string
	Secret        string
	Configuration string
	// A certificate that is given, in place of one that is kept in Secret and Configuration.
	CertFile, KeyFile string
}

func newWebhookOptions() WebhookOptions {
	return WebhookOptions{Service: Name + "-webhook", Secret: Name + "-webhook-tls", Configuration: Name}
}

func (o *WebhookOptions) addFlags(fs *pflag.FlagSet) {
	fs.StringVar(&o.BindAddress, "webhook-bind-address", o.BindAddress, "Address of the HTTPS port at which the API server asks about policies and Services before it stores them, see deploy/components/policy-webhook. Off if empty.")
	fs.StringVar(&o.Service, "webhook-service", o.Service, "Service in --namespace that is in front of the webhook, for which its certificate is.")
	fs.StringVar(&o.Secret, "webhook-secret", o.Secret, "Secret in --namespace in which the replicas keep the webhook's certificate, which they manage themselves. It must exist and may be empty.")
	fs.StringVar(&o.Configuration, "webhook-configuration", o.Configuration, "ValidatingWebhookConfiguration whose caBundle is kept right.")
	fs.StringVar(&o.CertFile, "webhook-tls-cert-file", o.CertFile, "File with a certificate for the webhook's Service, in place of the one that the replicas manage themselves; of the configuration nothing is written then. It is read again when it changes.")
	fs.StringVar(&o.KeyFile, "webhook-tls-private-key-file", o.KeyFile, "File with the key of --webhook-tls-cert-file.")
}

func (o *WebhookOptions) validate() error {
	var errs []error
	if (o.CertFile == "") != (o.KeyFile == "") {
		errs = append(errs, errors.New("--webhook-tls-cert-file and --webhook-tls-private-key-file: give both, or none of them"))
	}
	if o.BindAddress == "" {
		if o.CertFile != "" {
			errs = append(errs, errors.New("--webhook-tls-cert-file: has no effect without --webhook-bind-address"))
		}
		return errors.Join(errs...)
	}
	if o.CertFile != "" {
		return errors.Join(errs...)
	}
	for _, f := range []struct{ flag, value string }{
		{"webhook-service", o.Service}, {"webhook-secret", o.Secret}, {"webhook-configuration", o.Configuration},
	} {
		if f.value == "" {
			errs = append(errs, fmt.Errorf("--%s: must be given with --webhook-bind-address", f.flag))
		}
	}
	return errors.Join(errs...)
}
