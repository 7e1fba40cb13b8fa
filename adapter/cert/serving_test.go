package cert

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
	genericapiserver "k8s.io/apiserver/pkg/server"
)

// The generic API server serves what the Controller provides, verified as
// kube-apiserver's proxy verifies, and changes it without a restart.
func TestServedByGenericAPIServer(t *testing.T) {
	w := newWorld(t, apiService(custom))
	policy := DefaultPolicy()
	w.setSecret(mustIssue(t, time.Now(), nil, names, policy))
	var log journal
	c := w.controller(&log, custom)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	info := &genericapiserver.SecureServingInfo{Listener: listener, Cert: c}
	stop := make(chan struct{})
	stopped, _, err := info.Serve(http.NotFoundHandler(), time.Second, stop)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { close(stop); <-stopped }()

	// handshake returns the verified leaf.
	handshake := func(ctx context.Context) (*x509.Certificate, error) {
		roots := x509.NewCertPool()
		roots.AppendCertsFromPEM(w.apiService(custom).Spec.CABundle)
		dialer := tls.Dialer{Config: &tls.Config{RootCAs: roots, ServerName: "adapter.ns.svc"}}
		conn, err := dialer.DialContext(ctx, "tcp", listener.Addr().String())
		if err != nil {
			return nil, err
		}
		defer conn.Close()
		return conn.(*tls.Conn).ConnectionState().PeerCertificates[0], nil
	}
	// RunOnce is part of Serve: the very first handshake has to succeed.
	first, err := handshake(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	// Time passes in the Secret, not on the clock: a leaf near its end.
	w.setSecret(mustIssue(t, time.Now().Add(-25*day), nil, names, policy))
	var lastErr error
	err = wait.PollUntilContextTimeout(t.Context(), 20*time.Millisecond, 30*time.Second, true, func(ctx context.Context) (bool, error) {
		var leaf *x509.Certificate
		leaf, lastErr = handshake(ctx)
		return lastErr == nil && !leaf.Equal(first) && time.Until(leaf.NotAfter) > 29*day, nil
	})
	if err != nil {
		t.Errorf("no renewed certificate is served: %v, last handshake: %v; status: %v", err, lastErr, c.Status())
	}
}
