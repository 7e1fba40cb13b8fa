package prometheus

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"sync"

	utilnet "k8s.io/apimachinery/pkg/util/net"
)

// kubeconfigFile is the transport that a kubeconfig describes. The file is read for each
// request, as those of tokens are, and what it describes is made anew when it changes. What
// the kubeconfig only names, client-go follows itself.
type kubeconfigFile struct {
	path string
	open func() (http.RoundTripper, error)

	mu      sync.Mutex
	content []byte // from which current was made
	current http.RoundTripper
}

func (f *kubeconfigFile) RoundTrip(request *http.Request) (*http.Response, error) {
	transport, err := f.transport()
	if err != nil {
		if request.Body != nil {
			request.Body.Close()
		}
		return nil, err
	}
	return transport.RoundTrip(request)
}

// transport is that of the file as it is now.
func (f *kubeconfigFile) transport() (http.RoundTripper, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	content, err := os.ReadFile(f.path)
	if err != nil {
		return nil, fmt.Errorf("--prometheus-auth-config: %w", err)
	}
	if f.current != nil && bytes.Equal(content, f.content) {
		return f.current, nil
	}
	// What it is made of may be newer than content; then the next request makes it again.
	next, err := f.open()
	if err != nil {
		return nil, err
	}
	if f.current != nil {
		utilnet.CloseIdleConnectionsFor(f.current)
	}
	f.content, f.current = content, next
	return next, nil
}

func (f *kubeconfigFile) CloseIdleConnections() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.current != nil {
		utilnet.CloseIdleConnectionsFor(f.current)
	}
}
