package prometheus

import (
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/prometheus/common/config"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// newTransport builds the chain a request goes through. base is the parsed URL.
func newTransport(c Config, base *url.URL) (http.RoundTripper, error) {
	if c.AuthInCluster {
		if c.CAFile == "" {
			c.CAFile = filepath.Join(c.ServiceAccountDir, "ca.crt")
		}
		if c.TokenFile == "" {
			c.TokenFile = filepath.Join(c.ServiceAccountDir, "token")
		}
	}
	connect := connectTransport
	if c.AuthConfig != "" {
		connect = kubeconfigTransport
	}
	transport, err := connect(c)
	if err != nil {
		return nil, err
	}
	if transport, err = authTransport(c, base, transport); err != nil {
		return nil, err
	}
	headers, err := parseHeaders(c.Headers)
	if err != nil {
		return nil, err
	}
	if headers.Get("User-Agent") == "" {
		headers.Set("User-Agent", "loadline-adapter/"+c.Version)
	}
	return &headerTransport{headers: headers, next: transport}, nil
}

// connectTransport dials, by the environment's proxies, and reloads TLS files.
func connectTransport(c Config) (http.RoundTripper, error) {
	transport, err := config.NewRoundTripperFromConfig(config.HTTPClientConfig{
		TLSConfig:   config.TLSConfig{CAFile: c.CAFile, CertFile: c.CertFile, KeyFile: c.KeyFile},
		EnableHTTP2: !c.DisableHTTP2,
		ProxyConfig: config.ProxyConfig{ProxyFromEnvironment: true},
	}, "prometheus")
	if err != nil {
		return nil, fmt.Errorf("--prometheus-ca-file, --prometheus-client-tls-cert-file, --prometheus-client-tls-key-file: %w", err)
	}
	return transport, nil
}

// kubeconfigTransport leaves authentication to client-go, which knows every kind a
// kubeconfig can name. The file is followed, for it may hold a token.
func kubeconfigTransport(c Config) (http.RoundTripper, error) {
	followed := &kubeconfigFile{path: c.AuthConfig, open: func() (http.RoundTripper, error) { return openKubeconfig(c) }}
	if _, err := followed.transport(); err != nil {
		return nil, err
	}
	return followed, nil
}

func openKubeconfig(c Config) (http.RoundTripper, error) {
	wrong := func(err error) error { return fmt.Errorf("--prometheus-auth-config: %w", err) }
	if _, err := os.Stat(c.AuthConfig); err != nil { // else the loader falls back to other files
		return nil, wrong(err)
	}
	rules := &clientcmd.ClientConfigLoadingRules{ExplicitPath: c.AuthConfig}
	kube, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, &clientcmd.ConfigOverrides{}).ClientConfig()
	if err != nil {
		return nil, wrong(err)
	}
	if c.CAFile != "" {
		kube.CAFile, kube.CAData = c.CAFile, nil
	}
	if c.CertFile != "" {
		kube.CertFile, kube.CertData, kube.KeyFile, kube.KeyData = c.CertFile, nil, c.KeyFile, nil
	}
	if c.DisableHTTP2 {
		kube.NextProtos = []string{"http/1.1"}
	}
	transport, err := rest.TransportFor(kube)
	if err != nil {
		return nil, wrong(err)
	}
	return transport, nil
}

// authTransport adds credentials. A request that already has an Authorization
// header keeps it, so a header given by hand wins over all, and this over what a
// kubeconfig holds.
func authTransport(c Config, base *url.URL, next http.RoundTripper) (http.RoundTripper, error) {
	switch {
	case base.User != nil:
		password, _ := base.User.Password()
		return config.NewBasicAuthRoundTripper(config.NewInlineSecret(base.User.Username()), config.NewInlineSecret(password), next), nil
	case c.Username != "":
		if err := readable("the password file", c.PasswordFile); err != nil {
			return nil, err
		}
		return config.NewBasicAuthRoundTripper(config.NewInlineSecret(c.Username), config.NewFileSecret(c.PasswordFile), next), nil
	case c.TokenFile != "":
		if err := readable("--prometheus-token-file", c.TokenFile); err != nil {
			return nil, err
		}
		return config.NewAuthorizationCredentialsRoundTripper("Bearer", config.NewFileSecret(c.TokenFile), next), nil
	default:
		return next, nil
	}
}

// readable finds a mistyped path when the process starts; later the file is read
// for each request.
func readable(what, file string) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	if strings.TrimSpace(string(data)) == "" {
		return fmt.Errorf("%s: %s is empty", what, file)
	}
	return nil
}

// headerTransport sets fixed headers.
type headerTransport struct {
	headers http.Header
	next    http.RoundTripper
}

func (t *headerTransport) RoundTrip(request *http.Request) (*http.Response, error) {
	request = request.Clone(request.Context())
	for name, values := range t.headers {
		if name == "Host" {
			request.Host = values[len(values)-1]
			continue
		}
		request.Header[name] = values
	}
	return t.next.RoundTrip(request)
}

func (t *headerTransport) CloseIdleConnections() {
	if closer, ok := t.next.(interface{ CloseIdleConnections() }); ok {
		closer.CloseIdleConnections()
	}
}

// newClient returns a client that follows no redirects: one would carry the
// credentials to a place that nobody configured.
func newClient(transport http.RoundTripper) *http.Client {
	return &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}
