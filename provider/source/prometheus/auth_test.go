package prometheus

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/loadline/loadline/provider/source"
)

func write(t *testing.T, file, content string) string {
	t.Helper()
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// TestCredentials: what the server is shown, by each way to configure it.
func TestCredentials(t *testing.T) {
	dir := t.TempDir()
	token := write(t, filepath.Join(dir, "token"), " tok\n")
	password := write(t, filepath.Join(dir, "password"), "pass\n")
	ca := write(t, filepath.Join(dir, "ca.crt"), newAuthority(t).pem())
	kubeconfig := write(t, filepath.Join(dir, "kubeconfig"), fmt.Sprintf(`{apiVersion: v1, kind: Config, current-context: c,
contexts: [{name: c, context: {cluster: c, user: u}}],
clusters: [{name: c, cluster: {server: "https://elsewhere.invalid", certificate-authority: %q}}],
users: [{name: u, user: {token: from-kubeconfig}}]}`, ca))
	const basic, bearer = "Basic dXNlcjpwYXNz", "Bearer tok"
	for name, tc := range map[string]struct {
		config              Config
		authorization, host string
		agent, extra        string
	}{
		"none":                         {config: Config{URL: "http://SERVER"}, agent: "loadline-adapter/unknown"},
		"userinfo":                     {config: Config{URL: "http://user:pass@SERVER", Version: "1.2"}, authorization: basic, agent: "loadline-adapter/1.2"},
		"a token file, trimmed":        {config: Config{URL: "http://SERVER", TokenFile: token}, authorization: bearer},
		"userinfo wins over a token":   {config: Config{URL: "http://user:pass@SERVER", TokenFile: token}, authorization: basic},
		"user name and password file":  {config: Config{URL: "http://SERVER", Username: "user", PasswordFile: password}, authorization: basic},
		"in-cluster":                   {config: Config{URL: "http://SERVER", AuthInCluster: true, ServiceAccountDir: dir}, authorization: bearer},
		"a kubeconfig":                 {config: Config{URL: "http://SERVER", AuthConfig: kubeconfig}, authorization: "Bearer from-kubeconfig"},
		"a token wins over kubeconfig": {config: Config{URL: "http://SERVER", AuthConfig: kubeconfig, TokenFile: token}, authorization: bearer},
		"headers": {
			config:        Config{URL: "http://user:pass@SERVER", Headers: []string{"Host=prom.example", "x-scope-orgid=a=b", "X-Scope-OrgID=c", "authorization=Custom x", "user-agent=mine"}},
			authorization: "Custom x", host: "prom.example", agent: "mine", extra: "a=b,c",
		},
	} {
		t.Run(name, func(t *testing.T) {
			var got http.Header
			var host string
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				got, host = r.Header, r.Host
				io.WriteString(w, oneSample)
			}))
			t.Cleanup(server.Close)
			address := strings.TrimPrefix(server.URL, "http://")
			tc.config.URL = strings.Replace(tc.config.URL, "SERVER", address, 1)
			s := open(t, tc.config)
			if _, err := s.Query(t.Context(), "x"); err != nil {
				t.Fatal(err)
			}
			if tc.host == "" {
				tc.host = address
			}
			if tc.agent == "" {
				tc.agent = "loadline-adapter/unknown"
			}
			want := []string{tc.authorization, tc.host, tc.agent, tc.extra}
			have := []string{got.Get("Authorization"), host, got.Get("User-Agent"), strings.Join(got.Values("X-Scope-Orgid"), ",")}
			if diff := cmp.Diff(want, have); diff != "" {
				t.Errorf("authorization, host, agent, extra (-want +got):\n%s", diff)
			}
		})
	}
}

func TestTokenRotation(t *testing.T) {
	var got string
	file := write(t, filepath.Join(t.TempDir(), "token"), "one\n")
	s := serve(t, Config{TokenFile: file}, func(w http.ResponseWriter, r *http.Request) {
		got = r.Header.Get("Authorization")
		io.WriteString(w, oneSample)
	})
	for _, token := range []string{"one", "two"} {
		write(t, file, token+"\n")
		if _, err := s.Query(t.Context(), "x"); err != nil || got != "Bearer "+token {
			t.Errorf("%s: sent %q, error %v", token, got, err)
		}
	}
	os.Remove(file)
	_, err := s.Query(t.Context(), "x")
	if source.KindOf(err) != source.Unavailable || !strings.Contains(err.Error(), file) {
		t.Errorf("without a file: %v", err)
	}
}

