// Package prometheus is a metrics source that speaks the Prometheus HTTP API
// (https://prometheus.io/docs/prometheus/latest/querying/api/), which Thanos,
// Mimir, VictoriaMetrics and managed services speak as well.
package prometheus

import (
	"errors"
	"fmt"
	"net/http"
	"net/textproto"
	"net/url"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"
)

// Defaults of Config.
const (
	DefaultTimeout        = 10 * time.Second
	DefaultSeriesTimeout  = time.Minute
	DefaultMaxSeriesBytes = 1 << 30
	// Twice the 10,000 pods of a large namespace. While an answer is read and joined, a
	// value takes 0.6 KB, and --query-concurrency answers are read at once.
	DefaultMaxValues = 20_000
	// 400 bytes for each of them; the name and the value of a pod take 130.
	DefaultMaxBytes = 8 << 20

	serviceAccountDir = "/var/run/secrets/kubernetes.io/serviceaccount"
)

// Config says where the source is and how to talk to it. The zero value of every
// field but URL is usable. Files are read again when they change.
type Config struct {
	// Name is the source's, if it is one of the configuration file. Then errors name it, and
	// its settings by their keys there.
	Name string
	// URL is the API's base, with an optional path prefix. Its userinfo is used for
	// basic authentication and wins over a token; its query parameters are sent with
	// every request.
	URL string
	// Method is GET (the default) or POST. A GET whose URL would grow too long for
	// the proxies in between is sent as a POST.
	Method string
	// Version is sent as User-Agent loadline-adapter/VERSION.
	Version string

	// CAFile, CertFile and KeyFile are PEM files for TLS.
	CAFile, CertFile, KeyFile string
	// TokenFile holds a bearer token; white space around it is ignored.
	TokenFile string
	// Username and PasswordFile are for basic authentication, if not in the URL.
	Username, PasswordFile string
	// AuthInCluster uses the pod's service account token and cluster CA where
	// TokenFile and CAFile do not say otherwise. ServiceAccountDir is where they are
	// mounted, if not at the standard place.
	AuthInCluster     bool
	ServiceAccountDir string
	// AuthConfig is a kubeconfig whose credentials and TLS settings, but not whose
	// server, are used; the files above win over it.
	AuthConfig string
	// Headers are sent with every request, each as NAME=VALUE. Host is understood.
	Headers []string

	DisableHTTP2 bool
	// Timeout bounds a query, SeriesTimeout a discovery of series, also when the
	// caller's context has no or a later deadline.
	Timeout, SeriesTimeout time.Duration
	// Lookback is how old an instant selector's samples may be, sent as
	// lookback_delta; 0 leaves it to the source. Prometheus and Thanos heed it, Mimir
	// since March 2026; VictoriaMetrics ignores it.
	Lookback time.Duration
	// MaxBytes and MaxSeriesBytes bound an answer's size after decompression.
	// Neither is held in memory.
	MaxBytes, MaxSeriesBytes int64
	// MaxValues bounds the values in the answer to a query, which are held.
	MaxValues int
}

// withDefaults returns a copy with the defaults filled in.
func (c Config) withDefaults() Config {
	c.Method = strings.ToUpper(c.Method)
	if c.Method == "" {
		c.Method = http.MethodGet
	}
	if c.Version == "" {
		c.Version = "unknown"
	}
	if c.ServiceAccountDir == "" {
		c.ServiceAccountDir = serviceAccountDir
	}
	for value, standard := range map[*time.Duration]time.Duration{&c.Timeout: DefaultTimeout, &c.SeriesTimeout: DefaultSeriesTimeout} {
		if *value == 0 {
			*value = standard
		}
	}
	for value, standard := range map[*int64]int64{&c.MaxBytes: DefaultMaxBytes, &c.MaxSeriesBytes: DefaultMaxSeriesBytes} {
		if *value == 0 {
			*value = standard
		}
	}
	if c.MaxValues == 0 {
		c.MaxValues = DefaultMaxValues
	}
	return c
}

