// Package adapter is the aggregated API server: options, wiring, serving,
// probes and self-metrics. It is the only place where the parts are joined.
package adapter

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/util/wait"
	cmoptions "sigs.k8s.io/custom-metrics-apiserver/pkg/cmd/options"

	"github.com/loadline/loadline/policy/query"
	"github.com/loadline/loadline/provider/demand"
)

// requestTimeout bounds every answer, authentication and authorization
// included: five reads that hang stall every HPA of the cluster.
const requestTimeout = 1900 * time.Millisecond

// Options are what flags set. See NewOptions.
type Options struct {
	Server *cmoptions.CustomMetricsAdapterServerOptions
	Source *SourceOptions
	Scrape *ScrapeOptions
	Cert   *CertOptions
	// Queries of AutoscalingPolicies.
	Queries query.Settings

	ConfigFile        string
	Kubeconfig        string
	ClientQPS         float32
	ClientBurst       int
	DiscoveryInterval time.Duration
	RelistInterval    time.Duration
	MaxAge            time.Duration

	EvaluationInterval time.Duration
	QueryTimeout       time.Duration
	QueryConcurrency   int
	ShareQueries       bool
	ValueMaxAge        time.Duration
	ReadPatience       time.Duration
	Demand             demand.Limits
	MaxValuesHeld      int
	Prewarm            bool

	MetricsBindAddress string
	ShutdownDelay      time.Duration
}

// NewOptions returns the defaults.
func NewOptions() *Options {
	server := cmoptions.NewCustomMetricsAdapterServerOptions()
	server.EnableMetrics = false // ours are served instead, see selfMetrics
	server.SecureServing.BindPort = 6443
	// A generated certificate stays in memory: the root file system is read-only.
	server.SecureServing.ServerCert.CertDirectory = ""
	// HPAs read every 15 s. The default of 10 s would ask the API server at
	// every single read.
	server.Authorization.AllowCacheTTL = time.Minute
	server.Authorization.WithClientTimeout(reviewTimeout)
	server.Authorization.WithCustomRetryBackoff(reviewBackoff())
	server.Authentication.TokenRequestTimeout = reviewTimeout
	server.Authentication.WithCustomRetryBackoff(reviewBackoff())
	return &Options{
		Server: server,
		Source: newSourceOptions(),
		Scrape: newScrapeOptions(),
		Cert:   newCertOptions(),

		Queries: query.Defaults(),

		ClientQPS: 50, ClientBurst: 100,
		DiscoveryInterval: 10 * time.Minute,
		RelistInterval:    10 * time.Minute,

		EvaluationInterval: 10 * time.Second,
		QueryTimeout:       5 * time.Second,
		QueryConcurrency:   8,
		ShareQueries:       true,
		ValueMaxAge:        30 * time.Second,
		ReadPatience:       1500 * time.Millisecond,
		Demand:             demand.Limits{Total: 20_000, PerNamespace: 2_000, Idle: 5 * time.Minute},
		MaxValuesHeld:      300_000,
		Prewarm:            true,
	}
}

// reviewTimeout bounds one SubjectAccessReview or TokenReview; two and the pause
// between them fit into requestTimeout.
const reviewTimeout = 700 * time.Millisecond

// reviewBackoff retries a review once, well inside requestTimeout.
func reviewBackoff() wait.Backoff {
	return wait.Backoff{Duration: 100 * time.Millisecond, Factor: 1, Jitter: 0.2, Steps: 2}
}

