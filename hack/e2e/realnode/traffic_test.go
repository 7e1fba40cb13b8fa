//go:build e2e

package realnode

import (
	"context"
	"net"
	"net/http"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/loadline/loadline/hack/e2e/suite"
	"github.com/loadline/loadline/hack/load"
)

// traffic is load on a Service of Remind Me, by its own address: kube-proxy chooses the pod,
// for each request anew.
type traffic struct{ driver *load.Driver }

// send starts traffic for the test's time, at no rate yet.
func send(t *testing.T, service string, request load.Request) *traffic {
	t.Helper()
	s, err := node.Client.CoreV1().Services(remindMe).Get(t.Context(), service, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	address := net.JoinHostPort(s.Spec.ClusterIP, "80")
	dialer := &net.Dialer{Timeout: 2 * time.Second}
	return &traffic{suite.Drive(t, service, load.Options{
		// The driver itself sends to pods and to loopback only, so that it cannot be
		// pointed at a stranger. The transport of this one knows one Service.
		Pick: func() (string, bool) { return "127.0.0.1:80", true },
		Transport: &http.Transport{
			DisableKeepAlives: true,
			DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
				return dialer.DialContext(ctx, network, address)
			},
		},
		Request: request,
		Limits:  load.Limits{Requests: 1_000_000, Concurrency: 200, Duration: time.Hour, Timeout: 5 * time.Second},
	})}
}

func (l *traffic) rate(t *testing.T, perSecond float64) {
	t.Helper()
	if err := l.driver.SetRate(perSecond); err != nil {
		t.Fatal(err)
	}
}

func (l *traffic) stats() load.Stats { return l.driver.Stats() }