// Validate returns everything that is wrong with the configuration. It reads no
// file and calls nobody. No error repeats a URL or a header value: they may hold
// credentials.
func (c Config) Validate() error {
	c = c.withDefaults()
	var errs []error
	wrong := func(bad bool, format string, args ...any) {
		if bad {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	errs = append(errs, validateURL(c.URL)...)
	wrong(c.Method != http.MethodGet && c.Method != http.MethodPost, "--prometheus-verb: %q is neither GET nor POST", c.Method)
	wrong((c.CertFile == "") != (c.KeyFile == ""), "--prometheus-client-tls-cert-file and --prometheus-client-tls-key-file: give both or neither")
	wrong(c.AuthInCluster && c.AuthConfig != "", "--prometheus-auth-incluster and --prometheus-auth-config: give only one")
	wrong((c.Username == "") != (c.PasswordFile == ""), "basic authentication: give both the user name and the password file, or neither")
	wrong(c.Username != "" && c.TokenFile != "", "basic authentication and --prometheus-token-file: give only one")
	wrong(c.Username != "" && hasUserinfo(c.URL), "basic authentication: the user name is given in --prometheus-url as well: give it once")
	wrong(c.Timeout < 0 || c.SeriesTimeout < 0, "the time-outs for queries and series must be positive")
	wrong(c.Lookback < 0, "the lookback must not be negative")
	wrong(c.Lookback > 0 && c.Lookback < time.Millisecond, "the lookback must be at least a millisecond")
	wrong(c.MaxBytes < 0 || c.MaxSeriesBytes < 0, "the limits of an answer's size must be positive")
	wrong(c.MaxValues < 0, "--prometheus-max-answer-values: must be positive")
	_, err := parseHeaders(c.Headers)
	return c.inItsWords(errors.Join(append(errs, err)...))
}

func hasUserinfo(raw string) bool {
	u, err := url.Parse(raw)
	return err == nil && u.User != nil
}

func validateURL(raw string) (errs []error) {
	u, err := url.Parse(raw)
	if err != nil {
		return []error{errors.New("--prometheus-url: not a URL: give one such as http://prometheus.monitoring.svc:9090")}
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		errs = append(errs, errors.New("--prometheus-url: must begin with http:// or https:// and name a host"))
	}
	if u.Fragment != "" {
		errs = append(errs, errors.New("--prometheus-url: has a fragment (#…), which no server sees: remove it"))
	}
	if u.RawPath != "" {
		errs = append(errs, errors.New("--prometheus-url: has an escaped slash in its path, which is not supported"))
	}
	parameters, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		errs = append(errs, errors.New("--prometheus-url: its query parameters are malformed"))
	}
	for _, own := range []string{"end", "limit", "lookback_delta", "match[]", "query", "start", "time", "timeout"} {
		if parameters.Has(own) {
			errs = append(errs, fmt.Errorf("--prometheus-url: the query parameter %q is not yours to set: remove it", own))
		}
	}
	return errs
}

// parseHeaders turns NAME=VALUE pairs into headers.
func parseHeaders(pairs []string) (http.Header, error) {
	// These belong to the transfer; set by hand they break it.
	reserved := []string{"Accept-Encoding", "Connection", "Content-Encoding", "Content-Length", "Content-Type", "Te", "Trailer", "Transfer-Encoding", "Upgrade"}
	headers := http.Header{}
	var errs []error
	for i, pair := range pairs {
		name, value, found := strings.Cut(pair, "=")
		canonical := textproto.CanonicalMIMEHeaderKey(name)
		switch {
		case !found || !httpguts.ValidHeaderFieldName(name):
			errs = append(errs, fmt.Errorf("--prometheus-header: number %d does not have the form NAME=VALUE", i+1))
		case !httpguts.ValidHeaderFieldValue(value):
			errs = append(errs, fmt.Errorf("--prometheus-header: the value of %s has characters that a header cannot hold", name))
		case slices.Contains(reserved, canonical):
			errs = append(errs, fmt.Errorf("--prometheus-header: %s cannot be set", name))
		default:
			headers.Add(canonical, value)
		}
	}
	return headers, errors.Join(errs...)
}
