package adapter

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"testing"

	"k8s.io/klog/v2/textlogger"
)

// The arguments of prometheus-adapter's own manifests and of its Helm chart are taken as
// they are, but for what only a cluster has.
func TestPredecessorsArguments(t *testing.T) {
	const ciphers = "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305,TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305,TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384"
	for name, args := range map[string][]string{
		"manifests": {
			"--cert-dir=/var/run/serving-cert", "--config=/etc/adapter/config.yaml", "--metrics-relist-interval=1m",
			"--prometheus-url=https://prometheus.monitoring.svc:9090/", "--secure-port=6443", "--tls-cipher-suites=" + ciphers,
		},
		"chart": {
			"/adapter", "--secure-port=6443", "--cert-dir=/tmp/cert", "--logtostderr=true", "--prometheus-url=http://prometheus.default.svc:9090",
			"--metrics-relist-interval=1m", "--v=4", "--config=/etc/adapter/config.yaml",
		},
		"everything that it has": {
			"--prometheus-url=https://u:p@prometheus:9090/x?y=z", "--prometheus-verb=POST", "--prometheus-header=X-Scope-OrgID=a", "--prometheus-header=X-B=c",
			"--metrics-max-age=10m", "--disable-http2", "--lister-kubeconfig=/k", "--discovery-interval=10m", "--client-qps=5", "--client-burst=10",
			"--config=/c", "--logtostderr", "--alsologtostderr", "--stderrthreshold=2", "--log_dir=/tmp", "--skip_headers", "--vmodule=a=1",
			"--audit-log-path=-", "--authentication-kubeconfig=/k", "--authorization-kubeconfig=/k", "--bind-address=0.0.0.0",
		},
	} {
		t.Run(name, func(t *testing.T) {
			cmd := NewCommand(context.Background())
			if err := cmd.ParseFlags(args); err != nil {
				t.Fatal(err)
			}
			if err := cmd.ValidateArgs(cmd.Flags().Args()); err != nil {
				t.Error(err)
			}
			if found, _, err := cmd.Find(args); err != nil || found != cmd {
				t.Errorf("taken for the command %v: %v", found, err)
			}
			var out bytes.Buffer
			sayMeaningless(textlogger.NewLogger(textlogger.NewConfig(textlogger.Output(&out))), cmd.Flags())
			said := strings.Count(out.String(), "\n")
			if want := slices.ContainsFunc(args, func(a string) bool { return strings.HasPrefix(a, "--logtostderr") }); said > 1 || (said == 1) != want {
				t.Errorf("said %q", out.String())
			}
		})
	}
}

func TestArgumentsThatAreNoFlags(t *testing.T) {
	for _, args := range [][]string{{"config=/c"}, {"/adapter", "/adapter"}, {"/adapter2"}} {
		if err := arguments(nil, args); err == nil || !strings.Contains(err.Error(), "is no flag: begin flags with --") {
			t.Errorf("%q: %v", args, err)
		}
	}
}
