package cluster

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"time"
)

// httpProbe asks url, over TLS if ca is not nil, and is content with a 200.
// The server's certificate is checked against the cluster's own authority, so
// nobody else can answer in its place.
func httpProbe(url string, ca, client *pair) func(context.Context) error {
	transport := &http.Transport{DisableKeepAlives: true}
	if ca != nil {
		roots := x509.NewCertPool()
		roots.AddCert(ca.cert)
		transport.TLSClientConfig = &tls.Config{RootCAs: roots}
	}
	if client != nil {
		transport.TLSClientConfig.Certificates = []tls.Certificate{{
			Certificate: [][]byte{client.cert.Raw},
			PrivateKey:  client.key,
		}}
	}
	asker := &http.Client{Transport: transport, Timeout: 2 * time.Second}
	return func(ctx context.Context) error {
		_, err := get(ctx, asker, url)
		return err
	}
}

// get reads at most 1 MiB of a 200 answer.
func get(ctx context.Context, client *http.Client, url string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answers %s: %.200s", url, resp.Status, body)
	}
	return body, nil
}
