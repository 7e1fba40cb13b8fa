package adapter

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/spf13/pflag"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"
	aggregator "k8s.io/kube-aggregator/pkg/client/clientset_generated/clientset"
	"k8s.io/utils/clock"

	"github.com/loadline/loadline/adapter/cert"
	"github.com/loadline/loadline/provider/rule"
)

// certInterval is for how long an APIService whose caBundle somebody overwrote can
// be unavailable. A look is five GETs, of the Secret and four APIServices, which
// keep kube-apiserver busy for less than 10 ms.
const certInterval = 10 * time.Second

// CertOptions are the flags of the self-managed serving certificate.
type CertOptions struct {
	Secret        string // NAMESPACE/NAME; empty turns it off
	Service       string
	ClusterDomain string
	APIServices   []string
	Lifetime      time.Duration // of a leaf
}

func newCertOptions() *CertOptions {
	return &CertOptions{
		Service:       "loadline-adapter",
		ClusterDomain: "cluster.local",
		APIServices:   slices.Concat(customAPIServices(), externalAPIServices(), usageAPIServices(), diagnosticsAPIServices()),
		Lifetime:      cert.DefaultLifetime,
	}
}

func (o *CertOptions) addFlags(fs *pflag.FlagSet) {
	fs.StringVar(&o.Secret, "cert-secret", o.Secret, "NAMESPACE/NAME of the Secret in which the replicas keep a serving certificate that they manage themselves. It must exist and may be empty. Off if empty; then give --tls-cert-file and --tls-private-key-file.")
	fs.StringVar(&o.Service, "cert-service", o.Service, "Service in the Secret's namespace that the self-managed certificate is for.")
	fs.StringVar(&o.ClusterDomain, "cluster-domain", o.ClusterDomain, "The cluster's DNS domain.")
	fs.StringSliceVar(&o.APIServices, "cert-apiservices", o.APIServices, "APIServices whose caBundle is kept right, of the groups for which the configuration has rules.")
	fs.DurationVar(&o.Lifetime, "cert-lifetime", o.Lifetime, "How long a self-managed certificate that is made from now on is valid; one that is there stays until it is due. It is renewed after two thirds of its life. Its CA lives twelve times as long. The same for all replicas. Below a month the alerts on certificates that expire need other limits.")
}

func (o *CertOptions) validate(certFile string) []error {
	if o.Secret == "" {
		return nil
	}
	var errs []error
	if _, _, ok := splitName(o.Secret); !ok {
		errs = append(errs, fmt.Errorf("--cert-secret=%s: must be NAMESPACE/NAME", o.Secret))
	}
	// The replicas look at it every tenth of that at least, and a look takes a moment.
	if o.Lifetime < time.Minute || o.Lifetime > 365*24*time.Hour {
		errs = append(errs, fmt.Errorf("--cert-lifetime=%s: must be from 1m to 8760h", o.Lifetime))
	}
	if certFile != "" {
		errs = append(errs, errors.New("--cert-secret and --tls-cert-file: give one of them, the certificate is either managed here or given"))
	}
	return errs
}

// controller returns the certificate's controller, or nil where it is off. It looks
// after the APIServices that rules serve.
func (o *CertOptions) controller(config *rest.Config, rules *rule.Set) (*cert.Controller, error) {
	if o.Secret == "" {
		return nil, nil
	}
	core, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	apis, err := aggregator.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	namespace, name, _ := splitName(o.Secret)
	carriers := func(names []string) []cert.Carrier {
		return cert.APIServices(apis.ApiregistrationV1().APIServices(), namespace, o.Service, names...)
	}
	needed, ours := split(served(o.APIServices, rules), diagnosticsAPIServices())
	policy := cert.PolicyOf(o.Lifetime)
	policy.Jitter = rand.Float64()
	return cert.New(cert.Options{
		Namespace: namespace, Secret: name, Service: o.Service, ClusterDomain: o.ClusterDomain,
		Carriers: slices.Concat(carriers(needed), cert.Optional(carriers(ours)...)),
		Program:  "the adapter", Manifests: "deploy/base",
		Policy: policy, Interval: min(certInterval, o.Lifetime/10), StartTimeout: 30 * time.Second,
		Secrets: core.CoreV1().Secrets(namespace), Clock: clock.RealClock{}, Log: klog.Background().WithName("cert"),
	})
}

// stoppable is a controller whose first look, which holds up the start of the
// server, ends when stop is closed. The context that the library gives it does not.
type stoppable struct {
	*cert.Controller
	stop <-chan struct{}
}

// RunOnce implements dynamiccertificates.ControllerRunner.
func (s stoppable) RunOnce(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-s.stop:
			cancel()
		case <-ctx.Done():
		}
	}()
	return s.Controller.RunOnce(ctx)
}
