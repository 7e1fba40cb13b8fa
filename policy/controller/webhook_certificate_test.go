package controller

import (
	"context"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/rest"
	certutil "k8s.io/client-go/util/cert"
)

// given writes a new certificate for the webhook's Service into a directory, and returns what
// trusts it and no other.
func given(t *testing.T, dir string) *x509.CertPool {
	t.Helper()
	cert, key, err := certutil.GenerateSelfSignedCertKey(Name+"-webhook.loadline-system.svc", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	// The key first: until both are there they do not fit, and what was read before is shown.
	for _, f := range []struct {
		name string
		data []byte
	}{{"tls.key", key}, {"tls.crt", cert}} {
		if err := os.WriteFile(filepath.Join(dir, f.name), f.data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(cert) {
		t.Fatal("no certificate")
	}
	return pool
}

// With files of one's own the webhook shows these, follows them when they change, and writes
// neither a Secret nor a caBundle.
func TestWebhookWithAGivenCertificate(t *testing.T) {
	cluster := newHooked(t)
	server := httptest.NewServer(cluster)
	defer server.Close()
	dir := t.TempDir()
	first := given(t, dir)
	o := NewOptions()
	o.MetricsBindAddress, o.HealthBindAddress, o.Webhook.BindAddress = freeAddress(t), "", freeAddress(t)
	o.Webhook.CertFile, o.Webhook.KeyFile = filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	cluster.lease = foreignLease()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- Run(ctx, &rest.Config{Host: server.URL}, o) }()

	shown := func(trusted *x509.CertPool) (bool, string) {
		answer, err := asked(o.Webhook.BindAddress, "/autoscalingpolicies", trusted, "{}")
		return err == nil && strings.Contains(answer, "AdmissionReview"), fmt.Sprint(answer, err)
	}
	await(t, "an answer by the first", func() (bool, string) { return shown(first) })
	await(t, "its end in the metrics", func() (bool, string) {
		exported := exportedOf(o.MetricsBindAddress, "loadline_policy_webhook_serving_certificate")
		return strings.HasPrefix(exported, "loadline_policy_webhook_serving_certificate_not_after_timestamp_seconds ") && strings.Count(exported, "\n") == 1, exported
	})
	second := given(t, dir)
	await(t, "an answer by the second", func() (bool, string) { return shown(second) })
	if ok, _ := shown(first); ok {
		t.Error("the first is shown, too")
	}
	cancel()
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("it did not end")
	}
	if cluster.trusted(t) != nil || len(cluster.secret.Data) > 0 {
		t.Errorf("written to: %d entries of the Secret, or a caBundle", len(cluster.secret.Data))
	}
}

// exportedOf are the lines that a plain port exports about a metric, or why it does not.
func exportedOf(address, prefix string) string {
	client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get("http://" + address + "/metrics")
	if err != nil {
		return err.Error()
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return err.Error()
	}
	var found strings.Builder
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, prefix) {
			found.WriteString(line)
		}
	}
	return found.String()
}

// Files that are not there are an error by their flags.
func TestWebhookWithoutItsFiles(t *testing.T) {
	server := httptest.NewServer(newHooked(t))
	defer server.Close()
	o := NewOptions()
	o.MetricsBindAddress, o.HealthBindAddress, o.Webhook.BindAddress = "", "", freeAddress(t)
	o.Webhook.CertFile, o.Webhook.KeyFile = "/none/tls.crt", "/none/tls.key"
	err := Run(t.Context(), &rest.Config{Host: server.URL}, o)
	if err == nil || !strings.HasPrefix(err.Error(), "--webhook-tls-cert-file and --webhook-tls-private-key-file: open /none/tls.crt: ") {
		t.Error(err)
	}
}
