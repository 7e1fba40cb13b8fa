//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"k8s.io/client-go/rest"
)

const faultRules = `externalRules:
- seriesQuery: depth
  resources: {overrides: {namespace: {resource: namespace}}}
  metricsQuery: sum(<<.Series>>{<<.LabelMatchers>>})
`

// faultySource answers discovery rightly and queries as its mode says.
type faultySource struct {
	mode atomic.Pointer[func(http.ResponseWriter, *http.Request)]
}

func (f *faultySource) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasSuffix(r.URL.Path, "/series") {
		fmt.Fprint(w, `{"status":"success","data":[{"__name__":"depth","namespace":"default"}]}`)
		return
	}
	(*f.mode.Load())(w, r)
}

func (f *faultySource) set(mode func(http.ResponseWriter, *http.Request)) { f.mode.Store(&mode) }

func write(text string) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, text) }
}

func vector(value string) func(http.ResponseWriter, *http.Request) {
	return write(fmt.Sprintf(`{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[%d,%q]}]}}`, time.Now().Unix(), value))
}

// large is a good answer of exactly size bytes: 1,000 series with long labels,
// whose values are 0.008 each.
func large(size int) func(http.ResponseWriter, *http.Request) {
	const series = 1_000
	return func(w http.ResponseWriter, _ *http.Request) {
		head, tail := `{"status":"success","data":{"resultType":"vector","result":[`, `]}}`
		left := size - len(head) - len(tail)
		var body strings.Builder
		body.WriteString(head)
		for i := range series {
			begin, end := fmt.Sprintf(`{"metric":{"n":"%d","pad":"`, i), fmt.Sprintf(`"},"value":[%d,"0.008"]}`, time.Now().Unix())
			if i < series-1 {
				end += ","
			}
			take := left / (series - i)
			body.WriteString(begin + strings.Repeat("x", take-len(begin)-len(end)) + end)
			left -= take
		}
		body.WriteString(tail)
		io.WriteString(w, body.String())
	}
}

// maxAnswerBytes is the default of --prometheus-max-answer-bytes, as the help says.
func maxAnswerBytes(t *testing.T) int {
	t.Helper()
	out, err := exec.Command(adapterBinary(), "--help").CombinedOutput()
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`--prometheus-max-answer-bytes [^\0]*?\(default (\d+)\)`).FindSubmatch(out)
	if m == nil {
		t.Fatalf("no default of --prometheus-max-answer-bytes in\n%s", out)
	}
	n, err := strconv.Atoi(string(m[1]))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// Test7BadAnswers: whatever the source answers, a read says within 2 s what is
// wrong, never a wrong number, and the next good answer mends it. An answer just
// within the limit of its size is a good one.
func Test7BadAnswers(t *testing.T) {
	source := &faultySource{}
	source.set(vector("7"))
	server := httptest.NewServer(source)
	defer server.Close()
	read := standalone(t, server.URL)

	good := func(t *testing.T) {
		source.set(vector("7"))
		until(t, "the right number", 10*time.Second, func(ctx context.Context) (bool, string) {
			code, body := read(ctx)
			return code == http.StatusOK && strings.Contains(body, `"value":"7"`), body
		})
	}
	good(t)
	limit := maxAnswerBytes(t)
	t.Run("just within the limit", func(t *testing.T) {
		source.set(large(limit))
		until(t, "the values of a large answer", 10*time.Second, func(ctx context.Context) (bool, string) {
			code, body := read(ctx)
			return code == http.StatusOK && strings.Count(body, `"value":"8m"`) == 1_000, fmt.Sprintf("%d %.300s", code, body)
		})
		good(t)
	})
	const ten = 10_000_000
	if limit >= ten {
		t.Errorf("the default limit of %d bytes lets ten megabytes pass", limit)
	}
	for name, tc := range map[string]struct {
		mode func(http.ResponseWriter, *http.Request)
		want string
	}{
		"an error": {func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusUnprocessableEntity)
			io.WriteString(w, `{"status":"error","errorType":"execution","error":"found duplicate series"}`)
		}, "found duplicate series"},
		"an error of a proxy": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }, "502"},
		"HTML":                {write("<html>please sign in</html>"), "malformed"},
		"truncated JSON":      {write(`{"status":"success","data":{"resultType":"vector","result":[{"metric"`), "malformed"},
		"a matrix":            {write(`{"status":"success","data":{"resultType":"matrix","result":[]}}`), "matrix"},
		"ten megabytes":       {large(ten), "--prometheus-max-answer-bytes"},
		"one byte too many":   {large(limit + 1), "--prometheus-max-answer-bytes"},
		"NaN":                 {vector("NaN"), "NaN"},
		"infinity":            {vector("+Inf"), "Inf"},
		"too large a number":  {vector("1e300"), "beyond"},
		"nothing":             {write(`{"status":"success","data":{"resultType":"vector","result":[]}}`), "absence is not zero"},
		"hangs":               {func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, "did not answer in time"},
	} {
		t.Run(name, func(t *testing.T) {
			source.set(tc.mode)
			until(t, "an error that says so", 15*time.Second, func(ctx context.Context) (bool, string) {
				began := time.Now()
				code, body := read(ctx)
				if took := time.Since(began); took > 2*time.Second {
					t.Errorf("an answer took %s", took)
				}
				if code == http.StatusOK && !strings.Contains(body, `"value":"7"`) {
					t.Fatalf("a wrong number: %.300s", body)
				}
				return code >= 400 && strings.Contains(body, tc.want), body
			})
			good(t)
		})
	}
}

// standalone runs an adapter of its own against a source, and returns how to
// read its one metric, directly.
func standalone(t *testing.T, source string) func(context.Context) (code int, body string) {
	t.Helper()
	rules := filepath.Join(t.TempDir(), "rules.yaml")
	if err := os.WriteFile(rules, []byte(faultRules), 0o600); err != nil {
		t.Fatal(err)
	}
	port := freePort(t)
	kubeconfig := system.Cluster.Kubeconfig()
	cmd := exec.Command(adapterBinary(), "--config="+rules, "--prometheus-url="+source, "--bind-address=127.0.0.1", "--secure-port="+port,
		"--lister-kubeconfig="+kubeconfig, "--authentication-kubeconfig="+kubeconfig, "--authorization-kubeconfig="+kubeconfig,
		"--evaluation-interval=1s", "--query-timeout=500ms", "--value-max-age=2s", "--prewarm=false")
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
	config.TLSClientConfig.CAData, config.TLSClientConfig.CAFile = nil, ""
	config.TLSClientConfig.Insecure = true // its certificate is generated; Test5 verifies the self-managed one
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.CloseIdleConnections)
	return func(ctx context.Context) (int, string) {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, config.Host+"/apis/external.metrics.k8s.io/v1beta1/namespaces/default/depth", nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := client.Do(req)
		if err != nil {
			return 0, err.Error()
		}
		defer resp.Body.Close()
		if resp.Header.Get("Retry-After") != "" {
			t.Error("an answer carries Retry-After")
		}
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			return 0, err.Error()
		}
		return resp.StatusCode, message(body)
	}
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
