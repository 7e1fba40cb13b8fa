package controller

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	jsonpatch "gopkg.in/evanphx/json-patch.v4"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/utils/ptr"
)

// hooked is an empty cluster with what the webhook needs: an empty Secret and a
// configuration.
type hooked struct {
	emptyCluster

	mu     sync.Mutex
	secret corev1.Secret
	config []byte
}

func newHooked(t *testing.T) *hooked {
	t.Helper()
	path := "/"
	config, err := json.Marshal(admissionregistrationv1.ValidatingWebhookConfiguration{
		TypeMeta:   metav1.TypeMeta{APIVersion: "admissionregistration.k8s.io/v1", Kind: "ValidatingWebhookConfiguration"},
		ObjectMeta: metav1.ObjectMeta{Name: Name, ResourceVersion: "1"},
		Webhooks: []admissionregistrationv1.ValidatingWebhook{{Name: "x.loadline.dev", ClientConfig: admissionregistrationv1.WebhookClientConfig{
			Service: &admissionregistrationv1.ServiceReference{Namespace: "loadline-system", Name: Name + "-webhook", Path: &path},
		}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return &hooked{config: config, secret: corev1.Secret{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"},
		ObjectMeta: metav1.ObjectMeta{Namespace: "loadline-system", Name: Name + "-webhook-tls", ResourceVersion: "1"},
	}}
}

func (h *hooked) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	const (
		secret = "/api/v1/namespaces/loadline-system/secrets/" + Name + "-webhook-tls"
		config = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/" + Name
	)
	if r.URL.Path != secret && r.URL.Path != config {
		h.emptyCluster.ServeHTTP(w, r)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	switch r.Method {
	case http.MethodPut:
		_, _, err = scheme.Codecs.UniversalDeserializer().Decode(body, nil, &h.secret)
		h.secret.APIVersion, h.secret.Kind = "v1", "Secret"
	case http.MethodPatch:
		var patch jsonpatch.Patch
		if patch, err = jsonpatch.DecodePatch(body); err == nil {
			h.config, err = patch.Apply(h.config)
		}
	}
	switch {
	case err != nil:
		respond(w, 400, metav1.Status{TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: "Failure", Code: 400, Message: err.Error()})
	case r.URL.Path == secret:
		respond(w, 200, h.secret)
	default:
		_, _ = w.Write(h.config)
	}
}

// trusted is the caBundle of the configuration; nil before there is one.
func (h *hooked) trusted(t *testing.T) *x509.CertPool {
	h.mu.Lock()
	defer h.mu.Unlock()
	var config admissionregistrationv1.ValidatingWebhookConfiguration
	if err := json.Unmarshal(h.config, &config); err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(config.Webhooks[0].ClientConfig.CABundle) {
		return nil
	}
	return pool
}

// The webhook answers without the Lease, verified by what it has published, by the
// administrator's settings, and leaves no goroutine behind (TestMain).
func TestWebhookAnswers(t *testing.T) {
	cluster := newHooked(t)
	server := httptest.NewServer(cluster)
	defer server.Close()
	o := NewOptions()
	o.MetricsBindAddress, o.HealthBindAddress, o.Webhook.BindAddress = freeAddress(t), "", freeAddress(t)
	o.Queries.MaxLength = 5
	// Somebody else has the Lease.
	cluster.lease = foreignLease()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- Run(ctx, &rest.Config{Host: server.URL}, o) }()

	var trusted *x509.CertPool
	await(t, "a published CA", func() (bool, string) { trusted = cluster.trusted(t); return trusted != nil, "no caBundle" })
	const policy = `{"spec":{"targetRef":{"apiVersion":"apps/v1","kind":"Deployment","name":"web"},"replicas":{"min":1,"max":2},"objectives":[{"query":{"name":"a","expr":%q,"perPod":"1"}}]}}`
	for expr, want := range map[string]string{
		"up":     `"allowed":true`,
		"up + 1": "spec.objectives[0].query.expr: the query has 6 bytes: 5 is the most",
	} {
		await(t, "an answer about "+expr, func() (bool, string) {
			answer, err := asked(o.Webhook.BindAddress, "/autoscalingpolicies", trusted, fmt.Sprintf(policy, expr))
			return err == nil && strings.Contains(answer, want), fmt.Sprint(answer, err)
		})
	}
	for _, want := range []string{
		`loadline_policy_webhook_seconds_count{outcome="refused",path="/autoscalingpolicies"} `,
		"\nloadline_policy_webhook_serving_certificate_problems 0\n", "\nloadline_policy_leader 0\n",
	} {
		if ok, text := get(t, o.MetricsBindAddress, "/metrics", want); !ok {
			t.Errorf("no %q in\n%s", want, text)
		}
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
}

// foreignLease is one that somebody else renews for the time of a test.
func foreignLease() *coordinationv1.Lease {
	now := metav1.NowMicro()
	return &coordinationv1.Lease{
		ObjectMeta: metav1.ObjectMeta{Namespace: "loadline-system", Name: Name, ResourceVersion: "1"},
		Spec:       coordinationv1.LeaseSpec{HolderIdentity: ptr.To("another"), LeaseDurationSeconds: ptr.To[int32](600), AcquireTime: &now, RenewTime: &now},
	}
}

// asked asks as the API server does.
func asked(address, path string, trusted *x509.CertPool, object string) (string, error) {
	client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{
		RootCAs: trusted, ServerName: Name + "-webhook.loadline-system.svc", MinVersion: tls.VersionTLS12,
	}}}
	body := `{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"1","namespace":"shop","name":"web","operation":"CREATE","object":` + object + `}}`
	r, err := client.Post("https://"+address+path, "application/json", bytes.NewReader([]byte(body)))
	if err != nil {
		return "", err
	}
	defer r.Body.Close()
	data, err := io.ReadAll(r.Body)
	return string(data), err
}
