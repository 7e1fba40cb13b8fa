//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/util/cert"
)

// standalone is an adapter of a test's own, beside those of the system, that is
// asked directly.
type standalone struct {
	base   string
	client *http.Client
	config string // its configuration file
}

// startStandalone runs one by faultRules against a source, for the test's time.
func startStandalone(t *testing.T, source string, flags ...string) *standalone {
	t.Helper()
	certificate, key, err := cert.GenerateSelfSignedCertKey("127.0.0.1", []net.IP{net.IPv4(127, 0, 0, 1)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, data := range map[string][]byte{"rules.yaml": []byte(faultRules), "tls.crt": certificate, "tls.key": key} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	port := freePort(t)
	kubeconfig := system.Cluster.Kubeconfig()
	cmd := exec.Command(adapterBinary(), append([]string{
		"--config=" + filepath.Join(dir, "rules.yaml"), "--prometheus-url=" + source,
		"--tls-cert-file=" + filepath.Join(dir, "tls.crt"), "--tls-private-key-file=" + filepath.Join(dir, "tls.key"),
		"--bind-address=127.0.0.1", "--secure-port=" + port, "--prewarm=false",
		"--lister-kubeconfig=" + kubeconfig, "--authentication-kubeconfig=" + kubeconfig, "--authorization-kubeconfig=" + kubeconfig,
	}, flags...)...)
	log := &lockedBuffer{}
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(log)
		}
		_ = cmd.Process.Signal(syscall.SIGTERM)
		ended := make(chan error, 1)
		go func() { ended <- cmd.Wait() }()
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("the adapter did not end well: %v", err)
			}
		case <-time.After(15 * time.Second):
			_ = cmd.Process.Kill()
			t.Error("the adapter did not end within 15 s of SIGTERM")
		}
	})

	config := system.Cluster.RESTConfig()
	config.Host = "https://127.0.0.1:" + port
	config.TLSClientConfig.CAData, config.TLSClientConfig.CAFile = certificate, ""
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		t.Fatal(err)
	}
	client.Timeout = 5 * time.Second // beyond what any answer may take
	t.Cleanup(client.CloseIdleConnections)
	return &standalone{base: config.Host, client: client, config: filepath.Join(dir, "rules.yaml")}
}

// read reads one of the two metrics; see get.
func (s *standalone) read(t *testing.T, metric string) (code int, body string) {
	t.Helper()
	code, body, _ = s.get(t, externalPath+"/namespaces/default/"+metric)
	return code, body
}

// get returns the status code and the body or, of a Status, its message. The code
// is 0 where no answer came. The test fails for an answer that took more than 2 s
// or carries Retry-After.
func (s *standalone) get(t *testing.T, path string) (code int, body string, took time.Duration) {
	t.Helper()
	// Not the test's context: it ends before the readers in the background do.
	req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, s.base+path, nil)
	if err != nil {
		t.Error(err)
		return 0, err.Error(), 0
	}
	began := time.Now()
	resp, err := s.client.Do(req)
	if err == nil {
		defer resp.Body.Close()
		var data []byte
		data, err = io.ReadAll(resp.Body)
		code, body = resp.StatusCode, message(data)
	}
	took = time.Since(began)
	if took > 2*time.Second {
		t.Errorf("%s: an answer took %s", path, took)
	}
	if err != nil {
		return 0, err.Error(), took
	}
	if resp.Header.Get("Retry-After") != "" {
		t.Errorf("%s: an answer carries Retry-After", path)
	}
	return code, body, took
}

// isValue says whether an answer is one value and that.
func isValue(code int, body, value string) bool {
	return code == http.StatusOK && strings.Count(body, `"value":`) == 1 && strings.Contains(body, `"value":"`+value+`"`)
}

func adapterBinary() string {
	return filepath.Join(os.Getenv("LOADLINE_ROOT"), "bin", "loadline-adapter")
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// lockedBuffer is written by a process and read by the test.
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