// A kubeconfig is followed, as a file with a token is, with what it says of TLS.
func TestKubeconfigRotation(t *testing.T) {
	var got atomic.Value
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got.Store(r.Header.Get("Authorization"))
		io.WriteString(w, oneSample)
	}))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	dir := t.TempDir()
	right := write(t, filepath.Join(dir, "right.crt"), string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})))
	wrong := write(t, filepath.Join(dir, "wrong.crt"), newAuthority(t).pem())
	file := filepath.Join(dir, "kubeconfig")
	kubeconfig := func(token, ca string) {
		write(t, file, fmt.Sprintf(`{apiVersion: v1, kind: Config, current-context: c, contexts: [{name: c, context: {cluster: c, user: u}}],
clusters: [{name: c, cluster: {server: "https://elsewhere.invalid", certificate-authority: %q}}], users: [{name: u, user: {token: %s}}]}`, ca, token))
	}
	kubeconfig("one", right)
	s := open(t, Config{URL: server.URL, AuthConfig: file})
	for _, token := range []string{"one", "two", "three"} {
		kubeconfig(token, right)
		for range 2 {
			if _, err := s.Query(t.Context(), "x"); err != nil || got.Load() != "Bearer "+token {
				t.Errorf("%s: sent %q, error %v", token, got.Load(), err)
			}
		}
	}
	for name, spoil := range map[string]func(){
		"another CA": func() { kubeconfig("one", wrong) },
		"rubbish":    func() { write(t, file, "{") },
		"no file":    func() { os.Remove(file) },
	} {
		spoil()
		if _, err := s.Query(t.Context(), "x"); source.KindOf(err) != source.Unavailable || !strings.Contains(err.Error(), "--prometheus-") {
			t.Errorf("%s: %v", name, err)
		}
	}
	kubeconfig("four", right)
	if _, err := s.Query(t.Context(), "x"); err != nil || got.Load() != "Bearer four" {
		t.Errorf("in the end: sent %q, error %v", got.Load(), err)
	}
}

// authority signs certificates for 127.0.0.1.
type authority struct {
	t    *testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	a := &authority{t: t}
	var err error
	if a.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "ca"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &a.key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	return a
}

func (a *authority) pem() string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw}))
}

func (a *authority) pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return pool
}

// leaf returns a certificate and its key as PEM.
func (a *authority) leaf(name string) (cert, key string) {
	a.t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &private.PublicKey, a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	encoded, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		a.t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: encoded}))
}

func TestTLSFilesAreReadAgain(t *testing.T) {
	first, second := newAuthority(t), newAuthority(t)
	serving := make(chan *authority, 1) // holds the authority in force
	serving <- first
	current := func() *authority { a := <-serving; serving <- a; return a }
	var client, proto string
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		client, proto = r.TLS.PeerCertificates[0].Subject.CommonName, r.Proto
		io.WriteString(w, oneSample)
	}))
	server.TLS = &tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
		pair, err := tls.X509KeyPair(bytesOf(current().leaf("server")))
		return &tls.Config{Certificates: []tls.Certificate{pair}, ClientCAs: current().pool(), ClientAuth: tls.RequireAndVerifyClientCert, NextProtos: []string{"h2", "http/1.1"}}, err
	}}
	server.Config.ErrorLog = nil
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)

	dir := t.TempDir()
	ca, cert, key := filepath.Join(dir, "ca"), filepath.Join(dir, "cert"), filepath.Join(dir, "key")
	install := func(a *authority, name string) {
		certPEM, keyPEM := a.leaf(name)
		write(t, ca, a.pem())
		write(t, cert, certPEM)
		write(t, key, keyPEM)
	}
	install(first, "one")
	s := open(t, Config{URL: server.URL, CAFile: ca, CertFile: cert, KeyFile: key})
	plain := open(t, Config{URL: server.URL, CAFile: ca, CertFile: cert, KeyFile: key, DisableHTTP2: true})
	ask := func(s *Source) error { _, err := s.Query(t.Context(), "x"); return err }

	if err := ask(s); err != nil || client != "one" || proto != "HTTP/2.0" {
		t.Fatalf("client %q by %s: %v", client, proto, err)
	}
	if err := ask(plain); err != nil || proto != "HTTP/1.1" {
		t.Errorf("HTTP/2 disabled: %s, %v", proto, err)
	}
	install(first, "two")
	if err := ask(s); err != nil || client != "two" {
		t.Errorf("after the client's certificate changed: client %q, %v", client, err)
	}
	<-serving
	serving <- second
	s.CloseIdleConnections()
	if err := ask(s); source.KindOf(err) != source.Unavailable || !strings.HasSuffix(err.Error(), ": check --prometheus-ca-file") {
		t.Errorf("with an unknown authority: %v", err)
	}
	install(second, "three")
	if err := ask(s); err != nil || client != "three" {
		t.Errorf("after the authority changed: client %q, %v", client, err)
	}
}

func bytesOf(cert, key string) (certPEM, keyPEM []byte) { return []byte(cert), []byte(key) }

