package diagnose

import (
	"cmp"
	"strings"

	"github.com/loadline/loadline/provider/api/v1alpha1"
	"github.com/loadline/loadline/provider/metric"
)

// problem tells of an error, in the text that is given.
func problem(err error, text string) *v1alpha1.Problem {
	reason := cmp.Or(metric.ReasonOf(err), "internal")
	return &v1alpha1.Problem{Reason: string(reason), Message: clip(text, maxMessage), Remedy: remedy(reason)}
}

// problemOf is problem in the error's own text; nil for nil.
func problemOf(err error) *v1alpha1.Problem {
	if err == nil {
		return nil
	}
	return problem(err, err.Error())
}

// remedy is what to do about a reason, for who owns the HPA or the configuration.
func remedy(reason metric.Reason) string {
	switch reason {
	case metric.Undefined:
		return "see whether the name is right, whether the series exists in the source with the labels of the objects, and whether the configuration has a rule whose seriesQuery finds it"
	case metric.NoObject:
		return "see whether the selector finds objects, and whether pods of it run"
	case metric.Absent:
		return "ask the source the PromQL: see whether the objects export the series, whether it is scraped, and whether the selector finds it. Nothing is not zero"
	case metric.NotFinite, metric.Overflow, metric.Duplicate, metric.Unlabelled, metric.RuleFailed:
		return "correct the rule's query as the message says"
	case metric.Stale, metric.SourceFailed:
		return "see whether the source answers: loadline_source_up, and the log of the adapter"
	case metric.Pending:
		return "look again after the interval. If it stays, see the log of the adapter"
	case metric.LimitReached:
		return "use fewer distinct selectors, or ask for the higher limit that the message names"
	case metric.Forbidden:
		return "give the adapter a ClusterRole with the label loadline.dev/aggregate-to-adapter: \"true\" that lists and watches these objects"
	case metric.ObjectsUnknown:
		return "see whether the Kubernetes API server lists these objects for the adapter, in the log of the adapter"
	case metric.Invalid:
		return "correct what the HPA asks for as the message says"
	}
	return ""
}

// clip cuts what is longer than n bytes.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "…"
}
