package convert_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/loadline/loadline/policy/api/v1alpha1"
	"github.com/loadline/loadline/policy/convert"
	"github.com/loadline/loadline/policy/hpa"
)

// The policy that is made of a policy's HPA makes the same HPA, for every policy without
// a query, whose expression no HPA has. The policies are random, the seeds are fixed.
func TestRoundTrip(t *testing.T) {
	kinds := map[string]int{}
	for seed := range uint64(2000) {
		p := random(rand.New(rand.NewPCG(seed, 0)), kinds)
		h, problems := hpa.Build(p, nil, all)
		if h == nil {
			t.Fatalf("seed %d: %q", seed, lines(problems))
		}
		again, problems := convert.FromV2(h)
		if again == nil {
			t.Fatalf("seed %d: %q", seed, lines(problems))
		}
		rebuilt, problems := hpa.Build(again, nil, all)
		if rebuilt == nil {
			t.Fatalf("seed %d: %q", seed, lines(problems))
		}
		if diff := cmp.Diff(h, rebuilt); diff != "" {
			t.Fatalf("seed %d (-first +second):\n%s", seed, diff)
		}
	}
	for _, kind := range []string{"requestRate", "queue", "queue selected", "cpu", "memory", "custom", "custom object", "external", "profile", "behavior"} {
		if kinds[kind] < 50 {
			t.Errorf("%s in %d policies only", kind, kinds[kind])
		}
	}
}

// random returns a sound policy without a query, and counts what is in it.
func random(r *rand.Rand, kinds map[string]int) *v1alpha1.AutoscalingPolicy {
	p := &v1alpha1.AutoscalingPolicy{ObjectMeta: metav1.ObjectMeta{Name: "web", Namespace: "shop"}}
	p.Spec.TargetRef = v1alpha1.TargetReference{APIVersion: "apps/v1", Kind: []string{"Deployment", "StatefulSet"}[r.IntN(2)], Name: "web"}
	p.Spec.Replicas = v1alpha1.Replicas{Min: 1 + r.Int32N(5), Max: 6 + r.Int32N(100)}
	target := func() *resource.Quantity {
		return ptr.To(resource.MustParse([]string{"50", "0.5", "500m", "1k", "256Mi", "1e3", "3"}[r.IntN(7)]))
	}
	selector := func() *metav1.LabelSelector {
		return &metav1.LabelSelector{MatchLabels: map[string]string{"n": fmt.Sprint(r.IntN(1 << 30))}}
	}
	name := func() string { return fmt.Sprint("metric_", r.IntN(1<<30)) }
	for i := range 1 + r.IntN(6) {
		kind := []string{"requestRate", "queue", "queue selected", "cpu", "memory", "custom", "custom object", "external"}[r.IntN(8)]
		o := v1alpha1.Objective{}
		switch kind {
		case "requestRate":
			if kinds[kind]++; i > 0 { // a policy has one
				o.CPU = &v1alpha1.Resource{PerPod: target(), Container: fmt.Sprint("c", i)}
				break
			}
			o.RequestRate = &v1alpha1.RequestRate{PerPod: *target()}
			if r.IntN(2) == 0 {
				o.RequestRate.Metric = name()
			}
			if r.IntN(2) == 0 {
				o.RequestRate.Selector = selector()
			}
		case "queue":
			o.Queue = &v1alpha1.Queue{Name: fmt.Sprint("q", i), PerPod: *target()}
			if r.IntN(2) == 0 {
				o.Queue.Metric = name()
			}
		case "queue selected":
			o.Queue = &v1alpha1.Queue{Selector: selector(), PerPod: *target()}
		case "cpu", "memory":
			one := &v1alpha1.Resource{Container: fmt.Sprint("d", i)}
			if r.IntN(2) == 0 {
				one.PerPod = target()
			} else {
				one.Utilization = ptr.To(1 + r.Int32N(1000))
			}
			if kind == "cpu" {
				o.CPU = one
			} else {
				o.Memory = one
			}
			if i == 0 {
				one.Container = ""
			}
		case "custom":
			o.Custom = &v1alpha1.Custom{Metric: name(), PerPod: target(), Selector: selector()}
		case "custom object":
			o.Custom = &v1alpha1.Custom{Metric: name(), Object: &v1alpha1.ObjectReference{APIVersion: "v1", Kind: "Service", Name: "web"}}
			if r.IntN(2) == 0 {
				o.Custom.PerPod = target()
			} else {
				o.Custom.Value = target()
			}
		case "external":
			o.External = &v1alpha1.External{Metric: name()}
			if r.IntN(2) == 0 {
				o.External.PerPod = target()
			} else {
				o.External.Value = target()
			}
		}
		kinds[kind]++
		p.Spec.Objectives = append(p.Spec.Objectives, o)
	}
	if r.IntN(2) == 0 {
		kinds["profile"]++
		p.Spec.Profile = []v1alpha1.Profile{"", v1alpha1.Steady, v1alpha1.Balanced, v1alpha1.Responsive}[r.IntN(4)]
		return p
	}
	kinds["behavior"]++
	p.Spec.Behavior = &autoscalingv2.HorizontalPodAutoscalerBehavior{}
	for _, of := range []**autoscalingv2.HPAScalingRules{&p.Spec.Behavior.ScaleUp, &p.Spec.Behavior.ScaleDown} {
		if r.IntN(3) == 0 {
			continue
		}
		*of = &autoscalingv2.HPAScalingRules{
			StabilizationWindowSeconds: ptr.To(r.Int32N(3601)),
			SelectPolicy:               ptr.To([]autoscalingv2.ScalingPolicySelect{"Max", "Min", "Disabled"}[r.IntN(3)]),
			Tolerance:                  ptr.To(resource.MustParse("0.05")),
			Policies:                   []autoscalingv2.HPAScalingPolicy{{Type: "Pods", Value: 1 + r.Int32N(9), PeriodSeconds: 1 + r.Int32N(1800)}},
		}
	}
	return p
}
