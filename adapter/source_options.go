package adapter

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/loadline/loadline/provider/source/prometheus"
)

// SourceOptions are the flags of the Prometheus HTTP API, by the names that
// prometheus-adapter gave them.
type SourceOptions struct {
	prometheus.Config
	// SampleMaxAge bounds the age of samples behind instant selectors.
	SampleMaxAge time.Duration
}

func newSourceOptions() *SourceOptions {
	// Two and a half scrapes at an interval of a minute: one may fail.
	return &SourceOptions{Config: prometheus.Config{Method: "GET"}, SampleMaxAge: 150 * time.Second}
}

func (o *SourceOptions) addFlags(fs *pflag.FlagSet) {
	fs.StringVar(&o.URL, "prometheus-url", o.URL, "Base URL of the Prometheus HTTP API, for rules that name no source of the configuration file. If it is left out, the adapter scrapes the pods that HPAs scale itself, and asks nobody. Userinfo in it is basic authentication and wins over a token; query parameters are sent with every request.")
	fs.StringVar(&o.Method, "prometheus-verb", o.Method, "GET or POST. A query too long for a URL is sent by POST.")
	fs.BoolVar(&o.AuthInCluster, "prometheus-auth-incluster", o.AuthInCluster, "Authenticate with the pod's own service account token, and trust the cluster's CA.")
	fs.StringVar(&o.AuthConfig, "prometheus-auth-config", o.AuthConfig, "Kubeconfig whose credentials and TLS settings, not whose server, are used. Read again when it changes.")
	fs.StringVar(&o.CAFile, "prometheus-ca-file", o.CAFile, "PEM file with the CA of the source.")
	fs.StringVar(&o.CertFile, "prometheus-client-tls-cert-file", o.CertFile, "PEM file with our client certificate.")
	fs.StringVar(&o.KeyFile, "prometheus-client-tls-key-file", o.KeyFile, "PEM file with its key.")
	fs.StringVar(&o.TokenFile, "prometheus-token-file", o.TokenFile, "File with a bearer token. White space around it is ignored; it is read again when it changes.")
	fs.StringVar(&o.Username, "prometheus-username", o.Username, "User name for basic authentication.")
	fs.StringVar(&o.PasswordFile, "prometheus-password-file", o.PasswordFile, "File with the password for basic authentication.")
	fs.StringArrayVar(&o.Headers, "prometheus-header", o.Headers, "Header NAME=VALUE to send with every request, such as X-Scope-OrgID=team. Repeatable.")
	fs.BoolVar(&o.DisableHTTP2, "prometheus-disable-http2", o.DisableHTTP2, "Speak HTTP/1.1 to the source.")
	fs.DurationVar(&o.SampleMaxAge, "sample-max-age", o.SampleMaxAge, "How old a sample behind an instant selector may be, sent as lookback_delta. Prometheus and Thanos heed it, Mimir since March 2026; VictoriaMetrics ignores it. Range selectors are bounded by their own window. 0 leaves it to the source.")
	fs.Int64Var(&o.MaxBytes, "prometheus-max-answer-bytes", prometheus.DefaultMaxBytes, "Size of the answer to a query, in bytes after decompression, at most.")
	fs.IntVar(&o.MaxValues, "prometheus-max-answer-values", prometheus.DefaultMaxValues, "Values in the answer to a query, at most. Up to --query-concurrency answers of each source are held in memory besides what --max-values-held allows.")
	fs.Int64Var(&o.MaxSeriesBytes, "prometheus-max-series-bytes", prometheus.DefaultMaxSeriesBytes, "Size of the answer to a series discovery, in bytes after decompression, at most. It is not held in memory.")
}

func (o *SourceOptions) config() prometheus.Config {
	c := o.Config
	c.Lookback = o.SampleMaxAge
	c.Version = version()
	return c
}

func (o *SourceOptions) validate() []error {
	if o.URL == "" { // then the adapter scrapes itself, see next
		if flags := o.ofNoSource(); len(flags) > 0 {
			return []error{fmt.Errorf("--prometheus-url: is not given, and %s would have no effect: give it, or leave them out; the sources of the file have keys of their own for these", strings.Join(flags, ", "))}
		}
		return nil
	}
	if err := o.config().Validate(); err != nil {
		return []error{err}
	}
	return nil
}

// ofNoSource are the flags that are given and are of the source of the flags alone. Limits
// are not: sources of the file inherit them.
func (o *SourceOptions) ofNoSource() (flags []string) {
	for _, f := range []struct {
		name  string
		given bool
	}{
		{"verb", o.Method != "GET"}, {"auth-incluster", o.AuthInCluster}, {"auth-config", o.AuthConfig != ""}, {"ca-file", o.CAFile != ""},
		{"client-tls-cert-file", o.CertFile != ""}, {"client-tls-key-file", o.KeyFile != ""}, {"token-file", o.TokenFile != ""},
		{"username", o.Username != ""}, {"password-file", o.PasswordFile != ""}, {"header", len(o.Headers) > 0}, {"disable-http2", o.DisableHTTP2},
	} {
		if f.given {
			flags = append(flags, "--prometheus-"+f.name)
		}
	}
	return flags
}

// source makes the client. queryTimeout is --query-timeout: the client's own default
// would cut a longer one short.
func (o *SourceOptions) source(queryTimeout time.Duration) (*prometheus.Source, error) {
	c := o.config()
	c.Timeout = queryTimeout
	return prometheus.New(c)
}
