//go:build e2e

package policy

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/loadline/loadline/policy/api/v1alpha1"
)

// quick is a behavior whose floors are lowered within seconds, with every field set
// that an HPA's behavior can have but tolerance.
func quick() *autoscalingv2.HorizontalPodAutoscalerBehavior {
	rules := func() *autoscalingv2.HPAScalingRules {
		return &autoscalingv2.HPAScalingRules{
			StabilizationWindowSeconds: ptr.To[int32](0), SelectPolicy: ptr.To(autoscalingv2.MaxChangePolicySelect),
			Policies: []autoscalingv2.HPAScalingPolicy{{Type: autoscalingv2.PodsScalingPolicy, Value: 1, PeriodSeconds: 1}},
		}
	}
	return &autoscalingv2.HorizontalPodAutoscalerBehavior{ScaleUp: rules(), ScaleDown: rules()}
}

// external is a policy on the metric of a metricAPI, with the quick behavior.
func external(p *v1alpha1.AutoscalingPolicy) {
	p.Spec.Objectives = []v1alpha1.Objective{{External: &v1alpha1.External{Metric: "load", PerPod: ptr.To(resource.MustParse("10"))}}}
	p.Spec.Behavior = quick()
}

// patch is one edit by hand, as a JSON patch's operation.
type patch struct {
	Op    string `json:"op"`
	Path  string `json:"path"`
	Value any    `json:"value,omitempty"`
}

// handEdits are an edit of each field that an HPA's spec has, by its path, and of
// those that it could have besides; and of what we write into the metadata.
func handEdits(t *testing.T, h *autoscalingv2.HorizontalPodAutoscaler) map[string]patch {
	t.Helper()
	data, err := json.Marshal(h.Spec)
	must(t, err)
	var spec any
	must(t, json.Unmarshal(data, &spec))
	edits := map[string]patch{
		"a tolerance up":   {"add", "/spec/behavior/scaleUp/tolerance", "0.2"},
		"a tolerance down": {"add", "/spec/behavior/scaleDown/tolerance", "0.2"},
		"no behavior":      {"remove", "/spec/behavior", nil},
		"no metrics":       {"remove", "/spec/metrics", nil},
		"no minimum":       {"remove", "/spec/minReplicas", nil},
		"no owner":         {"remove", "/metadata/ownerReferences", nil},
		"no label":         {"remove", "/metadata/labels/loadline.dev~1policy", nil},
		"no annotation":    {"remove", "/metadata/annotations/loadline.dev~1min", nil},
	}
	var walk func(path string, v any)
	walk = func(path string, v any) {
		switch v := v.(type) {
		case map[string]any:
			for key, of := range v {
				walk(path+"/"+key, of)
			}
		case []any:
			for i, of := range v {
				walk(fmt.Sprintf("%s/%d", path, i), of)
			}
		case float64:
			edits[path] = patch{"replace", path, v + 1}
		case string:
			edits[path] = patch{"replace", path, otherThan(path, v)}
		default:
			t.Fatalf("%s: a %T", path, v)
		}
	}
	walk("/spec", spec)
	return edits
}

// otherThan is another value of a field of text.
func otherThan(path, v string) string {
	switch field := path[strings.LastIndex(path, "/")+1:]; {
	case field == "selectPolicy":
		return "Min"
	case field == "type" && strings.Contains(path, "/policies/"):
		return "Percent"
	case field == "type" && strings.HasSuffix(path, "/target/type"):
		return "Value"
	case field == "type":
		return "Pods"
	case field == "averageValue":
		return "11"
	}
	return v + "x"
}

// Whatever field of an HPA is edited by hand gets back what the policy says; only a
// minimum that was raised comes down step by step.
func TestP1Restored(t *testing.T) {
	startMetricAPI(t)
	ns := namespace(t)
	create(t, newPolicy(ns, "first", external))
	edits := handEdits(t, built(t, ns, "first"))
	var refused []string
	for i, name := range slices.Sorted(maps.Keys(edits)) {
		// A policy for each: edits of one and the same HPA would be a fight.
		own := fmt.Sprintf("edit%d", i)
		create(t, newPolicy(ns, own, external))
		raised := name == "/spec/minReplicas"
		if raised {
			sized(t, ns, own, 2)
		}
		before := built(t, ns, own)
		if raised {
			goodMetrics(t, ns, own)
		}
		data, err := json.Marshal([]patch{edits[name]})
		must(t, err)
		err = kube.Patch(t.Context(), before.DeepCopy(), client.RawPatch(types.JSONPatchType, data))
		if apierrors.IsInvalid(err) {
			refused = append(refused, name)
			continue
		}
		must(t, err)
		if after := built(t, ns, own); after.UID != before.UID {
			t.Errorf("%s: the HPA was replaced", name)
		}
	}
	// Alone, without the source that would go with it.
	want := []string{"/spec/metrics/0/type"}
	if !slices.Equal(refused, want) {
		t.Errorf("the API server refuses the edits %v, want %v", refused, want)
	}
	t.Logf("%d edits, %d of them refused by the API server", len(edits), len(refused))

	h, err := getHPA(t.Context(), ns, "first")
	must(t, err)
	must(t, kube.Delete(t.Context(), h))
	system.Until(t, "the deleted HPA made again", soon, func(ctx context.Context) (bool, string) {
		again, err := getHPA(ctx, ns, "first")
		if err != nil {
			return false, err.Error()
		}
		return again.UID != h.UID, "the old one"
	})
	built(t, ns, "first")
}

// goodMetrics waits until a policy's metrics are available.
func goodMetrics(t *testing.T, namespace, name string) {
	t.Helper()
	system.Until(t, "metrics of "+name, 30*time.Second, func(ctx context.Context) (bool, string) {
		p, err := getPolicy(ctx, namespace, name)
		if err != nil {
			return false, err.Error()
		}
		c := condition(p, v1alpha1.MetricsAvailable)
		return strings.HasPrefix(c, "MetricsAvailable=True"), c
	})
}
