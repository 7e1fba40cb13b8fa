package cert

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/apiserver/pkg/server/dynamiccertificates"
	"k8s.io/klog/v2"
	apiregistrationv1 "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"
	"k8s.io/utils/clock"
)

// SecretClient is what is needed of a namespace's Secrets;
// kubernetes.Interface's CoreV1().Secrets(namespace) has it.
type SecretClient interface {
	Get(ctx context.Context, name string, opts metav1.GetOptions) (*corev1.Secret, error)
	Update(ctx context.Context, secret *corev1.Secret, opts metav1.UpdateOptions) (*corev1.Secret, error)
	Watch(ctx context.Context, opts metav1.ListOptions) (watch.Interface, error)
}

// APIServiceClient is what is needed of the APIServices; the aggregator
// clientset's ApiregistrationV1().APIServices() has it.
type APIServiceClient interface {
	Get(ctx context.Context, name string, opts metav1.GetOptions) (*apiregistrationv1.APIService, error)
	Patch(ctx context.Context, name string, pt types.PatchType, data []byte, opts metav1.PatchOptions, subresources ...string) (*apiregistrationv1.APIService, error)
}

// Options configure a Controller. All fields but Log are required.
type Options struct {
	// Namespace holds the Secret and the Service.
	Namespace string
	// Secret is the name of an existing Secret, which may be empty. It is
	// never created: RBAC cannot restrict a create to one name.
	Secret string
	// Service is the name of the Service in front of the adapter; an
	// APIService that points elsewhere is left alone.
	Service string
	// ClusterDomain is the cluster's DNS suffix, for example cluster.local.
	ClusterDomain string
	// APIServices are the names of the APIServices to publish the CA in.
	APIServices []string
	// Policy says how long certificates live.
	Policy Policy
	// Interval is the time between two looks when nothing happens: for so
	// long a caBundle overwritten by somebody else can stay wrong.
	Interval time.Duration
	// StartTimeout bounds RunOnce.
	StartTimeout time.Duration

	Secrets          SecretClient
	APIServiceClient APIServiceClient
	Clock            clock.Clock
	Log              klog.Logger
}

// Controller owns the serving certificate. It is a
// dynamiccertificates.CertKeyContentProvider to be set as the Cert of a
// generic API server's SecureServingInfo, which then calls RunOnce and Run
// itself.
type Controller struct {
	opts  Options
	names []string

	serving atomic.Pointer[Pair]

	mu        sync.Mutex
	listeners []dynamiccertificates.Listener
	status    Status

	// syncing guards what follows: RunOnce and Run may overlap.
	syncing   sync.Mutex
	lastWrite time.Time
	trust     []*x509.Certificate
	published map[string][]byte
	foreign   map[string]string
}

var (
	_ dynamiccertificates.CertKeyContentProvider = (*Controller)(nil)
	_ dynamiccertificates.ControllerRunner       = (*Controller)(nil)
)

// New checks the options; it does no I/O.
func New(opts Options) (*Controller, error) {
	var errs []error
	for _, field := range []struct{ name, value string }{
		{"namespace", opts.Namespace},
		{"secret", opts.Secret},
		{"service", opts.Service},
		{"cluster domain", opts.ClusterDomain},
	} {
		if field.value == "" {
			errs = append(errs, fmt.Errorf("%s: must be given", field.name))
		}
	}
	if opts.Interval <= 0 || opts.StartTimeout <= 0 {
		errs = append(errs, errors.New("interval and start timeout: must be positive"))
	}
	if opts.Secrets == nil || opts.APIServiceClient == nil || opts.Clock == nil {
		errs = append(errs, errors.New("clients and clock: must be given"))
	}
	errs = append(errs, opts.Policy.Validate())
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("self-managed serving certificate: %w", err)
	}
	host := opts.Service + "." + opts.Namespace + ".svc"
	return &Controller{
		opts: opts,
		// kube-apiserver's aggregator verifies the first name; the second is
		// for people and scrapers inside the cluster.
		names:     []string{host, host + "." + opts.ClusterDomain},
		published: map[string][]byte{},
		foreign:   map[string]string{},
	}, nil
}

// Name identifies the provider in the API server's log.
func (c *Controller) Name() string {
	return "self-managed::" + c.opts.Namespace + "/" + c.opts.Secret
}

// CurrentCertKeyContent returns the certificate and key to serve, in PEM; both
// nil before the first one was had.
func (c *Controller) CurrentCertKeyContent() (certPEM, keyPEM []byte) {
	pair := c.serving.Load()
	if pair == nil {
		return nil, nil
	}
	return pair.CertPEM, pair.KeyPEM
}

// AddListener registers who is told when the certificate changes.
func (c *Controller) AddListener(listener dynamiccertificates.Listener) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.listeners = append(c.listeners, listener)
}

func (c *Controller) serve(pair *Pair) {
	c.serving.Store(pair)
	c.opts.Log.Info("Serving a new certificate", "serial", pair.Leaf.SerialNumber, "notAfter", pair.Leaf.NotAfter)
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, l := range c.listeners {
		l.Enqueue()
	}
}
