package conformance

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/spf13/pflag"
	"k8s.io/client-go/util/cert"
	"k8s.io/klog/v2"
	"k8s.io/klog/v2/textlogger"

	"github.com/loadline/loadline/adapter"
)

// identity is a serving certificate, made once for all cases: making one takes longer
// than most of them.
type identity struct {
	certFile, keyFile string
	roots             *x509.CertPool
}

func newIdentity(dir string) (identity, error) {
	certificate, key, err := cert.GenerateSelfSignedCertKey("127.0.0.1", []net.IP{net.IPv4(127, 0, 0, 1)}, nil)
	if err != nil {
		return identity{}, err
	}
	id := identity{certFile: filepath.Join(dir, "tls.crt"), keyFile: filepath.Join(dir, "tls.key"), roots: x509.NewCertPool()}
	id.roots.AppendCertsFromPEM(certificate)
	if err := os.WriteFile(id.certFile, certificate, 0o600); err != nil {
		return identity{}, err
	}
	return id, os.WriteFile(id.keyFile, key, 0o600)
}

// options are those of the adapter for a case, by its flags: what HPAs and policies
// reference is left out, for a case is about what it reads, and nothing is evaluated again
// while it does, so that each query is that of one read.
func (id identity) options(c *Case, dir, cluster, source string) (*adapter.Options, error) {
	config, kubeconfig := filepath.Join(dir, "config.yaml"), filepath.Join(dir, "kubeconfig")
	if err := os.WriteFile(config, []byte(c.Config), 0o600); err != nil {
		return nil, err
	}
	err := os.WriteFile(kubeconfig, fmt.Appendf(nil, `{apiVersion: v1, kind: Config, current-context: a,
clusters: [{name: a, cluster: {server: %q}}], contexts: [{name: a, context: {cluster: a}}]}`, cluster), 0o600)
	if err != nil {
		return nil, err
	}
	o := adapter.NewOptions()
	flags := pflag.NewFlagSet("loadline-adapter", pflag.ContinueOnError)
	o.AddFlags(flags)
	if err := flags.Parse(append([]string{
		"--config=" + config, "--prometheus-url=" + source,
		"--lister-kubeconfig=" + kubeconfig, "--authentication-kubeconfig=" + kubeconfig, "--authorization-kubeconfig=" + kubeconfig,
		"--authentication-skip-lookup", "--tls-cert-file=" + id.certFile, "--tls-private-key-file=" + id.keyFile,
		"--prewarm=false", "--queries=false", "--evaluation-interval=5m", "--value-max-age=5m",
	}, c.Flags...)); err != nil {
		return nil, err
	}
	return o, o.Validate()
}

// running is an adapter, in this process and on a port of its own.
type running struct {
	base   string
	client *http.Client
	log    *lockedBuffer
	began  time.Time
	stop   context.CancelFunc
	ended  chan error
}

// start runs the adapter and returns when it says that it is ready, which it is when it
// knows the series and the kinds.
func (id identity) start(ctx context.Context, o *adapter.Options) (*running, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	o.Server.SecureServing.Listener = listener
	r := &running{
		base: "https://" + listener.Addr().String(), log: &lockedBuffer{}, began: time.Now(), ended: make(chan error, 1),
		client: &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: id.roots}}},
	}
	ctx, r.stop = context.WithCancel(klog.NewContext(ctx, textlogger.NewLogger(textlogger.NewConfig(textlogger.Output(r.log)))))
	go func() { r.ended <- adapter.Run(ctx, o) }()
	return r, r.awaitReady(ctx)
}

func (r *running) awaitReady(ctx context.Context) error {
	const limit = 45 * time.Second
	deadline, tick := time.After(limit), time.NewTicker(20*time.Millisecond)
	defer tick.Stop()
	for {
		code, body, err := r.get(ctx, "/readyz?verbose")
		if err == nil && code == http.StatusOK {
			return nil
		}
		select {
		case err := <-r.ended:
			r.ended <- err
			return fmt.Errorf("the adapter has ended: %w", err)
		case <-deadline:
			return fmt.Errorf("not ready within %s: %d %s %w", limit, code, body, err)
		case <-tick.C:
		}
	}
}

// get returns the answer to a request with the reader's token. None may tell the HPA
// controller's client to try again later.
func (r *running) get(ctx context.Context, path string) (code int, body []byte, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, r.base+path, nil)
	if err != nil {
		return 0, nil, err
	}
	request.Header.Set("Authorization", "Bearer "+token)
	response, err := r.client.Do(request)
	if err != nil {
		return 0, nil, err
	}
	defer response.Body.Close()
	if body, err = io.ReadAll(response.Body); err == nil && response.Header.Get("Retry-After") != "" {
		err = fmt.Errorf("an answer carries Retry-After: %s", body)
	}
	return response.StatusCode, body, err
}

// end stops the adapter and returns how it ended.
func (r *running) end() error {
	r.stop()
	r.client.CloseIdleConnections()
	select {
	case err := <-r.ended:
		return err
	case <-time.After(15 * time.Second):
		return fmt.Errorf("the adapter does not stop")
	}
}

// refusal is what the adapter says of a configuration that it does not take; empty if it
// takes it.
func refusal(ctx context.Context, o *adapter.Options) string {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	err := adapter.Run(ctx, o)
	if err == nil {
		return ""
	}
	return strings.TrimPrefix(err.Error(), "--config="+o.ConfigFile+":\n")
}

// lockedBuffer is written by the adapter and read by the test.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
