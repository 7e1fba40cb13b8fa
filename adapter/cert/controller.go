package cert

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/apiserver/pkg/server/dynamiccertificates"
	"k8s.io/klog/v2"
	"k8s.io/utils/clock"
)

// SecretClient is what is needed of a namespace's Secrets;
// kubernetes.Interface's CoreV1().Secrets(namespace) has it.
type SecretClient interface {
	Get(ctx context.Context, name string, opts metav1.GetOptions) (*corev1.Secret, error)
	Update(ctx context.Context, secret *corev1.Secret, opts metav1.UpdateOptions) (*corev1.Secret, error)
	Watch(ctx context.Context, opts metav1.ListOptions) (watch.Interface, error)
}

// Options configure a Controller. All fields but ClusterDomain and Log are required.
type Options struct {
	// Namespace holds the Secret and the Service.
	Namespace string
	// Secret is the name of an existing Secret, which may be empty. It is
	// never created: RBAC cannot restrict a create to one name.
	Secret string
	// Service is the name of the Service in front of the program.
	Service string
	// ClusterDomain is the cluster's DNS suffix, for example cluster.local; empty
	// where kube-apiserver alone connects.
	ClusterDomain string
	// Carriers are the objects to publish the CA in.
	Carriers []Carrier
	// Program is who serves, and Manifests where what it needs is found, for messages.
	Program, Manifests string
	// Policy says how long certificates live.
	Policy Policy
	// Interval is the time between two looks when nothing happens: for so
	// long a caBundle overwritten by somebody else can stay wrong.
	Interval time.Duration
	// StartTimeout bounds RunOnce.
	StartTimeout time.Duration

	Secrets SecretClient
	Clock   clock.Clock
	Log     klog.Logger
}

// Controller owns the serving certificate. It is a
// dynamiccertificates.CertKeyContentProvider to be set as the Cert of a
// generic API server's SecureServingInfo, which then calls RunOnce and Run
// itself. Any other server calls Run, and has GetCertificate in its tls.Config.
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
		{"program", opts.Program},
		{"manifests", opts.Manifests},
	} {
		if field.value == "" {
			errs = append(errs, fmt.Errorf("%s: must be given", field.name))
		}
	}
	if opts.Interval <= 0 || opts.StartTimeout <= 0 {
		errs = append(errs, errors.New("interval and start timeout: must be positive"))
	}
	if opts.Secrets == nil || opts.Clock == nil {
		errs = append(errs, errors.New("client and clock: must be given"))
	}
	errs = append(errs, opts.Policy.Validate())
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("self-managed serving certificate: %w", err)
	}
	// kube-apiserver verifies the first name; the second is for people and
	// scrapers inside the cluster.
	names := []string{opts.Service + "." + opts.Namespace + ".svc"}
	if opts.ClusterDomain != "" {
		names = append(names, names[0]+"."+opts.ClusterDomain)
	}
	return &Controller{
		opts:      opts,
		names:     names,
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

// GetCertificate returns the certificate to serve, for a tls.Config. It is an error,
// which ends the handshake, before the first one was had.
func (c *Controller) GetCertificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	pair := c.serving.Load()
	if pair == nil {
		return nil, errors.New("there is no serving certificate yet")
	}
	served, err := tls.X509KeyPair(pair.CertPEM, pair.KeyPEM)
	return &served, err
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
