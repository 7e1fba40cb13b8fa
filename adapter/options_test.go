package adapter

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"
)

// valid are options that can be served with.
func valid() *Options {
	o := NewOptions()
	o.ConfigFile = "rules.yaml"
	o.Source.URL = "http://prometheus:9090"
	return o
}

func TestValidate(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*Options)
		want   []string
	}{
		"the defaults, with what must be given": {func(*Options) {}, nil},
		"everything at once": {
			func(o *Options) {
				*o = *NewOptions()
				o.EvaluationInterval = time.Millisecond
				o.QueryConcurrency, o.Demand.Total, o.Demand.PerNamespace = 0, -1, 0
				o.MaxValuesHeld = 0
				o.ReadPatience = 1800 * time.Millisecond
				o.MaxAge = time.Minute
				o.ClientQPS, o.ClientBurst = 0, 0
				o.MetricsBindAddress = "8080"
			},
			[]string{
				"--evaluation-interval=1ms: must be from 1s to 5m0s",
				"--read-patience=1.8s: must be from 0s to 1.7s",
				"--metrics-max-age=1m0s: must not be less than --metrics-relist-interval=10m0s, or metrics come and go",
				"--query-concurrency=0: must be at least 1",
				"--max-wanted=-1: must be at least 1",
				"--max-wanted-per-namespace=0: must be at least 1",
				"--max-values-held=0: must be at least 1",
				"--client-burst=0: must be at least 1",
				"--client-qps=0: must be more than 0",
				"--metrics-bind-address=8080: must be HOST:PORT or :PORT",
			},
		},
		"a source and no rules":                      {func(o *Options) { o.ConfigFile = "" }, []string{"--config: must name the file with the rules"}},
		"neither: it scrapes, by the built-in rules": {func(o *Options) { o.ConfigFile, o.Source.URL = "", "" }, nil},
		"it scrapes, and does not watch HPAs": {
			func(o *Options) { o.Source.URL, o.Prewarm = "", false },
			[]string{"--prewarm=false: without --prometheus-url what HPAs reference is what is scraped"},
		},
		"it scrapes, with limits that are none": {
			func(o *Options) { o.Source.URL, o.Scrape.Timeout, o.Scrape.MaxSeries = "", time.Minute, -1 },
			[]string{"--scrape-…: the bounds of the series must be positive", "the scrape time-out (1m0s) must not be longer than the interval (5s)"},
		},
		"values that die before the next evaluation": {
			func(o *Options) { o.ValueMaxAge = 5 * time.Second }, []string{"--value-max-age=5s: must be from 10s to 1h0m0s"},
		},
		"a certificate too short to renew": {
			func(o *Options) { o.Cert.Secret, o.Cert.Lifetime = "monitoring/loadline-cert", time.Second },
			[]string{"--cert-lifetime=1s: must be from 1m to 8760h"},
		},
		"both kinds of certificate": {
			func(o *Options) {
				o.Cert.Secret = "monitoring/loadline-cert"
				o.Server.SecureServing.ServerCert.CertKey.CertFile = "tls.crt"
				o.Server.SecureServing.ServerCert.CertKey.KeyFile = "tls.key"
			},
			[]string{"--cert-secret and --tls-cert-file: give one of them, the certificate is either managed here or given"},
		},
		"a Secret without its namespace": {
			func(o *Options) { o.Cert.Secret = "loadline-cert" }, []string{"--cert-secret=loadline-cert: must be NAMESPACE/NAME"},
		},
		"no patience, a plain port": {func(o *Options) { o.ReadPatience, o.MetricsBindAddress = 0, ":8080" }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			o := valid()
			tc.change(o)
			var got []string
			if err := o.Validate(); err != nil {
				got = strings.Split(err.Error(), "\n")
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestSplitName(t *testing.T) {
	for in, want := range map[string]bool{"a/b": true, "": false, "a": false, "a/": false, "/b": false, "a/b/c": false} {
		if _, _, ok := splitName(in); ok != want {
			t.Errorf("%q: %v", in, ok)
		}
	}
}

// The flags are an interface: prometheus-adapter's users bring theirs along. After
// a wanted change, write the file anew with UPDATE=1.
func TestFlags(t *testing.T) {
	fs := pflag.NewFlagSet("", pflag.ContinueOnError)
	NewOptions().AddFlags(fs)
	var got strings.Builder
	fs.VisitAll(func(f *pflag.Flag) { fmt.Fprintf(&got, "--%s %s = %q\n", f.Name, f.Value.Type(), f.DefValue) })
	file := filepath.Join("testdata", "flags.txt")
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(file, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got.String(), "\n")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// An argument list of prometheus-adapter, each flag with its value's syntax there.
func TestFlagsOfPrometheusAdapter(t *testing.T) {
	o := NewOptions()
	fs := pflag.NewFlagSet("", pflag.ContinueOnError)
	o.AddFlags(fs)
	if err := fs.Parse([]string{
		"--prometheus-url=https://prometheus.monitoring.svc:9090/", "--prometheus-auth-incluster", "--prometheus-ca-file=/ca", "--prometheus-client-tls-cert-file=/crt",
		"--prometheus-client-tls-key-file=/key", "--prometheus-token-file=/token", "--prometheus-header=a=b", "--prometheus-header=c=d", "--prometheus-verb=POST",
		"--config=/etc/adapter/config.yaml", "--metrics-relist-interval=1m", "--metrics-max-age=2m", "--disable-http2",
		"--lister-kubeconfig=/kubeconfig", "--discovery-interval=5m", "--client-qps=2.5", "--client-burst=7",
		"--secure-port=6443", "--cert-dir=/var/run/serving-cert", "--tls-cipher-suites=TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
		"--authentication-kubeconfig=/kubeconfig", "--authorization-kubeconfig=/kubeconfig", "--audit-policy-file=/audit", "--audit-log-path=-",
	}); err != nil {
		t.Fatal(err)
	}
	if err := fs.Parse([]string{"--prometheus-auth-config=/kubeconfig"}); err != nil {
		t.Error(err)
	}
	type parsed struct {
		URL, Verb, Token, Config, Lister string
		Headers                          []string
		Relist, MaxAge, Discovery        time.Duration
		QPS                              float32
		Burst, Port                      int
		InCluster, NoHTTP2, NoHTTP2There bool
	}
	got := parsed{
		o.Source.URL, o.Source.Method, o.Source.TokenFile, o.ConfigFile, o.Kubeconfig, o.Source.Headers, o.RelistInterval, o.MaxAge, o.DiscoveryInterval,
		o.ClientQPS, o.ClientBurst, o.Server.SecureServing.BindPort, o.Source.AuthInCluster, o.Server.SecureServing.DisableHTTP2Serving, o.Source.DisableHTTP2,
	}
	want := parsed{
		"https://prometheus.monitoring.svc:9090/", "POST", "/token", "/etc/adapter/config.yaml", "/kubeconfig", []string{"a=b", "c=d"}, time.Minute, 2 * time.Minute, 5 * time.Minute,
		2.5, 7, 6443, true, true, false,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestLoadRules(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "rules.yaml")
	if _, _, err := (&Options{ConfigFile: file, Source: newSourceOptions(), Scrape: newScrapeOptions()}).loadRules(); err == nil || !strings.HasPrefix(err.Error(), "--config: open ") {
		t.Errorf("missing: %v", err)
	}
	if _, _, err := (&Options{ConfigFile: dir}).loadRules(); err == nil || !strings.HasPrefix(err.Error(), "--config: ") {
		t.Errorf("a directory: %v", err)
	}
	for content, want := range map[string]string{
		"":                                 "the configuration is empty",
		strings.Repeat("#", maxConfig+100): "more than the limit of",
		"rules: [":                         "is not YAML",
	} {
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		_, _, err := (&Options{ConfigFile: file, Source: newSourceOptions(), Scrape: newScrapeOptions()}).loadRules()
		if err == nil || !strings.HasPrefix(err.Error(), "--config="+file) || !strings.Contains(err.Error(), want) {
			t.Errorf("%.20q: %v", content, err)
		}
	}
}
