package adapter

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/endpoints/handlers/responsewriters"
	genericapiserver "k8s.io/apiserver/pkg/server"
	"k8s.io/apiserver/pkg/server/dynamiccertificates"
	certutil "k8s.io/client-go/util/cert"
	"k8s.io/metrics/pkg/apis/external_metrics"
	cmapiserver "sigs.k8s.io/custom-metrics-apiserver/pkg/apiserver"
	cmprovider "sigs.k8s.io/custom-metrics-apiserver/pkg/provider"
)

// Whatever way a handler answers, over either version of HTTP, the header is gone
// and 429 is 503.
func TestNoAnswerCarriesRetryAfter(t *testing.T) {
	for name, tc := range map[string]struct {
		handler http.HandlerFunc
		code    int
		body    string
	}{
		"an error of the library that says when to retry": {func(w http.ResponseWriter, r *http.Request) {
			responsewriters.ErrorNegotiated(apierrors.NewTooManyRequests("slowly", 5), cmapiserver.Codecs, schema.GroupVersion{}, w, r)
		}, 503, "slowly"},
		"503": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(503)
		}, 503, ""},
		"429 without the header": {func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "slowly", http.StatusTooManyRequests) }, 503, "slowly\n"},
		"a body alone": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "1")
			_, _ = io.WriteString(w, "body")
		}, 200, "body"},
		"a flush alone": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "1")
			w.(http.Flusher).Flush()
		}, 200, ""},
		"a flush through a ResponseController": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "1")
			if err := http.NewResponseController(w).Flush(); err != nil {
				_, _ = io.WriteString(w, err.Error())
			}
		}, 200, ""},
		"an early hint, then the answer": {func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusEarlyHints)
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(500)
		}, 500, ""},
	} {
		for _, http2 := range []bool{false, true} {
			t.Run(name+map[bool]string{false: "/HTTP1", true: "/HTTP2"}[http2], func(t *testing.T) {
				server := httptest.NewUnstartedServer(withoutRetry(tc.handler, nil))
				server.EnableHTTP2 = http2
				server.StartTLS()
				defer server.Close()
				resp, err := server.Client().Get(server.URL)
				if err != nil {
					t.Fatal(err)
				}
				defer resp.Body.Close()
				body, err := io.ReadAll(resp.Body)
				if err != nil {
					t.Fatal(err)
				}
				if resp.StatusCode != tc.code || resp.Header.Get("Retry-After") != "" || !strings.Contains(string(body), tc.body) {
					t.Errorf("%s, %v: %s", resp.Status, resp.Header, body)
				}
				if (resp.ProtoMajor == 2) != http2 || resp.Close {
					t.Errorf("%s, connection closed: %v", resp.Proto, resp.Close)
				}
			})
		}
	}
}

// What the server below could do without the filter, a handler can do behind it.
func TestAnswerKeepsWhatTheConnectionCan(t *testing.T) {
	for _, http2 := range []bool{false, true} {
		server := httptest.NewUnstartedServer(withoutRetry(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, flusher := w.(http.Flusher)
			_, hijacker := w.(http.Hijacker)
			if deadline := http.NewResponseController(w).SetWriteDeadline(time.Now().Add(time.Minute)); !flusher || hijacker == http2 || deadline != nil {
				t.Errorf("HTTP/2 %v: flusher %v, hijacker %v, write deadline %v", http2, flusher, hijacker, deadline)
			}
		}), nil))
		server.EnableHTTP2 = http2
		server.StartTLS()
		resp, err := server.Client().Get(server.URL)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		server.Close()
	}
}