// AddFlags registers all flags.
func (o *Options) AddFlags(fs *pflag.FlagSet) {
	o.Server.AddFlags(fs)
	o.Source.addFlags(fs)
	o.Scrape.addFlags(fs)
	o.Cert.addFlags(fs)
	o.Queries.AddFlags(fs)

	fs.BoolVar(&o.Server.SecureServing.DisableHTTP2Serving, "disable-http2", o.Server.SecureServing.DisableHTTP2Serving, "The same as --disable-http2-serving, by the name that prometheus-adapter gave it.")
	fs.StringVar(&o.ConfigFile, "config", o.ConfigFile, "File with the rules, in the format of prometheus-adapter, with further sources, and with exporters. It is read again when it changes. Without --prometheus-url it may be left out for the built-in rules, which a file without a section of rules (rules, externalRules, resourceRules) gets, too.")
	fs.StringVar(&o.Kubeconfig, "lister-kubeconfig", o.Kubeconfig, "Kubeconfig for listing described objects and HPAs; the pod's own service account if empty.")
	fs.Float32Var(&o.ClientQPS, "client-qps", o.ClientQPS, "Requests a second to the Kubernetes API server, at most.")
	fs.IntVar(&o.ClientBurst, "client-burst", o.ClientBurst, "Requests to the Kubernetes API server at once, at most.")
	fs.DurationVar(&o.DiscoveryInterval, "discovery-interval", o.DiscoveryInterval, "Time between two looks at which kinds the API server serves. An unknown kind triggers one sooner.")
	fs.DurationVar(&o.RelistInterval, "metrics-relist-interval", o.RelistInterval, "Time between two discoveries of the source's series. A metric that is wanted and unknown triggers one sooner.")
	fs.DurationVar(&o.MaxAge, "metrics-max-age", o.MaxAge, "How far back a series counts as existing, and how long its metric stays listed after the first discovery without it. Defaults to the relist interval.")

	fs.DurationVar(&o.EvaluationInterval, "evaluation-interval", o.EvaluationInterval, "Time between two evaluations of what is wanted. HPAs read every 15s, so much less only costs.")
	fs.DurationVar(&o.QueryTimeout, "query-timeout", o.QueryTimeout, "Deadline of one query to a source.")
	fs.IntVar(&o.QueryConcurrency, "query-concurrency", o.QueryConcurrency, "Queries to each source at once, at most. What is only read has no more than three quarters of them, nor has what was never answered, or not the last time, while other queries are. Of two or three slots they leave one.")
	fs.BoolVar(&o.ShareQueries, "share-queries", o.ShareQueries, "Ask with one query for all reads of a rule that differ in their namespace, their objects or the values of their metric selector, where the query's syntax tree proves that each gets the same value as by itself. Equal queries are shared in any case. /debug/plan on the secure port says what is shared, and why the rest is not.")
	fs.DurationVar(&o.ValueMaxAge, "value-max-age", o.ValueMaxAge, "How old the last good evaluation may be when the source fails; then reads fail.")
	fs.DurationVar(&o.ReadPatience, "read-patience", o.ReadPatience, "How long the first read of a metric waits for its first evaluation.")
	fs.IntVar(&o.Demand.Total, "max-wanted", o.Demand.Total, "Distinct metrics (name, objects, selectors) evaluated at most. What HPAs reference comes first.")
	fs.IntVar(&o.Demand.PerNamespace, "max-wanted-per-namespace", o.Demand.PerNamespace, "The same for what is asked for through one namespace, by its requests and its HPAs.")
	fs.IntVar(&o.MaxValuesHeld, "max-values-held", o.MaxValuesHeld, "Values of all metrics held at most, one for each object or series. What HPAs reference comes first. Bounds memory, see GOMEMLIMIT in deploy/base/deployment.yaml.")
	fs.DurationVar(&o.Demand.Idle, "wanted-idle", o.Demand.Idle, "A metric that no HPA references stops being evaluated when nobody read it for this long.")
	fs.BoolVar(&o.Prewarm, "prewarm", o.Prewarm, "Watch HPAs and evaluate what they reference ahead of their first read.")

	fs.StringVar(&o.MetricsBindAddress, "metrics-bind-address", o.MetricsBindAddress, "Address such as :8080 of a second, plain HTTP port that serves nothing but /metrics, to anybody. Off if empty; the secure port serves them to whoever may get /metrics.")
	fs.DurationVar(&o.ShutdownDelay, "shutdown-delay-duration", o.ShutdownDelay, "How long to go on serving, unready, after SIGTERM, so that no request is sent to a server that is gone.")
}

// Validate returns everything that is wrong at once.
func (o *Options) Validate() error {
	errs := o.Server.Validate()
	if o.ConfigFile == "" && o.Source.URL != "" {
		errs = append(errs, errors.New("--config: must name the file with the rules"))
	}
	errs = append(errs, o.Source.validate()...)
	errs = append(errs, o.validateScrapes()...)
	if err := o.Queries.Validate(); err != nil {
		errs = append(errs, err)
	}
	errs = append(errs, o.Cert.validate(o.Server.SecureServing.ServerCert.CertKey.CertFile)...)
	for _, d := range []struct {
		flag     string
		value    time.Duration
		min, max time.Duration
	}{
		{"discovery-interval", o.DiscoveryInterval, time.Second, 24 * time.Hour},
		{"metrics-relist-interval", o.RelistInterval, time.Second, 24 * time.Hour},
		{"evaluation-interval", o.EvaluationInterval, time.Second, 5 * time.Minute},
		{"query-timeout", o.QueryTimeout, 10 * time.Millisecond, time.Minute},
		{"value-max-age", o.ValueMaxAge, o.EvaluationInterval, time.Hour},
		{"read-patience", o.ReadPatience, 0, requestTimeout - 200*time.Millisecond},
		{"wanted-idle", o.Demand.Idle, 30 * time.Second, 24 * time.Hour},
		{"shutdown-delay-duration", o.ShutdownDelay, 0, 10 * time.Minute},
	} {
		if d.value < d.min || d.value > d.max {
			errs = append(errs, fmt.Errorf("--%s=%s: must be from %s to %s", d.flag, d.value, d.min, d.max))
		}
	}
	if o.MaxAge != 0 && o.MaxAge < o.RelistInterval {
		errs = append(errs, fmt.Errorf("--metrics-max-age=%s: must not be less than --metrics-relist-interval=%s, or metrics come and go", o.MaxAge, o.RelistInterval))
	}
	for _, n := range []struct {
		flag  string
		value int
	}{
		{"query-concurrency", o.QueryConcurrency}, {"max-wanted", o.Demand.Total}, {"max-wanted-per-namespace", o.Demand.PerNamespace},
		{"max-values-held", o.MaxValuesHeld},
		{"client-burst", o.ClientBurst},
	} {
		if n.value < 1 {
			errs = append(errs, fmt.Errorf("--%s=%d: must be at least 1", n.flag, n.value))
		}
	}
	if o.ClientQPS <= 0 {
		errs = append(errs, fmt.Errorf("--client-qps=%g: must be more than 0", o.ClientQPS))
	}
	if o.MetricsBindAddress != "" {
		if _, _, err := net.SplitHostPort(o.MetricsBindAddress); err != nil {
			errs = append(errs, fmt.Errorf("--metrics-bind-address=%s: must be HOST:PORT or :PORT", o.MetricsBindAddress))
		}
	}
	return errors.Join(errs...)
}

// complete fills in defaults that depend on other options.
func (o *Options) complete() {
	if o.MaxAge == 0 {
		o.MaxAge = o.RelistInterval
	}
}

// splitName splits NAMESPACE/NAME.
func splitName(s string) (namespace, name string, ok bool) {
	namespace, name, ok = strings.Cut(s, "/")
	return namespace, name, ok && namespace != "" && name != "" && !strings.Contains(name, "/")
}
