package chain

import (
	"fmt"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	diagnostics "github.com/loadline/loadline/provider/api/v1alpha1"
)

// Diagnosis is what the adapter says of a metric, and of the read of it that the HPA's is; nil
// if the replica that was asked evaluates none such.
type Diagnosis struct {
	Metric *diagnostics.Metric
	Read   *diagnostics.Read
}

// Behind is what is behind the answer of a metrics API, as loadline-adapter says.
type Behind struct {
	// Rule is its place in the configuration of the adapter, or policy NAME, query NAME; empty
	// where nothing gives the metric. Origin is where it comes from: ConfigurationFile,
	// BuiltIn or AutoscalingPolicy.
	Rule   string `json:"rule,omitempty"`
	Origin string `json:"origin,omitempty"`
	// Source is the name of the source that is asked, Series that of the series, by which the
	// rule's SeriesQuery found the metric.
	Source      string `json:"source,omitempty"`
	SeriesQuery string `json:"seriesQuery,omitempty"`
	Series      string `json:"series,omitempty"`
	// PromQL is what the source would be asked for this read alone.
	PromQL string `json:"promQL,omitempty"`
	// OtherReads are asked together with it, ToldApartBy these labels; Alone is why it is not
	// asked together with others but equal ones.
	OtherReads  int32    `json:"otherReads"`
	ToldApartBy []string `json:"toldApartBy,omitempty"`
	Alone       string   `json:"alone,omitempty"`
	// Evaluated is false where the replica that was asked has no evaluation of it, or where
	// that is not known: see OmittedReads.
	Evaluated bool `json:"evaluated"`
	// OmittedReads is how many reads of the metric the adapter's answer leaves out where the
	// HPA's is not in it, and so may be one of them; 0 where it is in it.
	OmittedReads int32 `json:"omittedReads,omitempty"`
	// AgeSeconds is how old the newest evaluation with an answer is, IntervalSeconds the time
	// between two; absent where that is not known.
	AgeSeconds      *float64 `json:"ageSeconds,omitempty"`
	IntervalSeconds *float64 `json:"intervalSeconds,omitempty"`
	// Values is how many of the Objects have a value; without Objects, as for external metrics,
	// how many values a reader gets. ValuesAtLeast: it may be more, for the adapter's answer
	// leaves some out.
	Values        int32  `json:"values"`
	ValuesAtLeast bool   `json:"valuesAtLeast,omitempty"`
	Objects       *int32 `json:"objects,omitempty"`
	// OmittedValues is how many values the adapter's answer leaves out.
	OmittedValues int32 `json:"omittedValues,omitempty"`
	// SampleAgeSeconds is how old the oldest of those is that it has, by the clocks of source
	// and adapter.
	SampleAgeSeconds *float64 `json:"sampleAgeSeconds,omitempty"`
	// Problem is why a reader gets no value, and Failing why the newest evaluation failed
	// while an earlier one serves; empty for neither.
	Problem string `json:"problem,omitempty"`
	Failing string `json:"failing,omitempty"`
	// Remedy is what to do about either.
	Remedy string `json:"remedy,omitempty"`
	// Warnings are what the source remarked on its answer.
	Warnings []string `json:"warnings,omitempty"`
}

// behind takes from a diagnosis what is about one HPA's metric; nil for none.
func behind(d *Diagnosis) *Behind {
	if d == nil || d.Metric == nil {
		return nil
	}
	b := &Behind{}
	if r := d.Metric.Rule; r != nil {
		b.Rule, b.Origin, b.Source, b.SeriesQuery, b.Series = r.ID, r.Origin, r.Source, r.SeriesQuery, r.Series
		if r.Origin == diagnostics.OriginPolicy {
			b.Rule = "policy " + r.Policy + ", query " + r.Query
		}
	}
	problem, failing := d.Metric.Problem, (*diagnostics.Problem)(nil)
	if r := d.Read; r != nil {
		now := d.Metric.Time
		b.PromQL, b.Objects, b.Warnings = r.PromQL, r.Objects, r.Warnings
		b.Evaluated, b.AgeSeconds = r.Attempted != nil, ageOf(now, r.Evaluated)
		if r.Interval != nil {
			b.IntervalSeconds = seconds64(r.Interval.Duration)
		}
		if s := r.Sharing; s != nil {
			b.OtherReads, b.ToldApartBy, b.Alone = s.OtherReads, s.ToldApartBy, s.Alone
		}
		for i := range r.Values {
			if r.Values[i].Value == nil {
				continue
			}
			if a := ageOf(now, r.Values[i].Timestamp); b.SampleAgeSeconds == nil || a != nil && *a > *b.SampleAgeSeconds {
				b.SampleAgeSeconds = a
			}
		}
		n, exact := Valued(r)
		b.Values, b.ValuesAtLeast, b.OmittedValues = n, !exact, r.OmittedValues
		if problem == nil {
			problem = r.Problem
		}
		failing = r.Failing
	} else {
		b.OmittedReads = d.Metric.OmittedReads
	}
	if problem != nil {
		b.Problem, b.Remedy = problem.Reason+": "+problem.Message, problem.Remedy
	} else if failing != nil {
		b.Failing, b.Remedy = failing.Reason+": "+failing.Message, failing.Remedy
	}
	return b
}

