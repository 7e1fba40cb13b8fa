package webhook

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	admissionv1 "k8s.io/api/admission/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/loadline/loadline/policy/api/v1alpha1"
	"github.com/loadline/loadline/policy/floor"
	"github.com/loadline/loadline/policy/hpa"
)

// Policies judges AutoscalingPolicies by what can be said of one without its cluster, as
// kubectl loadline render does. checkQuery says what is wrong with a PromQL expression
// in a namespace; nil if nothing is.
//
// A write that leaves the spec as it was passes without a word. So does, with a warning,
// a mistake that was there before: who mends another field must not be stopped by it.
func Policies(checkQuery func(namespace, expr string) []string) Judge {
	return func(_ context.Context, r *admissionv1.AdmissionRequest) (Verdict, error) {
		if r.SubResource != "" || r.Operation != admissionv1.Create && r.Operation != admissionv1.Update {
			return Verdict{}, nil
		}
		p, err := readPolicy(r, r.Object.Raw)
		if err != nil || p.DeletionTimestamp != nil {
			return Verdict{}, err
		}
		if r.Operation == admissionv1.Create {
			return judged(problems(p, checkQuery), nil), nil
		}
		old, err := readPolicy(r, r.OldObject.Raw)
		if err != nil || equality.Semantic.DeepEqual(old.Spec, p.Spec) {
			return Verdict{}, err
		}
		v := judged(problems(p, checkQuery), problems(old, checkQuery))
		if text := leaves(old, p); text != "" {
			v.Warnings = append(v.Warnings, text)
		}
		return v, nil
	}
}

// leaves warns of a policy that gives blue/green up while its target is the workload that
// serves no longer, which may have no pods.
func leaves(old, p *v1alpha1.AutoscalingPolicy) string {
	state := old.Status.BlueGreen
	if old.Spec.BlueGreen == nil || p.Spec.BlueGreen != nil || state == nil || state.Serving == "" || state.Serving == p.Spec.TargetRef.Name {
		return ""
	}
	return fmt.Sprintf("spec.blueGreen: without it the HPA goes from %s, which serves, to spec.targetRef, %s: name %s there in the same write", state.Serving, p.Spec.TargetRef.Name, state.Serving)
}

func readPolicy(r *admissionv1.AdmissionRequest, raw []byte) (*v1alpha1.AutoscalingPolicy, error) {
	p := &v1alpha1.AutoscalingPolicy{}
	if err := json.Unmarshal(raw, p); err != nil {
		return nil, fmt.Errorf("read the %s: %w", v1alpha1.Kind, err)
	}
	p.Namespace = cmp.Or(p.Namespace, r.Namespace)
	// One that the API server is still to name gets five characters more.
	p.Name = cmp.Or(p.Name, r.Name, p.GenerateName+"00000")
	return p, nil
}

// problems are those that need no cluster to be seen.
func problems(p *v1alpha1.AutoscalingPolicy, checkQuery func(namespace, expr string) []string) []hpa.Problem {
	_, schedules := floor.Compile(p.Spec.Schedules)
	found := hpa.Merge(hpa.Check(p), schedules)
	for i, o := range p.Spec.Objectives {
		if o.Query == nil {
			continue
		}
		at := field.NewPath("spec", "objectives").Index(i).Child("query", "expr").String()
		for _, text := range checkQuery(p.Namespace, o.Query.Expr) {
			found = append(found, hpa.Problem{Level: hpa.Error, Field: at, Message: text})
		}
	}
	return found
}

// judged refuses for the errors that were not there before, and warns of the rest.
func judged(found, before []hpa.Problem) Verdict {
	var v Verdict
	var refused []string
	for _, p := range found {
		if p.Level == hpa.Error && !slices.Contains(before, p) {
			refused = append(refused, p.Error())
		} else {
			v.Warnings = append(v.Warnings, p.Error())
		}
	}
	v.Refused = strings.Join(refused, "; ")
	return v
}
