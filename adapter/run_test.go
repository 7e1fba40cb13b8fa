package adapter

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// hanging returns the URL of a server that accepts, and never answers, and a
// channel that is closed when it was asked something.
func hanging(t *testing.T) (string, <-chan struct{}) {
	asked, over := make(chan struct{}, 1), make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case asked <- struct{}{}:
		default:
		}
		select {
		case <-r.Context().Done():
		case <-over:
		}
	}))
	t.Cleanup(server.Close)
	t.Cleanup(func() { close(over) })
	return server.URL, asked
}

// With an API server and a source that both hang, the process is alive, says that
// it is not ready, and stops cleanly as soon as it is told to.
func TestRunWhereEverythingHangs(t *testing.T) {
	cluster, clusterAsked := hanging(t)
	source, _ := hanging(t)
	dir := t.TempDir()
	write := func(name, content string) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	kubeconfig := write("kubeconfig", fmt.Sprintf(`{apiVersion: v1, kind: Config, current-context: a,
clusters: [{name: a, cluster: {server: %q}}], contexts: [{name: a, context: {cluster: a}}]}`, cluster))
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	o := NewOptions()
	o.ConfigFile = write("rules.yaml", servedRules)
	o.Source.URL = source
	o.Kubeconfig = kubeconfig
	o.Server.SecureServing.Listener = listener
	o.Server.Authentication.SkipInClusterLookup = true
	o.Server.Authentication.RemoteKubeConfigFile = kubeconfig
	o.Server.Authorization.RemoteKubeConfigFile = kubeconfig
	if err := o.Validate(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- Run(ctx, o) }()

	client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	defer client.CloseIdleConnections()
	for path, want := range map[string]int{"/livez": 200, "/readyz": 500} {
		resp, err := client.Get("https://" + listener.Addr().String() + path)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("%s: %s, want %d", path, resp.Status, want)
		}
	}
	<-clusterAsked // API discovery hangs
	cancel()
	told := time.Now()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if took := time.Since(told); took > 4*time.Second {
		t.Errorf("stopped only after %s", took)
	}
}
