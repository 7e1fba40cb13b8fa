package hpa_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	autoscalingv2 "k8s.io/api/autoscaling/v2"

	"github.com/loadline/loadline/policy/hpa"
)

func TestRestoreRefuses(t *testing.T) {
	const target = `"scaleTargetRef":{"apiVersion":"apps/v1","kind":"Deployment","name":"web"},"maxReplicas":5`
	for name, tc := range map[string]struct{ saved, want string }{
		"nothing":             {``, "the saved spec is not that of an HPA: EOF"},
		"no JSON":             {`kind: Deployment`, "the saved spec is not that of an HPA: invalid character 'k' looking for beginning of value"},
		"a list":              {`[]`, "the saved spec is not that of an HPA: json: cannot unmarshal array into Go value of type v2.HorizontalPodAutoscalerSpec"},
		"null":                {`null`, "the saved spec is not that of an HPA: scaleTargetRef names no target"},
		"no target":           {`{"maxReplicas":5}`, "the saved spec is not that of an HPA: scaleTargetRef names no target"},
		"no max":              {`{"scaleTargetRef":{"kind":"Deployment","name":"web"}}`, "the saved spec is not that of an HPA: maxReplicas is 0"},
		"min above max":       {`{` + target + `,"minReplicas":6}`, "the saved spec is not that of an HPA: minReplicas is 6, maxReplicas 5"},
		"min below 0":         {`{` + target + `,"minReplicas":-1}`, "the saved spec is not that of an HPA: minReplicas is -1, maxReplicas 5"},
		"a metric of nothing": {`{` + target + `,"metrics":[{"type":"Pods"}]}`, "the saved spec is not that of an HPA: metrics[0] has no source"},
		"a field of a later version": {`{` + target + `,"strategy":"x"}`,
			`the saved spec is not that of an HPA: json: unknown field "strategy"`},
		"two": {`{` + target + `}{}`, "the saved spec is followed by something else"},
		"too long": {`{` + target + `,"metrics":[` + strings.Repeat(" ", hpa.MaxSaved) + `]}`,
			"the saved spec has 102505 bytes, more than 102400"},
		"an endless quantity": {`{` + target + `,"metrics":[{"type":"Pods","pods":{"metric":{"name":"m"},"target":{"type":"AverageValue","averageValue":"1e-2147483647"}}}]}`,
			`the saved spec is not that of an HPA: metrics[0].pods.target.averageValue: "1e-2147483647" is no quantity: its exponent is out of range`},
	} {
		t.Run(name, func(t *testing.T) {
			spec, err := hpa.Restore(tc.saved)
			if err == nil || err.Error() != tc.want {
				t.Errorf("error %v\nwant %s", err, tc.want)
			}
			if diff := cmp.Diff(autoscalingv2.HorizontalPodAutoscalerSpec{}, spec); diff != "" {
				t.Errorf("a spec all the same:\n%s", diff)
			}
		})
	}
}

// A spec that is too long for an annotation is not saved in part.
func TestSaveRefuses(t *testing.T) {
	h, _ := hpa.Build(policy(), nil, all)
	h.Spec.Metrics[0].Pods.Metric.Name = strings.Repeat("m", hpa.MaxSaved)
	if saved, err := hpa.Save(h.Spec); err == nil || saved != "" {
		t.Errorf("%d bytes, %v", len(saved), err)
	}
}

// What is refused is a quantity wherever it is, in whatever case, the first of two and
// behind an escape; names that look alike are not.
func TestCheckQuantities(t *testing.T) {
	for name, tc := range map[string]struct{ document, want string }{
		"sound":           {`{"spec":{"objectives":[{"cpu":{"perPod":"1e3"}}]}}`, ""},
		"three digits":    {`{"value":"1e999"}`, ""},
		"a name":          {`{"name":"e1234","metric":{"name":"1e12345"}}`, ""},
		"not JSON":        {`{"value"`, ""},
		"a label":         {`{"selector":{"matchLabels":{"value":"1e12345","tolerance":"high"}},"value":"1"}`, ""},
		"null":            {`{"value":null}`, ""},
		"no quantity":     {`{"target":{"value":"high"}}`, `target.value: "high" is no quantity: give a number such as 50, 1.5k or 500m`},
		"neither":         {`{"value":true}`, `value: "true" is no quantity: give a number such as 50, 1.5k or 500m`},
		"a field":         {`{"spec":{"objectives":[{},{"cpu":{"perPod":"1e-1000"}}]}}`, `spec.objectives[1].cpu.perPod: "1e-1000" is no quantity: its exponent is out of range`},
		"a number":        {`{"value":1e2147483647}`, `value: "1e2147483647" is no quantity: its exponent is out of range`},
		"another case":    {`{"AVERAGEVALUE":"1E+1234"}`, `AVERAGEVALUE: "1E+1234" is no quantity: its exponent is out of range`},
		"the first":       {`{"value":"1e-12345","value":"1"}`, `value: "1e-12345" is no quantity: its exponent is out of range`},
		"the second":      {`{"a":{"b":[1,[2]]},"value":"1e-12345"}`, `value: "1e-12345" is no quantity: its exponent is out of range`},
		"an escape":       {`{"valu\u0065":"1\u0065-12345"}`, `value: "1e-12345" is no quantity: its exponent is out of range`},
		"after an object": {`[{"x":{}},{"tolerance":"1e12345"}]`, `[1].tolerance: "1e12345" is no quantity: its exponent is out of range`},
	} {
		t.Run(name, func(t *testing.T) {
			got := ""
			if err := hpa.CheckQuantities([]byte(tc.document)); err != nil {
				got = err.Error()
			}
			if got != tc.want {
				t.Errorf("%q, want %q", got, tc.want)
			}
		})
	}
}

// Whatever stands in the annotation, Restore returns; and what it takes, it takes again.
func FuzzRestore(f *testing.F) {
	for _, p := range []string{`{}`, `{"maxReplicas":1e99}`, `{"metrics":[{"type":"Pods"}]}`} {
		f.Add(p)
	}
	h, _ := hpa.Build(policy(), nil, all)
	saved, err := hpa.Save(h.Spec)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(saved)
	f.Add(strings.Replace(saved, `"50"`, `"1e-999"`, 1))
	f.Fuzz(func(t *testing.T, saved string) {
		spec, err := hpa.Restore(saved)
		if err != nil {
			return
		}
		again, err := hpa.Save(spec)
		if err != nil {
			return // it grew beyond the limit
		}
		restored, err := hpa.Restore(again)
		if err != nil {
			t.Fatalf("%s\nwas saved as\n%s\nwhich is refused: %v", saved, again, err)
		}
		if ours, foreign := hpa.Differences(&horizontal{Spec: spec}, &horizontal{Spec: restored}); len(ours)+len(foreign) > 0 {
			t.Errorf("%s\nand\n%s\ndiffer in %q %q", saved, again, ours, foreign)
		}
	})
}
