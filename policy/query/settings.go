package query

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/spf13/pflag"
)

// Settings are the administrator's: what confines queries, and their bounds. Whoever
// compiles queries has the same ones, see AddFlags. With the zero value every query
// is refused.
type Settings struct {
	// Enabled: there are queries at all.
	Enabled bool
	// NamespaceLabel is the label of the source's series that carries the namespace of
	// what they describe. Queries are confined as well as this label can be trusted.
	NamespaceLabel string
	// Matchers are put on every selector besides that of the namespace.
	Matchers []*labels.Matcher

	MaxLength    int           // of an expression, in bytes
	MaxSelectors int           // in an expression
	MaxRange     time.Duration // of a range, with those of the subqueries around it
	MaxOffset    time.Duration // the same for offsets
	MaxSteps     int           // of a subquery, times those of the subqueries around it
	PerNamespace int           // queries that are served of one namespace
}

// Defaults returns what AddFlags has as defaults. A range of an hour is twelve times
// what a scaling decision looks back on; a week's offset compares with the last week.
func Defaults() Settings {
	return Settings{
		Enabled: true, NamespaceLabel: "namespace",
		MaxLength: mostLength, MaxSelectors: 20, MaxRange: time.Hour, MaxOffset: 7 * 24 * time.Hour, MaxSteps: 600, PerNamespace: 20,
	}
}

const mostLength = 2048 // as the policy's schema has it

// both ends the text of what the adapter enforces and the controller says sooner.
const both = " Give loadline-adapter and loadline-policy the same, or one refuses what the other takes."

// AddFlags registers a flag for each setting, with its present value as the default.
func (s *Settings) AddFlags(fs *pflag.FlagSet) {
	fs.BoolVar(&s.Enabled, "queries", s.Enabled, "Serve the PromQL queries of AutoscalingPolicies, as external metrics: the configuration of rules must have externalRules, or there is no such API.")
	fs.StringVar(&s.NamespaceLabel, "query-namespace-label", s.NamespaceLabel, "Label of the source's series that carries the namespace. Policies' queries read only series with their own namespace in it, so nobody but the scrape's configuration may set it: honor_labels lets a pod do so."+both)
	fs.Var(&matchersFlag{to: &s.Matchers}, "query-matcher", "Matcher such as cluster=\"eu-1\" that is put on every selector of policies' queries. Can be given several times."+both)
	fs.IntVar(&s.MaxLength, "query-max-length", s.MaxLength, "Bytes of a policy's query at most."+both)
	fs.IntVar(&s.MaxSelectors, "query-max-selectors", s.MaxSelectors, "Selectors in a policy's query at most."+both)
	fs.DurationVar(&s.MaxRange, "query-max-range", s.MaxRange, "Range in a policy's query at most, with the ranges of the subqueries around it."+both)
	fs.DurationVar(&s.MaxOffset, "query-max-offset", s.MaxOffset, "Offset in a policy's query at most, with the offsets of the subqueries around it."+both)
	fs.IntVar(&s.MaxSteps, "query-max-steps", s.MaxSteps, "Steps of a subquery in a policy's query at most, times the steps of the subqueries around it."+both)
	fs.IntVar(&s.PerNamespace, "queries-per-namespace", s.PerNamespace, "Queries of the policies of one namespace that are served at most. Those of the oldest policies are.")
}

// Validate returns everything that is wrong with the settings, by their flags.
func (s Settings) Validate() error {
	var errs []error
	if !usableLabel(s.NamespaceLabel) {
		errs = append(errs, fmt.Errorf("--query-namespace-label=%q: must be a label's name of letters, digits and underscores, such as namespace", s.NamespaceLabel))
	}
	for _, n := range []struct {
		flag            string
		value, min, max int
	}{
		{"query-max-length", s.MaxLength, 1, mostLength},
		{"query-max-selectors", s.MaxSelectors, 1, 1000},
		{"query-max-steps", s.MaxSteps, 1, 100_000},
		{"queries-per-namespace", s.PerNamespace, 1, 10_000},
	} {
		if n.value < n.min || n.value > n.max {
			errs = append(errs, fmt.Errorf("--%s=%d: must be from %d to %d", n.flag, n.value, n.min, n.max))
		}
	}
	const year = 366 * 24 * time.Hour
	if s.MaxRange < time.Second || s.MaxRange > year {
		errs = append(errs, fmt.Errorf("--query-max-range=%s: must be from 1s to %s", s.MaxRange, year))
	}
	if s.MaxOffset < 0 || s.MaxOffset > year {
		errs = append(errs, fmt.Errorf("--query-max-offset=%s: must be from 0s to %s", s.MaxOffset, year))
	}
	return errors.Join(errs...)
}

// usableLabel says whether series can be told apart by a label: those that begin with
// two underscores are the source's own.
func usableLabel(name string) bool {
	return model.LegacyValidation.IsValidLabelName(name) && !strings.HasPrefix(name, "__")
}

// matchersFlag is a flag that adds matchers each time it is given.
type matchersFlag struct{ to *[]*labels.Matcher }

func (f *matchersFlag) Type() string { return "matcher" }

func (f *matchersFlag) String() string {
	if f.to == nil {
		return ""
	}
	texts := make([]string, len(*f.to))
	for i, m := range *f.to {
		texts[i] = m.String()
	}
	return strings.Join(texts, ",")
}

func (f *matchersFlag) Set(text string) error {
	matchers, err := newParser().ParseMetricSelector("{" + text + "}")
	if err != nil || len(matchers) == 0 {
		return errors.New(`not a matcher: give one such as cluster="eu-1" or env=~"prod|stage"`)
	}
	for _, m := range matchers {
		if !usableLabel(m.Name) {
			return fmt.Errorf("the label %q is not one that series can be confined by", m.Name)
		}
		if m.Matches("") {
			return fmt.Errorf("the matcher %s confines nothing: it matches series without the label, too", m)
		}
	}
	*f.to = append(*f.to, matchers...)
	return nil
}

// newParser reads PromQL as Prometheus does by default, without what is experimental.
func newParser() parser.Parser { return parser.NewParser(parser.Options{}) }
