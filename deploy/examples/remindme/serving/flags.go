// Package serving is what the processes of Remind Me have in common: flags,
// listeners, probes, metrics and the way they end.
package serving

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"
	"time"
)

// Options say where a process listens and how it stops.
type Options struct {
	Host        string // empty: all interfaces
	Port        int    // of the service, if the process has one; 0: any free one
	MetricsPort int    // of /metrics, /healthz and /readyz; 0: any free one
	// Drain is how long a process that is asked to stop goes on serving, not
	// ready, so that no new connections arrive when it closes its listener.
	Drain time.Duration
	// Grace bounds what was started before: requests, reminders.
	Grace time.Duration
}

// AddFlags declares the options' flags.
func (o *Options) AddFlags(fs *flag.FlagSet) {
	fs.StringVar(&o.Host, "listen-host", "", "IP address to listen on; empty: all")
	fs.IntVar(&o.Port, "listen-port", 8080, "port of the service")
	fs.IntVar(&o.MetricsPort, "listen-metrics-port", 9090, "port of /metrics, /healthz and /readyz")
	fs.DurationVar(&o.Drain, "drain", 5*time.Second, "how long to go on serving after SIGTERM")
	fs.DurationVar(&o.Grace, "grace", 10*time.Second, "how long started work may take after that")
}

// Parse sets every flag of fs from the environment variable of its name
// (listen-host: LISTEN_HOST), then from args, which win. It reports every
// wrong variable at once. The caller has to treat flag.ErrHelp as success.
func Parse(fs *flag.FlagSet, args []string, getenv func(string) string, stderr io.Writer) error {
	fs.SetOutput(stderr)
	var errs []error
	fs.VisitAll(func(f *flag.Flag) {
		name := strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
		value := getenv(name)
		switch {
		case value == "":
		case strings.Contains(value, "$("):
			errs = append(errs, fmt.Errorf("environment variable %s: %q refers to a variable that was not set; does the Service exist?", name, value))
		default:
			if err := fs.Set(f.Name, value); err != nil {
				errs = append(errs, fmt.Errorf("environment variable %s: %q: %w", name, value, err))
			}
		}
	})
	if err := fs.Parse(args); err != nil {
		return err
	}
	if fs.NArg() > 0 {
		errs = append(errs, fmt.Errorf("unexpected argument %q", fs.Arg(0)))
	}
	return errors.Join(errs...)
}
