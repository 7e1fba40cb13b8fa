package hpa_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/loadline/loadline/policy/api/v1alpha1"
	"github.com/loadline/loadline/policy/hpa"
)

type horizontal = autoscalingv2.HorizontalPodAutoscaler

func TestDifferences(t *testing.T) {
	target := func(h *horizontal) *autoscalingv2.MetricTarget { return &h.Spec.Metrics[0].Pods.Target }
	for name, tc := range map[string]struct {
		want, live    func(*horizontal)
		ours, foreign []string
	}{
		"none": {},
		"what a server adds": {live: func(h *horizontal) {
			h.UID, h.ResourceVersion, h.Generation = "u", "1", 3
			h.Status.CurrentReplicas = 3
			h.ManagedFields = []metav1.ManagedFieldsEntry{{Manager: "loadline-policy"}}
		}},
		"what others add to the metadata": {live: func(h *horizontal) {
			h.Labels["team"], h.Annotations["loadline.dev/release"] = "a", "keep"
			h.OwnerReferences = append(h.OwnerReferences, metav1.OwnerReference{APIVersion: "v1", Kind: "ConfigMap", Name: "x", UID: "y"})
			h.OwnerReferences[0].BlockOwnerDeletion = ptr.To(true)
			h.Finalizers = []string{"example.org/x"}
		}},
		"each field of the spec": {live: func(h *horizontal) {
			h.Spec.ScaleTargetRef = autoscalingv2.CrossVersionObjectReference{APIVersion: "apps/v2", Kind: "StatefulSet", Name: "x"}
			h.Spec.MinReplicas, h.Spec.MaxReplicas = ptr.To[int32](3), 7
			h.Spec.Behavior.ScaleUp.StabilizationWindowSeconds = ptr.To[int32](1)
			h.Spec.Behavior.ScaleDown.SelectPolicy = ptr.To(autoscalingv2.DisabledPolicySelect)
			h.Spec.Behavior.ScaleDown.Policies[0].Value = 99
			h.Spec.Behavior.ScaleUp.Policies = h.Spec.Behavior.ScaleUp.Policies[:1]
			target(h).AverageValue = ptr.To(resource.MustParse("51"))
		}, ours: []string{
			"spec.behavior.scaleDown.policies[0].value", "spec.behavior.scaleDown.selectPolicy", "spec.behavior.scaleUp.policies",
			"spec.behavior.scaleUp.stabilizationWindowSeconds", "spec.maxReplicas", "spec.metrics[0].pods.target.averageValue",
			"spec.minReplicas", "spec.scaleTargetRef.apiVersion", "spec.scaleTargetRef.kind", "spec.scaleTargetRef.name",
		}},
		"fields that are gone": {live: func(h *horizontal) {
			h.Spec.MinReplicas, h.Spec.Behavior.ScaleUp = nil, nil
			h.Spec.Behavior.ScaleDown.StabilizationWindowSeconds = nil
			h.Spec.ScaleTargetRef.APIVersion = ""
		}, ours: []string{
			// Gone is what the server fills in: minReplicas 1, and its own way up.
			"spec.behavior.scaleDown.stabilizationWindowSeconds", "spec.behavior.scaleUp.policies[0].type", "spec.behavior.scaleUp.policies[0].value",
			"spec.behavior.scaleUp.policies[1].type", "spec.behavior.scaleUp.policies[1].value", "spec.minReplicas", "spec.scaleTargetRef.apiVersion",
		}},
		"a whole behavior that is gone": {live: func(h *horizontal) { h.Spec.Behavior = nil }, ours: []string{"spec.behavior"}},
		"no metrics": {live: func(h *horizontal) { h.Spec.Metrics = nil },
			ours: []string{"spec.metrics[0].pods", "spec.metrics[0].resource", "spec.metrics[0].type"}},
		"one metric more": {live: func(h *horizontal) {
			h.Spec.Metrics = append(h.Spec.Metrics, hpa.DefaultMetric())
		}, ours: []string{"spec.metrics"}},
		"a field more in a metric": {live: func(h *horizontal) { target(h).Value = ptr.To(resource.MustParse("1")) },
			ours: []string{"spec.metrics[0].pods.target.value"}},
		"another selector": {
			want: func(h *horizontal) {
				h.Spec.Metrics[0].Pods.Metric.Selector = &metav1.LabelSelector{MatchLabels: map[string]string{"example.org/a": "1"}}
			},
			live: func(h *horizontal) {
				h.Spec.Metrics[0].Pods.Metric.Selector = &metav1.LabelSelector{MatchLabels: map[string]string{"example.org/a": "2"}}
			},
			ours: []string{"spec.metrics[0].pods.metric.selector.matchLabels[example.org/a]"},
		},
		"foreign tolerances": {live: func(h *horizontal) {
			h.Spec.Behavior.ScaleUp.Tolerance, h.Spec.Behavior.ScaleDown.Tolerance = ptr.To(resource.MustParse("0.1")), ptr.To(resource.MustParse("0"))
		}, foreign: []string{"spec.behavior.scaleDown.tolerance", "spec.behavior.scaleUp.tolerance"}},
		"a foreign behavior": {want: func(h *horizontal) { h.Spec.Behavior = nil }, foreign: []string{"spec.behavior"}},
		"a tolerance of ours": {
			want: func(h *horizontal) { h.Spec.Behavior.ScaleUp.Tolerance = ptr.To(resource.MustParse("0.05")) },
			live: func(h *horizontal) { h.Spec.Behavior.ScaleUp.Tolerance = ptr.To(resource.MustParse("50m")) },
		},
		"a tolerance of ours, dropped": {
			want: func(h *horizontal) { h.Spec.Behavior.ScaleUp.Tolerance = ptr.To(resource.MustParse("0.05")) },
			ours: []string{"spec.behavior.scaleUp.tolerance"},
		},
		"quantities spelt otherwise": {
			want: func(h *horizontal) { target(h).AverageValue = ptr.To(resource.MustParse("1Gi")) },
			live: func(h *horizontal) { target(h).AverageValue = ptr.To(resource.MustParse("1073741824")) },
		},
		"an exponent": {
			want: func(h *horizontal) { target(h).AverageValue = ptr.To(resource.MustParse("1e3")) },
			live: func(h *horizontal) { target(h).AverageValue = ptr.To(resource.MustParse("1000000m")) },
		},
		"a quantity that cannot be written out": {
			live: func(h *horizontal) { target(h).AverageValue = ptr.To(resource.MustParse("1e2147483647")) },
			ours: []string{"spec.metrics[0].pods.target.averageValue"},
		},
		"what is left out is what the server fills in": {
			want: func(h *horizontal) { h.Spec = left(h.Spec) },
			live: func(h *horizontal) {
				h.Spec = left(h.Spec)
				h.Spec.MinReplicas = ptr.To[int32](1)
				h.Spec.Metrics = []autoscalingv2.MetricSpec{hpa.DefaultMetric()}
				h.Spec.Behavior.ScaleUp = scaling(autoscalingv2.MaxChangePolicySelect, "4/15", "100%/15")
				h.Spec.Behavior.ScaleUp.StabilizationWindowSeconds = ptr.To[int32](0)
				h.Spec.Behavior.ScaleDown = scaling(autoscalingv2.MaxChangePolicySelect, "100%/15")
			},
		},
		"labels and annotations of ours": {live: func(h *horizontal) {
			delete(h.Labels, hpa.PolicyLabel)
			h.Labels[hpa.ManagedByLabel], h.Annotations[hpa.MinAnnotation] = "helm", "9"
		}, ours: []string{"metadata.annotations[loadline.dev/min]", "metadata.labels[app.kubernetes.io/managed-by]", "metadata.labels[loadline.dev/policy]"}},
		"no owner":         {live: func(h *horizontal) { h.OwnerReferences = nil }, ours: []string{"metadata.ownerReferences"}},
		"an owner to drop": {want: func(h *horizontal) { h.OwnerReferences = nil }, ours: []string{"metadata.ownerReferences"}},
		"an earlier policy of the name owns it, too": {live: func(h *horizontal) {
			old := *h.OwnerReferences[0].DeepCopy()
			old.UID, old.Controller = "older", nil
			h.OwnerReferences = append(h.OwnerReferences, old)
		}, ours: []string{"metadata.ownerReferences"}},
		"no longer the controller": {live: func(h *horizontal) { h.OwnerReferences[0].Controller = nil }, ours: []string{"metadata.ownerReferences"}},
	} {
		t.Run(name, func(t *testing.T) {
			want, _ := hpa.Build(policy(), nil, all)
			live := want.DeepCopy()
			if tc.want != nil {
				tc.want(want)
			}
			if tc.live != nil {
				tc.live(live)
			}
			ours, foreign := hpa.Differences(want, live)
			if diff := cmp.Diff(tc.ours, ours); diff != "" {
				t.Errorf("ours (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tc.foreign, foreign); diff != "" {
				t.Errorf("foreign (-want +got):\n%s", diff)
			}
		})
	}
}

// left returns a spec with all left out that a server fills in.
func left(s autoscalingv2.HorizontalPodAutoscalerSpec) autoscalingv2.HorizontalPodAutoscalerSpec {
	return autoscalingv2.HorizontalPodAutoscalerSpec{
		ScaleTargetRef: s.ScaleTargetRef, MaxReplicas: s.MaxReplicas,
		Behavior: &autoscalingv2.HorizontalPodAutoscalerBehavior{},
	}
}

// Whatever Build makes differs from itself nowhere, a server's spelling included.
func TestNoDifferences(t *testing.T) {
	for name, p := range map[string]*v1alpha1.AutoscalingPolicy{"plain": policy(), "rich": rich(t)} {
		want, problems := hpa.Build(p, nil, all)
		if want == nil {
			t.Fatalf("%s: %q", name, lines(problems))
		}
		saved, err := hpa.Save(want.Spec)
		if err != nil {
			t.Fatal(err)
		}
		live := want.DeepCopy()
		if live.Spec, err = hpa.Restore(saved); err != nil {
			t.Fatal(err)
		}
		if ours, foreign := hpa.Differences(want, live); len(ours)+len(foreign) > 0 {
			t.Errorf("%s: ours %q, foreign %q", name, ours, foreign)
		}
	}
}
