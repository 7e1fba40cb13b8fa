package adapter

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
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

// hangingOptions are for an API server and a source that both hang.
func hangingOptions(t *testing.T) (o *Options, listener net.Listener, clusterAsked <-chan struct{}) {
	t.Helper()
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
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	o = NewOptions()
	o.ConfigFile = write("rules.yaml", servedRules)
	o.Source.URL = source
	o.Kubeconfig = write("kubeconfig", fmt.Sprintf(`{apiVersion: v1, kind: Config, current-context: a,
clusters: [{name: a, cluster: {server: %q}}], contexts: [{name: a, context: {cluster: a}}]}`, cluster))
	o.Server.SecureServing.Listener = listener
	o.Server.Authentication.SkipInClusterLookup = true
	o.Server.Authentication.RemoteKubeConfigFile = o.Kubeconfig
	o.Server.Authorization.RemoteKubeConfigFile = o.Kubeconfig
	return o, listener, clusterAsked
}

// running runs the adapter. The function it returns ends it, and fails the test if
// that is an error or takes long.
func running(t *testing.T, o *Options) (end func()) {
	t.Helper()
	if err := o.Validate(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- Run(ctx, o) }()
	return func() {
		cancel()
		select {
		case err := <-ended:
			if err != nil {
				t.Error(err)
			}
		case <-time.After(4 * time.Second):
			t.Error("it does not stop")
		}
	}
}

// With an API server and a source that both hang, the process is alive, says that
// it is not ready, and stops cleanly as soon as it is told to.
func TestRunWhereEverythingHangs(t *testing.T) {
	o, listener, clusterAsked := hangingOptions(t)
	plain, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	o.MetricsBindAddress = plain.Addr().String()
	plain.Close()
	end := running(t, o)
	client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	defer client.CloseIdleConnections()
	address := "https://" + listener.Addr().String()
	get := func(path string) (int, string) {
		resp, err := client.Get(address + path)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(body)
	}
	// The server answers a moment before its start hooks have run, of which /livez knows.
	tick, deadline := time.NewTicker(10*time.Millisecond), time.After(5*time.Second)
	defer tick.Stop()
	for code, body := get("/livez"); code != http.StatusOK; code, body = get("/livez") {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("/livez: %d %s", code, body)
		}
	}
	if code, body := get("/readyz"); code != http.StatusInternalServerError || !strings.Contains(body, "[-]first-evaluation") {
		t.Errorf("/readyz: %d %s", code, body)
	}
	address = "http://" + o.MetricsBindAddress
	_, exported := get("/metrics")
	for _, want := range []string{`loadline_ready{check="first-evaluation"} 0`, `loadline_ready{check="shutdown"} 1`, "loadline_serving_certificate_not_after_timestamp_seconds "} {
		if !strings.Contains(exported, "\n"+want) {
			t.Errorf("no %s in the metrics", want)
		}
	}
	<-clusterAsked // API discovery hangs
	end()
}

// While the start itself waits for the API server, it can be stopped as well.
func TestStopWhileStarting(t *testing.T) {
	for name, change := range map[string]func(*Options){
		"authentication configuration": func(o *Options) { o.Server.Authentication.SkipInClusterLookup = false },
		"first certificate":            func(o *Options) { o.Cert.Secret = "a/b" },
	} {
		t.Run(name, func(t *testing.T) {
			o, _, clusterAsked := hangingOptions(t)
			change(o)
			end := running(t, o)
			<-clusterAsked
			end()
		})
	}
}

func TestStartWithin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		one, wrong := 1, errors.New("wrong")
		got, err := startWithin(t.Context(), time.Second, func() (*int, error) { return &one, wrong })
		if got != &one || !errors.Is(err, wrong) {
			t.Errorf("%v, %v", got, err)
		}
		release := make(chan struct{})
		hangs := func() (*int, error) { <-release; return &one, nil }
		if got, err := startWithin(t.Context(), time.Second, hangs); got != nil || err == nil || !strings.Contains(err.Error(), "not started within 1s") {
			t.Errorf("%v, %v", got, err)
		}
		over, cancel := context.WithCancel(t.Context())
		cancel()
		if got, err := startWithin(over, time.Second, hangs); got != nil || err != nil {
			t.Errorf("told to stop: %v, %v", got, err)
		}
		close(release)
	})
}
