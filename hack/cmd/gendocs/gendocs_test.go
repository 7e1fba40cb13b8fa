package main

import (
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/pflag"
)

func TestFlagsPage(t *testing.T) {
	fs := pflag.NewFlagSet("", pflag.ContinueOnError)
	fs.String("b", "x|y", "One | two <three>\nand *four*.")
	fs.Int("a", 3, "Old.")
	fs.Bool("hidden", false, "Not for you.")
	_ = fs.MarkDeprecated("a", "use --b")
	_ = fs.MarkHidden("hidden")
	fs.Lookup("a").Hidden = false // deprecated flags are hidden by pflag
	got := flagsPage("x", fs)
	want := "| `--a` int | `3` | Deprecated: use --b. Old. |\n" +
		"| `--b` string | `x\\|y` | One \\| two &lt;three> and \\*four\\*. |\n"
	if !strings.HasSuffix(got, want) {
		t.Errorf("got\n%swant it to end in\n%s", got, want)
	}
}

func TestMetricsPage(t *testing.T) {
	got, err := metricsPage("x", "", func(r prometheus.Registerer) {
		r.MustRegister(
			prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "b_seconds", Help: "Time."}, []string{"y", "x"}),
			prometheus.NewCounter(prometheus.CounterOpts{Name: "a_total", Help: "Count."}),
		)
	})
	if err != nil {
		t.Fatal(err)
	}
	want := "| `a_total` | counter |  | Count. |\n| `b_seconds` | histogram | `x`, `y` | Time. |\n"
	if !strings.Contains(got, want) {
		t.Errorf("got\n%swant in it\n%s", got, want)
	}
}

func TestMetricsPageRefusesWhatItCannotShow(t *testing.T) {
	_, err := metricsPage("x", "", func(r prometheus.Registerer) {
		r.MustRegister(prometheus.NewCounterVec(prometheus.CounterOpts{Name: "a_total"}, strings.Split("abcdefghi", "")))
	})
	if err == nil || !strings.Contains(err.Error(), "more than 7 labels") {
		t.Errorf("got %v", err)
	}
}