// A server that is about to stop hands its connections over, whatever the version
// of HTTP: after the answer, a client asks over a new one.
func TestStoppingEndsConnections(t *testing.T) {
	for _, http2 := range []bool{false, true} {
		stopping := make(chan struct{})
		connections := make(chan struct{}, 10)
		server := httptest.NewUnstartedServer(withoutRetry(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}), stopping))
		server.EnableHTTP2 = http2
		server.Config.ConnState = func(_ net.Conn, s http.ConnState) {
			if s == http.StateNew {
				connections <- struct{}{}
			}
		}
		server.StartTLS()
		ask := func() {
			resp, err := server.Client().Get(server.URL)
			if err != nil {
				t.Fatal(err)
			}
			_, _ = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
			if resp.StatusCode != 200 {
				t.Errorf("HTTP/2 %v: %s", http2, resp.Status)
			}
		}
		ask()
		ask()
		if n := len(connections); n != 1 {
			t.Errorf("HTTP/2 %v: %d connections before it stops", http2, n)
		}
		close(stopping)
		ask() // ends the connection
		waitClosed := time.Now().Add(10 * time.Second)
		for len(connections) == 1 && time.Now().Before(waitClosed) {
			ask() // over HTTP/2 the client may be faster than the news
		}
		if len(connections) == 1 {
			t.Errorf("HTTP/2 %v: the connection is still in use", http2)
		}
		server.Close()
	}
}

// blocked answers when it is released, and says when it was entered.
type blocked struct{ entered, release chan struct{} }

func (b blocked) GetExternalMetric(ctx context.Context, _ string, _ labels.Selector, _ cmprovider.ExternalMetricInfo) (*external_metrics.ExternalMetricValueList, error) {
	close(b.entered)
	select {
	case <-b.release:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	return &external_metrics.ExternalMetricValueList{}, nil
}

func (blocked) ListAllExternalMetrics() []cmprovider.ExternalMetricInfo {
	return []cmprovider.ExternalMetricInfo{{Metric: "depth"}}
}

// A real server drains: the request under way is answered, and a later one is
// refused without Retry-After, which the library adds in this place.
func TestDrainingServerRefusesWithoutRetryAfter(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	slow := blocked{make(chan struct{}), make(chan struct{})}
	config := newTestConfig(ctx.Done(), nil, slow)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	certPEM, keyPEM, err := certutil.GenerateSelfSignedCertKey("127.0.0.1", []net.IP{net.IPv4(127, 0, 0, 1)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	served, err := dynamiccertificates.NewStaticCertKeyContent("test", certPEM, keyPEM)
	if err != nil {
		t.Fatal(err)
	}
	config.SecureServing = &genericapiserver.SecureServingInfo{Listener: listener, Cert: served}
	server := newTestServer(t, config, nil, slow)
	stopped := make(chan error, 1)
	go func() { stopped <- server.PrepareRun().RunWithContext(ctx) }()

	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(certPEM)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, ForceAttemptHTTP2: true}, Timeout: 10 * time.Second}
	defer client.CloseIdleConnections()
	ask := func(path string) (*http.Response, string) {
		resp, err := client.Get("https://" + listener.Addr().String() + path)
		if err != nil {
			t.Error(err)
			return &http.Response{}, ""
		}
		defer resp.Body.Close()
		body, _ := io.ReadAll(resp.Body)
		return resp, string(body)
	}
	underWay := make(chan string, 1)
	go func() {
		resp, body := ask("/apis/external.metrics.k8s.io/v1beta1/namespaces/a/depth")
		underWay <- resp.Status + body
	}()
	<-slow.entered
	// The first step of the library's shutdown. The next one, in the same instant,
	// closes the listener; here it waits, so that there is something to see.
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		server.NonLongRunningRequestWaitGroup.Wait()
	}()
	for refused := false; !refused && !t.Failed(); {
		resp, body := ask("/apis")
		refused = resp.StatusCode == 503 && strings.Contains(body, "shutting down")
		if resp.Header.Get("Retry-After") != "" || !refused && resp.StatusCode != 200 {
			t.Errorf("%s, %v: %s", resp.Status, resp.Header, body)
		}
	}
	if len(underWay) > 0 {
		t.Errorf("the request under way did not last: %s", <-underWay)
	}
	close(slow.release)
	<-drained
	if got := <-underWay; !strings.HasPrefix(got, "200 OK") {
		t.Errorf("the request under way: %s", got)
	}
	cancel()
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}
