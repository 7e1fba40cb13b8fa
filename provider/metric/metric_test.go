package metric_test

import (
	"errors"
	"fmt"
	"math"
	"testing"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/loadline/loadline/provider/metric"
)

func TestQuantity(t *testing.T) {
	type want struct {
		milli  int64
		reason metric.Reason
	}
	for name, tc := range map[string]struct {
		in   float64
		want want
	}{
		"zero":                   {0, want{milli: 0}},
		"negative zero":          {math.Copysign(0, -1), want{milli: 0}},
		"integer":                {100, want{milli: 100_000}},
		"fraction":               {0.25, want{milli: 250}},
		"rounds, not truncates":  {1.0009999999, want{milli: 1001}},
		"binary fraction":        {0.29, want{milli: 290}},
		"below a thousandth":     {0.0004, want{milli: 0}},
		"half a thousandth":      {0.0005, want{milli: 1}},
		"negative":               {-2.5, want{milli: -2500}},
		"largest that fits":      {9.2e15, want{milli: 9_200_000_000_000_000_000}},
		"most negative":          {-9.2e15, want{milli: -9_200_000_000_000_000_000}},
		"just too large":         {9.223372036854776e15, want{reason: metric.Overflow}},
		"just too negative":      {-9.223372036854776e15, want{reason: metric.Overflow}},
		"overflows float64 too":  {math.MaxFloat64, want{reason: metric.Overflow}},
		"NaN":                    {math.NaN(), want{reason: metric.NotFinite}},
		"plus infinity":          {math.Inf(1), want{reason: metric.NotFinite}},
		"minus infinity":         {math.Inf(-1), want{reason: metric.NotFinite}},
		"smallest positive":      {math.SmallestNonzeroFloat64, want{milli: 0}},
		"counts above 2^53/1000": {9007199254741, want{milli: 9007199254741000}},
		"counts up to 2^53":      {9007199254740991, want{milli: 9007199254740991000}},
		"the largest of all":     {9223372036854774, want{milli: 9223372036854774000}},
		"fraction of a large":    {-8796093022207.875, want{milli: -8796093022207875}},
	} {
		t.Run(name, func(t *testing.T) {
			q, err := metric.Quantity(tc.in)
			got := want{reason: metric.ReasonOf(err)}
			if err == nil {
				got.milli = q.MilliValue()
			}
			if got != tc.want {
				t.Errorf("Quantity(%g) = %+v (%v), want %+v", tc.in, got, err, tc.want)
			}
		})
	}
}

// FuzzQuantity: whatever comes out is within a half thousandth of what went in.
func FuzzQuantity(f *testing.F) {
	for _, v := range []float64{0, 1, -1, 0.5, 9.2e15, 9.3e15, math.Inf(1), math.NaN(), 1e300} {
		f.Add(v)
	}
	f.Fuzz(func(t *testing.T, v float64) {
		q, err := metric.Quantity(v)
		if err != nil {
			if !math.IsNaN(v) && math.Abs(v) < 9.2e15 {
				t.Fatalf("%g was refused: %v", v, err)
			}
			return
		}
		back := float64(q.MilliValue()) / 1000
		if whole := math.Trunc(v); whole == v && q.MilliValue() != int64(v)*1000 {
			t.Fatalf("%.0f became %s", v, q.String())
		}
		// float64 itself resolves no finer than its last bit.
		tolerance := 0.0005 + math.Abs(v)*4e-16
		if math.Abs(back-v) > tolerance {
			t.Fatalf("%g became %g", v, back)
		}
	})
}

func TestIdentifierString(t *testing.T) {
	pods := schema.GroupResource{Resource: "pods"}
	for name, tc := range map[string]struct {
		in   metric.Identifier
		want string
	}{
		"pods by selector": {
			metric.Identifier{API: metric.Custom, Metric: "rps", Namespace: "default", Resource: pods, Selector: "app=web", MetricSelector: "code=200"},
			"custom/namespaces/default/pods/*/rps?labelSelector=app=web&metricLabelSelector=code=200",
		},
		"one object": {
			metric.Identifier{API: metric.Custom, Metric: "rps", Namespace: "default", Resource: schema.GroupResource{Group: "apps", Resource: "deployments"}, Name: "web"},
			"custom/namespaces/default/deployments.apps/web/rps",
		},
		"root scoped": {
			metric.Identifier{API: metric.Custom, Metric: "load", Resource: schema.GroupResource{Resource: "nodes"}},
			"custom/nodes/*/load",
		},
		"external": {
			metric.Identifier{API: metric.External, Metric: "depth", Namespace: "default", MetricSelector: "queue=reminders"},
			"external/namespaces/default/depth?metricLabelSelector=queue=reminders",
		},
	} {
		t.Run(name, func(t *testing.T) {
			if got := tc.in.String(); got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

func TestReasonOf(t *testing.T) {
	cause := errors.New("connection refused")
	err := fmt.Errorf("reading: %w", metric.Because(metric.SourceFailed, cause, "query failed"))
	if got := metric.ReasonOf(err); got != metric.SourceFailed {
		t.Errorf("reason %q", got)
	}
	if !errors.Is(err, cause) {
		t.Error("the cause is lost")
	}
	if want := "reading: query failed: connection refused"; err.Error() != want {
		t.Errorf("got %q, want %q", err, want)
	}
	if got := metric.ReasonOf(cause); got != "" {
		t.Errorf("reason %q of a plain error", got)
	}
}
