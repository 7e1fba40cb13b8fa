package chain_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/utils/ptr"

	"github.com/loadline/loadline/policy/chain"
	diagnostics "github.com/loadline/loadline/provider/api/v1alpha1"
)

// What an answer of the adapter leaves out is not taken for good, nor for not evaluated.
func TestEvaluated(t *testing.T) {
	at := ago(4 * time.Second)
	good := func(object, container string) diagnostics.Value {
		return diagnostics.Value{Object: object, Container: container, Value: ptr.To(resource.MustParse("1")), Timestamp: &at}
	}
	bad := func(object string) diagnostics.Value {
		return diagnostics.Value{Object: object, Problem: &diagnostics.Problem{Reason: "duplicate", Message: "several samples"}}
	}
	values := func(omitted int32, all ...diagnostics.Value) func(*diagnostics.Metric) {
		return func(m *diagnostics.Metric) { m.Reads[0].Values, m.Reads[0].OmittedValues = all, omitted }
	}
	external := func(m *diagnostics.Metric) { m.Reads[0].Objects = nil }
	omitted := func(n int32) func(*diagnostics.Metric) {
		return func(m *diagnostics.Metric) { m.OmittedReads = n }
	}
	for name, tc := range map[string]struct {
		edit   []func(*diagnostics.Metric)
		unread bool // the HPA's read is not in the answer
		want   string
	}{
		"all are shown": {
			edit: []func(*diagnostics.Metric){values(0, bad("a"), good("b", ""))},
			want: "4s before, every 10s; 1 of 4 objects have a value, the oldest 4s old",
		},
		"containers of a pod": {
			edit: []func(*diagnostics.Metric){values(0, good("a", "app"), good("a", "sidecar"), good("b", "app"), good("b", "sidecar"))},
			want: "4s before, every 10s; 2 of 4 objects have a value, the oldest 4s old",
		},
		"those without a problem are omitted": {
			edit: []func(*diagnostics.Metric){values(2, bad("a"), good("b", ""))},
			want: "4s before, every 10s; 3 of 4 objects have a value, the oldest of those shown 4s old",
		},
		"problems may be omitted": {
			edit: []func(*diagnostics.Metric){values(2, bad("a"), bad("b"))},
			want: "4s before, every 10s; at least 0 of 4 objects have a value",
		},
		"nothing is shown": {
			edit: []func(*diagnostics.Metric){values(4)},
			want: "4s before, every 10s; at least 0 of 4 objects have a value",
		},
		"containers are omitted": {
			edit: []func(*diagnostics.Metric){values(3, good("a", "app"), good("a", "sidecar"))},
			want: "4s before, every 10s; at least 1 of 4 objects have a value, the oldest of those shown 4s old",
		},
		"series are omitted": {
			edit: []func(*diagnostics.Metric){values(3, good("", "")), external},
			want: "4s before, every 10s; values: 4, the oldest of those shown 4s old",
		},
		"series are omitted that may be problems": {
			edit: []func(*diagnostics.Metric){values(3, bad("")), external},
			want: "4s before, every 10s; values: at least 0",
		},
		"other reads are omitted":    {edit: []func(*diagnostics.Metric){values(0, good("a", "")), omitted(61)}, want: "4s before, every 10s; 1 of 4 objects have a value, the oldest 4s old"},
		"there is none of the HPA":   {unread: true, want: "not by the replica of the adapter that was asked"},
		"the HPA's read is left out": {unread: true, edit: []func(*diagnostics.Metric){omitted(61)}, want: "not known: this HPA's read is not in the adapter's answer, of which 61 more reads are not shown"},
		"one read is left out":       {unread: true, edit: []func(*diagnostics.Metric){omitted(1)}, want: "not known: this HPA's read is not in the adapter's answer, of which 1 more read is not shown"},
	} {
		t.Run(name, func(t *testing.T) {
			in := input(2, rate("20"))
			in.Answers = []chain.Answer{serving(20_000, 20_000)}
			in.Answers[0].Diagnosis = diagnosed(tc.edit...)
			if tc.unread {
				in.Answers[0].Diagnosis.Read = nil
			}
			var out bytes.Buffer
			if err := chain.New(in).Text(&out); err != nil {
				t.Fatal(err)
			}
			got := ""
			for line := range strings.Lines(out.String()) {
				if text, ok := strings.CutPrefix(line, "  evaluated: "); ok {
					got = strings.TrimSpace(text)
				}
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}
