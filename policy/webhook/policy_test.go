package webhook

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	admissionv1 "k8s.io/api/admission/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/loadline/loadline/policy/api/v1alpha1"
)

func policy(edit ...func(*v1alpha1.AutoscalingPolicy)) *v1alpha1.AutoscalingPolicy {
	p := &v1alpha1.AutoscalingPolicy{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web"},
		Spec: v1alpha1.AutoscalingPolicySpec{
			TargetRef:  v1alpha1.TargetReference{APIVersion: "apps/v1", Kind: "Deployment", Name: "web"},
			Replicas:   v1alpha1.Replicas{Min: 2, Max: 6},
			Objectives: []v1alpha1.Objective{{RequestRate: &v1alpha1.RequestRate{PerPod: resource.MustParse("50")}}},
		},
	}
	for _, e := range edit {
		e(p)
	}
	return p
}

func scheduled(start, zone string) func(*v1alpha1.AutoscalingPolicy) {
	return func(p *v1alpha1.AutoscalingPolicy) {
		p.Spec.Schedules = append(p.Spec.Schedules, v1alpha1.Schedule{
			Name: "day", Start: start, TimeZone: zone, Duration: metav1.Duration{Duration: time.Hour}, Min: 4,
		})
	}
}

func asking(expr string) func(*v1alpha1.AutoscalingPolicy) {
	return func(p *v1alpha1.AutoscalingPolicy) {
		p.Spec.Objectives = append(p.Spec.Objectives, v1alpha1.Objective{Query: &v1alpha1.Query{
			Name: "rate", Expr: expr, PerPod: resource.NewQuantity(1, resource.DecimalSI),
		}})
	}
}

func labelled(p *v1alpha1.AutoscalingPolicy) { p.Labels = map[string]string{"a": "b"} }

// turns is a policy whose other workload serves.
func turns(p *v1alpha1.AutoscalingPolicy) {
	p.Spec.BlueGreen = &v1alpha1.BlueGreen{Service: "web", OtherRef: p.Spec.TargetRef}
	p.Spec.BlueGreen.OtherRef.Name = "green"
	p.Status.BlueGreen = &v1alpha1.BlueGreenState{Serving: "green"}
}

func upTo(max int32) func(*v1alpha1.AutoscalingPolicy) {
	return func(p *v1alpha1.AutoscalingPolicy) { p.Spec.Replicas.Max = max }
}

func TestPolicies(t *testing.T) {
	const (
		badCron  = `spec.schedules[0].start: `
		badQuery = "spec.objectives[1].query.expr: no query of shop"
		alike    = "spec.replicas.max: min and max are both 2: nothing can scale: raise max"
	)
	cron := scheduled("0 25 * * *", "UTC")
	tests := map[string]struct {
		operation admissionv1.Operation
		was, is   any
		refused   []string // what it begins with
		warnings  []string // the same of each
	}{
		"sound":                      {admissionv1.Create, nil, policy(), nil, nil},
		"sound schedule and query":   {admissionv1.Create, nil, policy(scheduled("0 7 * * 1-5", "Europe/Berlin"), asking("good")), nil, nil},
		"cron":                       {admissionv1.Create, nil, policy(cron), []string{badCron}, nil},
		"time zone":                  {admissionv1.Create, nil, policy(scheduled("0 7 * * *", "Europe/Nowhere")), []string{"spec.schedules[0].timeZone: "}, nil},
		"PromQL":                     {admissionv1.Create, nil, policy(asking("bad")), []string{badQuery}, nil},
		"both":                       {admissionv1.Create, nil, policy(cron, asking("bad")), []string{badCron, badQuery}, nil},
		"doubtful":                   {admissionv1.Create, nil, policy(upTo(2)), nil, []string{alike}},
		"wrong and doubtful":         {admissionv1.Create, nil, policy(upTo(2), asking("bad")), []string{badQuery}, []string{alike}},
		"still to be named":          {admissionv1.Create, nil, policy(func(p *v1alpha1.AutoscalingPolicy) { p.Name, p.GenerateName = "", "web-" }), nil, nil},
		"label of a bad one":         {admissionv1.Update, policy(cron), policy(cron, labelled), nil, nil},
		"another mistake":            {admissionv1.Update, policy(cron), policy(cron, asking("bad")), []string{badQuery}, []string{badCron}},
		"another field of a bad one": {admissionv1.Update, policy(cron), policy(cron, upTo(9)), nil, []string{badCron}},
		"mended":                     {admissionv1.Update, policy(cron), policy(), nil, nil},
		"broken":                     {admissionv1.Update, policy(), policy(cron), []string{badCron}, nil},
		"about to go": {admissionv1.Update, policy(), policy(cron, func(p *v1alpha1.AutoscalingPolicy) {
			p.DeletionTimestamp = &metav1.Time{Time: time.Unix(1, 0)}
		}), nil, nil},
		"no blue/green, on what serves": {admissionv1.Update, policy(turns), policy(func(p *v1alpha1.AutoscalingPolicy) { p.Spec.TargetRef.Name = "green" }), nil, nil},
		"no blue/green, on what does not": {admissionv1.Update, policy(turns), policy(), nil, []string{
			"spec.blueGreen: without it the HPA goes from green, which serves, to spec.targetRef, "}},
		"deletion": {admissionv1.Delete, policy(cron), nil, nil, nil},
	}
	judge := Policies(func(namespace, expr string) []string {
		if expr == "bad" {
			return []string{"no query of " + namespace}
		}
		return nil
	})
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r := request(t, tt.operation, tt.was, tt.is)
			if name == "still to be named" {
				r.Name = ""
			}
			v, err := judge(t.Context(), r)
			if err != nil {
				t.Fatal(err)
			}
			var refused []string
			if v.Refused != "" {
				refused = strings.Split(v.Refused, "; ")
			}
			if diff := cmp.Diff(tt.refused, begins(refused, tt.refused)); diff != "" {
				t.Errorf("refused (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.warnings, begins(v.Warnings, tt.warnings)); diff != "" {
				t.Errorf("warnings (-want +got):\n%s", diff)
			}
		})
	}
}

// begins cuts each text down to what it should begin with.
func begins(texts, want []string) []string {
	for i := range texts {
		if i < len(want) && strings.HasPrefix(texts[i], want[i]) {
			texts[i] = want[i]
		}
	}
	return texts
}

// A status or a scale is never judged, whatever its object.
func TestSubresources(t *testing.T) {
	judges := map[string]Judge{"policies": Policies(nil), "services": NewGate(nil).Judge, "all services": NewGate(nil).JudgeAll}
	for name, judge := range judges {
		for _, sub := range []string{"status", "scale"} {
			r := request(t, admissionv1.Update, "no object", "no object")
			r.SubResource = sub
			if v, err := judge(t.Context(), r); err != nil || v.Refused != "" || v.Warnings != nil {
				t.Errorf("%s/%s: %v, %v", name, sub, v, err)
			}
		}
	}
}
