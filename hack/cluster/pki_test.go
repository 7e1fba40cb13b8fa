package cluster

import (
	"crypto/tls"
	"crypto/x509"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/client-go/tools/clientcmd"
)

var testNow = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func TestEveryCertificateIsOfItsOwnAuthority(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "pki")
	c, err := newCredentials(dir, testNow, "10.199.0.1")
	if err != nil {
		t.Fatal(err)
	}
	authorities := map[string]*pair{caName: c.cluster, frontProxyCA: c.frontProxy, etcdCAName: c.etcd}
	for name, tc := range map[string]struct {
		ca   string
		host string // "" for clients
	}{
		apiServer:         {caName, "10.199.0.1"},
		controllerManager: {caName, "127.0.0.1"},
		scheduler:         {caName, "localhost"},
		frontProxy:        {frontProxyCA, ""},
		etcdServer:        {etcdCAName, "127.0.0.1"},
		etcdClient:        {etcdCAName, ""},
		kubeletClient:     {caName, ""},
	} {
		t.Run(name, func(t *testing.T) {
			leaf := load(t, dir, name)
			for ca, authority := range authorities {
				roots := x509.NewCertPool()
				roots.AddCert(authority.cert)
				usage := x509.ExtKeyUsageClientAuth
				if tc.host != "" {
					usage = x509.ExtKeyUsageServerAuth
				}
				_, err := leaf.Verify(x509.VerifyOptions{
					Roots: roots, DNSName: tc.host, CurrentTime: testNow, KeyUsages: []x509.ExtKeyUsage{usage},
				})
				if (err == nil) != (ca == tc.ca) {
					t.Errorf("by %s: %v", ca, err)
				}
			}
		})
	}
}

func TestSecretsAreForTheOwnerOnly(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "pki")
	if _, err := newCredentials(dir, testNow); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != 22 { // 10 pairs and the two halves of the service account's key
		t.Errorf("%d files", len(entries))
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %s", e.Name(), info.Mode())
		}
	}
}

func TestClientCertificatesDoNotServe(t *testing.T) {
	ca, err := newCA("ca", testNow)
	if err != nil {
		t.Fatal(err)
	}
	user, err := ca.issue(identity{name: "jane", groups: []string{"dev", "ops"}}, testNow)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"dev", "ops"}, user.cert.Subject.Organization); diff != "" || user.cert.Subject.CommonName != "jane" {
		t.Errorf("subject %s: %s", user.cert.Subject, diff)
	}
	if diff := cmp.Diff([]x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}, user.cert.ExtKeyUsage); diff != "" {
		t.Error(diff)
	}
	if !user.cert.NotBefore.Before(testNow) || user.cert.NotAfter.Sub(testNow) != certLife {
		t.Errorf("valid from %s to %s", user.cert.NotBefore, user.cert.NotAfter)
	}
}

func TestKubeconfigRoundTrip(t *testing.T) {
	ca, err := newCA("ca", testNow)
	if err != nil {
		t.Fatal(err)
	}
	user, err := ca.issue(identity{name: "system:serviceaccount:a:b"}, testNow)
	if err != nil {
		t.Fatal(err)
	}
	want := restConfig("https://127.0.0.1:1234", ca, user)
	data, err := kubeconfig(want, "system:serviceaccount:a:b")
	if err != nil {
		t.Fatal(err)
	}
	got, err := clientcmd.RESTConfigFromKubeConfig(data)
	if err != nil {
		t.Fatal(err)
	}
	if got.Host != want.Host || got.Insecure {
		t.Errorf("host %q, insecure %t", got.Host, got.Insecure)
	}
	if diff := cmp.Diff(want.TLSClientConfig.CAData, got.TLSClientConfig.CAData); diff != "" {
		t.Error(diff)
	}
	if _, err := tls.X509KeyPair(got.CertData, got.KeyData); err != nil {
		t.Error(err)
	}
	if anonymous := restConfig("https://127.0.0.1:1234", ca, nil); anonymous.CertData != nil || anonymous.KeyData != nil {
		t.Error("the anonymous configuration has credentials")
	}
}

func load(t *testing.T, dir, name string) *x509.Certificate {
	t.Helper()
	c, err := tls.LoadX509KeyPair(filepath.Join(dir, name+".crt"), filepath.Join(dir, name+".key"))
	if err != nil {
		t.Fatal(err)
	}
	return c.Leaf
}
