package decide

import (
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/loadline/loadline/policy/api/v1alpha1"
)

// at is when the tests happen.
var at = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

// policy returns one with a request rate and bounds.
func policy(edit ...func(*v1alpha1.AutoscalingPolicy)) *v1alpha1.AutoscalingPolicy {
	p := &v1alpha1.AutoscalingPolicy{
		ObjectMeta: metav1.ObjectMeta{Name: "web", Namespace: "shop", UID: "u-web", Generation: 1, CreationTimestamp: metav1.NewTime(at.Add(-24 * time.Hour))},
		Spec: v1alpha1.AutoscalingPolicySpec{
			TargetRef:  v1alpha1.TargetReference{APIVersion: "apps/v1", Kind: "Deployment", Name: "web"},
			Replicas:   v1alpha1.Replicas{Min: 2, Max: 10},
			Objectives: []v1alpha1.Objective{{RequestRate: &v1alpha1.RequestRate{PerPod: resource.MustParse("50")}}},
			Mode:       v1alpha1.Enforce, DeletionPolicy: v1alpha1.Delete,
		},
	}
	for _, e := range edit {
		e(p)
	}
	return p
}

// A policy without an HPA leads to one write; with what was written there is none.
func TestApplyThenRest(t *testing.T) {
	s := Snapshot{Now: at, Settings: Defaults(), Policy: policy()}
	first := Decide(s)
	if first.Action == nil || first.Action.Kind != Apply || first.Action.ResourceVersion != "" {
		t.Fatalf("action %+v", first.Action)
	}
	s.Live = first.Action.HPA.DeepCopy()
	s.Live.UID = "u-hpa"
	s.Policy.Status = first.Status
	second := Decide(s)
	if second.Action != nil || second.Status.HPA.UID != "u-hpa" {
		t.Fatalf("%+v", second)
	}
	s.Policy.Status = second.Status
	if rest := Decide(s); rest.Action != nil || rest.Changed {
		t.Errorf("at rest: %+v", rest)
	}
}

// A decision about a policy at rest is made at each sync of each HPA.
func BenchmarkDecide(b *testing.B) {
	w := newWorld(&testing.T{}, scheduled("0 7 * * 1-5", time.Hour, 5), fallback(time.Minute, 5), withCPU)
	w.policy.Spec.Schedules[0].TimeZone = "Europe/Berlin"
	w.rest()
	s := w.snapshot()
	b.ReportAllocs()
	for b.Loop() {
		Decide(s)
	}
}
