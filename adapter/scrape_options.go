package adapter

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/pflag"

	"github.com/loadline/loadline/provider/source/embedded"
	"github.com/loadline/loadline/provider/source/embedded/engine"
	"github.com/loadline/loadline/provider/source/embedded/scrape"
)

// ScrapeOptions are the flags of the embedded engine, which is the source where none is
// given by --prometheus-url.
type ScrapeOptions struct {
	scrape.Config
	Dir                   string
	Retention             time.Duration
	MaxSeries             int
	MaxSeriesPerTarget    int
	HostNetwork, Loopback bool
}

func newScrapeOptions() *ScrapeOptions {
	return &ScrapeOptions{
		Config: scrape.Config{
			Interval: scrape.DefaultInterval, SampleLimit: scrape.DefaultSampleLimit, BodySizeLimit: scrape.DefaultBodySizeLimit,
			LabelLimit: scrape.DefaultLabelLimit, LabelNameLengthLimit: scrape.DefaultLabelNameLengthLimit, LabelValueLengthLimit: scrape.DefaultLabelValueLengthLimit,
		},
		Dir: "/tmp/loadline-scrape", Retention: engine.DefaultRetention,
		MaxSeries: engine.DefaultMaxSeries, MaxSeriesPerTarget: 2 * scrape.DefaultSampleLimit,
	}
}

func (o *ScrapeOptions) addFlags(fs *pflag.FlagSet) {
	fs.DurationVar(&o.Interval, "scrape-interval", o.Interval, "Without --prometheus-url: time between two scrapes of a pod. What HPAs reference is evaluated as often, after the scrapes, and the window of the built-in rates is four of it.")
	fs.DurationVar(&o.Timeout, "scrape-timeout", o.Timeout, "Deadline of one scrape, at most the interval; 0 is four fifths of it.")
	fs.IntVar(&o.SampleLimit, "scrape-sample-limit", o.SampleLimit, "Samples of one scrape, of those that are kept, at most; and as many lines that are neither samples nor comments. A scrape with more fails as a whole.")
	fs.Int64Var(&o.BodySizeLimit, "scrape-body-size-limit", o.BodySizeLimit, "Bytes of one scrape after decompression, at most.")
	fs.IntVar(&o.LabelLimit, "scrape-label-limit", o.LabelLimit, "Labels of one series, at most.")
	fs.IntVar(&o.LabelNameLengthLimit, "scrape-label-name-length-limit", o.LabelNameLengthLimit, "Bytes of a label's name, at most.")
	fs.IntVar(&o.LabelValueLengthLimit, "scrape-label-value-length-limit", o.LabelValueLengthLimit, "Bytes of a label's value, at most.")
	fs.BoolVar(&o.HostNetwork, "scrape-host-network", o.HostNetwork, "Scrape pods that have the network of their node, too. On its address more listens than they, such as the kubelet.")
	fs.BoolVar(&o.Loopback, "scrape-loopback", o.Loopback, "Scrape pods at loopback addresses, too. For development, where pods are processes of one machine.")
	fs.StringVar(&o.Dir, "scrape-dir", o.Dir, "Directory in which samples may be kept. It must be writable, and stays empty but for directories.")
	fs.DurationVar(&o.Retention, "scrape-retention", o.Retention, "How long samples are held, and so how far back queries may look.")
	fs.IntVar(&o.MaxSeries, "max-series-held", o.MaxSeries, "Series held at most, those that have just ended among them. At the limit the newest pods are not scraped. A series takes 2 to 4 KB.")
	fs.IntVar(&o.MaxSeriesPerTarget, "max-series-held-per-pod", o.MaxSeriesPerTarget, "Series of one pod held at most, for pods whose series are others at each scrape.")
}

// engine is the configuration of the embedded engine. queryTimeout and what bounds the age of
// samples and the size of answers are flags of all sources.
func (o *Options) engine() embedded.Config {
	c := embedded.Config{
		Scrape: o.Scrape.Config,
		Engine: engine.Config{
			Dir: o.Scrape.Dir, Retention: o.Scrape.Retention, Lookback: o.Source.SampleMaxAge, Timeout: o.QueryTimeout,
			MaxSeries: o.Scrape.MaxSeries, MaxSeriesPerTarget: o.Scrape.MaxSeriesPerTarget, MaxValues: o.Source.MaxValues,
		},
	}
	c.Scrape.Version = version()
	return c
}

func (o *Options) validateScrapes() []error {
	if o.Source.URL != "" {
		return nil
	}
	var errs []error
	if err := o.engine().Validate(); err != nil {
		errs = append(errs, fmt.Errorf("--scrape-…: %w", err))
	}
	if !o.Prewarm {
		errs = append(errs, errors.New("--prewarm=false: without --prometheus-url what HPAs reference is what is scraped"))
	}
	return errs
}