func ageOf(now metav1.Time, t *metav1.Time) *float64 {
	if t == nil {
		return nil
	}
	return seconds64(now.Sub(t.Time))
}

func seconds64(d time.Duration) *float64 {
	s := d.Round(100 * time.Millisecond).Seconds()
	return &s
}

// text is between what was asked and what was answered.
func (b *Behind) text(t text) {
	if b == nil {
		return
	}
	if b.Rule != "" {
		t.line("  ", "rule: %s", b.rule())
	}
	if b.PromQL != "" {
		t.line("  ", "PromQL: %s", b.PromQL)
		t.line("  ", "asked of the source: %s", b.asked())
	}
	switch {
	case b.Rule == "": // there is nothing to evaluate
	case b.OmittedReads > 0:
		t.line("  ", "evaluated: not known: this HPA's read is not in the adapter's answer, of which %s", NotShown(b.OmittedReads))
	case b.Evaluated || b.Problem != "":
		t.line("  ", "evaluated: %s", b.evaluated())
	default:
		t.line("  ", "evaluated: not by the replica of the adapter that was asked")
	}
	for _, w := range b.Warnings {
		t.line("  ", "the source remarked: %s", w)
	}
	if what := b.Problem + b.Failing; what != "" {
		t.line("  ", "the adapter says: %s", what)
		if b.Remedy != "" {
			t.line("    ", "to do: %s", b.Remedy)
		}
	}
}

// NotShown says how many reads an answer of the adapter leaves out.
func NotShown(reads int32) string {
	if reads == 1 {
		return "1 more read is not shown"
	}
	return fmt.Sprintf("%d more reads are not shown", reads)
}

func (b *Behind) rule() string {
	from := map[string]string{diagnostics.OriginFile: " of the configuration file", diagnostics.OriginBuiltIn: " of the built-in ones"}[b.Origin]
	text := fmt.Sprintf("%s%s, source %s", b.Rule, from, b.Source)
	if b.Series != "" {
		text += fmt.Sprintf(", series %s found by %s", b.Series, b.SeriesQuery)
	}
	return text
}

func (b *Behind) asked() string {
	text := "by itself"
	if b.OtherReads > 0 {
		text = fmt.Sprintf("in one query with %d other reads", b.OtherReads)
		if b.OtherReads == 1 {
			text = "in one query with another read"
		}
		if len(b.ToldApartBy) > 0 {
			text += ", told apart by " + strings.Join(b.ToldApartBy, ", ")
		}
	}
	if b.Alone != "" {
		text += "; not with others, for " + b.Alone
	}
	return text
}

func (b *Behind) evaluated() string {
	text := "never with an answer"
	if b.AgeSeconds != nil {
		text = seconds(b.AgeSeconds) + " before"
	}
	if b.IntervalSeconds != nil {
		text += ", every " + seconds(b.IntervalSeconds)
	}
	values := fmt.Sprint(b.Values)
	if b.ValuesAtLeast {
		values = "at least " + values
	}
	if b.Objects != nil {
		text += fmt.Sprintf("; %s of %d objects have a value", values, *b.Objects)
	} else {
		text += "; values: " + values
	}
	if b.SampleAgeSeconds != nil {
		oldest := "the oldest"
		if b.OmittedValues > 0 {
			oldest = "the oldest of those shown"
		}
		text += fmt.Sprintf(", %s %s old", oldest, seconds(b.SampleAgeSeconds))
	}
	return text
}
