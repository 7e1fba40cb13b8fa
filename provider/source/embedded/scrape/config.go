package scrape

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/common/model"
	promconfig "github.com/prometheus/prometheus/config"
	"go.yaml.in/yaml/v3"
)

// Defaults of Config.
const (
	DefaultInterval    = 5 * time.Second
	DefaultSampleLimit = 5_000
	// DefaultBodySizeLimit is some 20,000 series as they usually are.
	DefaultBodySizeLimit         = 2 << 20
	DefaultLabelLimit            = 64
	DefaultLabelNameLengthLimit  = 256
	DefaultLabelValueLengthLimit = 2048
)

// Config says how often targets are scraped, and how much one may have to say: a scrape in
// which it has more fails as a whole. The zero value of every field is usable.
type Config struct {
	Interval time.Duration
	// Timeout bounds one scrape. It is at most the interval; 4/5 of it if it is not given.
	Timeout time.Duration
	// SampleLimit bounds the samples of a scrape that are kept, and as many lines may be neither
	// samples nor comments. BodySizeLimit bounds its bytes after decompression.
	SampleLimit   int
	BodySizeLimit int64
	// LabelLimit bounds the labels of a series, the other two the bytes of a label.
	LabelLimit, LabelNameLengthLimit, LabelValueLengthLimit int
	// Version is sent as User-Agent loadline-adapter/VERSION.
	Version string
}

func (c Config) withDefaults() Config {
	c.Interval = cmp.Or(c.Interval, DefaultInterval)
	c.Timeout = cmp.Or(c.Timeout, c.Interval*4/5)
	c.SampleLimit = cmp.Or(c.SampleLimit, DefaultSampleLimit)
	c.BodySizeLimit = cmp.Or(c.BodySizeLimit, DefaultBodySizeLimit)
	c.LabelLimit = cmp.Or(c.LabelLimit, DefaultLabelLimit)
	c.LabelNameLengthLimit = cmp.Or(c.LabelNameLengthLimit, DefaultLabelNameLengthLimit)
	c.LabelValueLengthLimit = cmp.Or(c.LabelValueLengthLimit, DefaultLabelValueLengthLimit)
	c.Version = cmp.Or(c.Version, "unknown")
	return c
}

// Every is the time between two scrapes of a target.
func (c Config) Every() time.Duration { return c.withDefaults().Interval }

// Validate returns everything that is wrong with the configuration.
func (c Config) Validate() error {
	c = c.withDefaults()
	var errs []error
	wrong := func(bad bool, format string, args ...any) {
		if bad {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	wrong(c.Interval < 50*time.Millisecond, "the scrape interval must be at least 50ms")
	wrong(c.Timeout < time.Millisecond, "the scrape time-out must be at least a millisecond")
	wrong(c.Timeout > c.Interval, "the scrape time-out (%s) must not be longer than the interval (%s)", c.Timeout, c.Interval)
	wrong(c.SampleLimit < 0 || c.BodySizeLimit < 0 || c.LabelLimit < 0 || c.LabelNameLengthLimit < 0 || c.LabelValueLengthLimit < 0, "the limits of a scrape must be positive")
	return errors.Join(errs...)
}

// The pools of targets. What is honored is one for all targets of a pool.
const (
	plain    = "pods"
	honoring = "exporters-honored"
)

// The types of a configuration file of Prometheus, as much of it as we have. It is written
// and read because a configuration counts as checked only if it was read.
type (
	promFile struct {
		ScrapeConfigs []promJob `yaml:"scrape_configs"`
	}
	promJob struct {
		Name                  string   `yaml:"job_name"`
		Interval              string   `yaml:"scrape_interval"`
		Timeout               string   `yaml:"scrape_timeout"`
		HonorLabels           bool     `yaml:"honor_labels"`
		HonorTimestamps       bool     `yaml:"honor_timestamps"`
		Protocols             []string `yaml:"scrape_protocols"`
		Fallback              string   `yaml:"fallback_scrape_protocol"`
		BodySizeLimit         string   `yaml:"body_size_limit"`
		SampleLimit           int      `yaml:"sample_limit"`
		LabelLimit            int      `yaml:"label_limit"`
		LabelNameLengthLimit  int      `yaml:"label_name_length_limit"`
		LabelValueLengthLimit int      `yaml:"label_value_length_limit"`
		KeepDroppedTargets    int      `yaml:"keep_dropped_targets"`
		FollowRedirects       bool     `yaml:"follow_redirects"`
		EnableHTTP2           bool     `yaml:"enable_http2"`
	}
)

// prometheus is the configuration for what comes from the relay.
func (c Config) prometheus() (*promconfig.Config, error) {
	job := func(name string, honor bool) promJob {
		return promJob{
			Name: name, HonorLabels: honor, Interval: model.Duration(c.Interval).String(), Timeout: model.Duration(c.Timeout).String(),
			// Text only: native histograms are no numbers, and only protobuf has them.
			Protocols:     []string{"OpenMetricsText1.0.0", "OpenMetricsText0.0.1", "PrometheusText1.0.0", "PrometheusText0.0.4"},
			Fallback:      "PrometheusText0.0.4", // for what does not say what it is
			BodySizeLimit: fmt.Sprintf("%dB", min(c.BodySizeLimit, 1<<62)+1), SampleLimit: c.SampleLimit,
			LabelLimit: c.LabelLimit, LabelNameLengthLimit: c.LabelNameLengthLimit, LabelValueLengthLimit: c.LabelValueLengthLimit,
			KeepDroppedTargets: 1,
		}
	}
	text, err := yaml.Marshal(promFile{ScrapeConfigs: []promJob{job(plain, false), job(honoring, true)}})
	if err != nil {
		return nil, err
	}
	return promconfig.Load(string(text), slog.New(slog.DiscardHandler))
}
