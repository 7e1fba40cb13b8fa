package adapter

import (
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"k8s.io/apiserver/pkg/server/healthz"

	"github.com/loadline/loadline/adapter/cert"
)

// Whatever a ready replica has is 1 once it is there, and shutdown is 0 from the end on.
func TestReadiness(t *testing.T) {
	warmed, over := make(chan struct{}), make(chan struct{})
	var certificate cert.Status
	r := readiness{warm(warmed), certified(func() cert.Status { return certificate }), healthz.NewShutdownHealthz(over)}
	shows := func(evaluation, certificate, shutdown string) {
		t.Helper()
		want := "# HELP loadline_ready " + readyHelp + "\n# TYPE loadline_ready gauge\n" +
			`loadline_ready{check="first-evaluation"} ` + evaluation + "\n" +
			`loadline_ready{check="serving-certificate"} ` + certificate + "\n" +
			`loadline_ready{check="shutdown"} ` + shutdown + "\n"
		if err := testutil.CollectAndCompare(r, strings.NewReader(want)); err != nil {
			t.Error(err)
		}
	}
	shows("0", "0", "1")
	close(warmed)
	shows("1", "0", "1")
	certificate.NotAfter = time.Unix(1, 0)
	shows("1", "1", "1")
	close(over)
	shows("1", "1", "0")
}
