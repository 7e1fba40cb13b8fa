package hpa

import (
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestReadable(t *testing.T) {
	const before, after = "the HPA was unable to compute the replica count: unable to get external metric shop/depth", ": unable to fetch metrics from external metrics API: not found"
	rule := func(key string, operator metav1.LabelSelectorOperator, values ...string) metav1.LabelSelectorRequirement {
		return metav1.LabelSelectorRequirement{Key: key, Operator: operator, Values: values}
	}
	for name, tc := range map[string]struct {
		selector *metav1.LabelSelector
		want     string
	}{
		"a label":       {&metav1.LabelSelector{MatchLabels: map[string]string{"queue": "reminders"}}, "{queue=reminders}"},
		"labels":        {&metav1.LabelSelector{MatchLabels: map[string]string{"b": "", "example.org/a": "x.y-z_1"}}, "{b=,example.org/a=x.y-z_1}"},
		"rules":         {&metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{rule("a", "In", "c", "b"), rule("d", "Exists"), rule("e", "DoesNotExist"), rule("f", "NotIn", "")}}, "{a in (b,c),d,!e,f notin ()}"},
		"both":          {&metav1.LabelSelector{MatchLabels: map[string]string{"a": "b"}, MatchExpressions: []metav1.LabelSelectorRequirement{rule("c", "In", "d")}}, "{a=b,c in (d)}"},
		"empty":         {&metav1.LabelSelector{}, ""},
		"none":          {nil, ""},
		"that is wrong": {&metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{rule("a", "Near", "b")}}, "/&LabelSelector{MatchLabels:map[string]string{},MatchExpressions:[]LabelSelectorRequirement{LabelSelectorRequirement{Key:a,Operator:Near,Values:[b],},},}"},
	} {
		t.Run(name, func(t *testing.T) {
			text := before + "/" + tc.selector.String() + after
			if got, want := Readable(text), before+tc.want+after; got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
	if text := "unable to get metric a/nil: no pods"; Readable(text) != text {
		t.Errorf("%q became %q", text, Readable(text))
	}
}

// Whatever the text, what has no selector stays as it is, and a selector that Kubernetes
// takes is written as kubectl does.
func FuzzReadable(f *testing.F) {
	f.Add("queue", "reminders", "a b c")
	f.Add("a/b", "", "&LabelSelector{MatchLabels:map[string]string{},}")
	f.Fuzz(func(t *testing.T, key, value, before string) {
		if read := Readable(before); !strings.Contains(before, "LabelSelector{") && !strings.Contains(before, "/nil:") && read != before {
			t.Errorf("%q became %q", before, read)
		}
		s := &metav1.LabelSelector{MatchLabels: map[string]string{key: value}}
		want := metav1.FormatLabelSelector(s)
		if got := Readable("m/" + s.String() + ": no"); want != unreadable && got != "m{"+want+"}: no" {
			t.Errorf("%q became %q", s, got)
		}
	})
}