func TestProxyFromTheEnvironment(t *testing.T) {
	var asked string
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = r.RequestURI
		io.WriteString(w, oneSample)
	}))
	t.Cleanup(proxy.Close)
	t.Setenv("HTTP_PROXY", proxy.URL)
	t.Setenv("NO_PROXY", "")
	s := open(t, Config{URL: "http://prometheus.invalid:9090"})
	if _, err := s.Query(t.Context(), "up"); err != nil || !strings.HasPrefix(asked, "http://prometheus.invalid:9090/api/v1/query?query=up") {
		t.Errorf("the proxy was asked for %q, error %v", asked, err)
	}
}

func TestValidate(t *testing.T) {
	for name, tc := range map[string]struct {
		config Config
		want   []string
	}{
		"good":   {Config{URL: "https://prom.example/prefix?tenant=a"}, nil},
		"no URL": {Config{}, []string{"--prometheus-url: must begin with http:// or https:// and name a host"}},
		"not a URL, without repeating it": {
			Config{URL: "http://user:secret@%zz"}, []string{"--prometheus-url: not a URL: give one such as http://prometheus.monitoring.svc:9090"},
		},
		"everything at once": {
			Config{
				URL: "ftp://u:p@h/a%2Fb?query=x&limit=3#f", Method: "PUT", CertFile: "c", AuthInCluster: true, AuthConfig: "k",
				Username: "u", TokenFile: "t", Timeout: -1, Lookback: -1, MaxBytes: -1,
				Headers: []string{"nothing", "a b=c", "X=a\nb", "content-type=x"},
			},
			[]string{
				"--prometheus-url: must begin with http:// or https:// and name a host",
				"--prometheus-url: has a fragment (#…), which no server sees: remove it",
				"--prometheus-url: has an escaped slash in its path, which is not supported",
				`--prometheus-url: the query parameter "limit" is not yours to set: remove it`,
				`--prometheus-url: the query parameter "query" is not yours to set: remove it`,
				`--prometheus-verb: "PUT" is neither GET nor POST`,
				"--prometheus-client-tls-cert-file and --prometheus-client-tls-key-file: give both or neither",
				"--prometheus-auth-incluster and --prometheus-auth-config: give only one",
				"basic authentication: give both the user name and the password file, or neither",
				"basic authentication and --prometheus-token-file: give only one",
				"basic authentication: the user name is given in --prometheus-url as well: give it once",
				"the time-outs for queries and series must be positive",
				"the lookback must not be negative",
				"the limits of an answer's size must be positive",
				"--prometheus-header: number 1 does not have the form NAME=VALUE",
				"--prometheus-header: number 2 does not have the form NAME=VALUE",
				"--prometheus-header: the value of X has characters that a header cannot hold",
				"--prometheus-header: content-type cannot be set",
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			if err := tc.config.Validate(); err != nil {
				got = strings.Split(err.Error(), "\n")
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("errors (-want +got):\n%s", diff)
			}
		})
	}
}

func TestNewFindsMistypedFiles(t *testing.T) {
	dir := t.TempDir()
	rubbish := write(t, filepath.Join(dir, "rubbish"), "rubbish")
	empty := write(t, filepath.Join(dir, "empty"), "\n")
	missing := filepath.Join(dir, "missing")
	for name, tc := range map[string]struct {
		config Config
		want   string
	}{
		"no token":       {Config{TokenFile: missing}, "--prometheus-token-file: open DIR/missing: no such file or directory"},
		"an empty token": {Config{TokenFile: empty}, "--prometheus-token-file: DIR/empty is empty"},
		"no password":    {Config{Username: "u", PasswordFile: missing}, "the password file: open DIR/missing: no such file or directory"},
		"no kubeconfig":  {Config{AuthConfig: missing}, "--prometheus-auth-config: open DIR/missing: no such file or directory"},
		"no CA":          {Config{CAFile: rubbish}, "--prometheus-ca-file, --prometheus-client-tls-cert-file, --prometheus-client-tls-key-file: unable to use specified CA cert file DIR/rubbish"},
		"not in a pod":   {Config{AuthInCluster: true, ServiceAccountDir: missing}, "--prometheus-ca-file, --prometheus-client-tls-cert-file, --prometheus-client-tls-key-file: unable to read CA cert: unable to read file DIR/missing/ca.crt: open DIR/missing/ca.crt: no such file or directory"},
	} {
		t.Run(name, func(t *testing.T) {
			tc.config.URL = "https://prom.invalid"
			_, err := New(tc.config)
			if diff := cmp.Diff(tc.want, strings.ReplaceAll(fmt.Sprint(err), dir, "DIR")); diff != "" {
				t.Errorf("error (-want +got):\n%s", diff)
			}
		})
	}
}
