//go:build e2e

package policy

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
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

// handEdits are an edit of each field that an HPA's spec can have, by its path: of those
// that h has another value, and of the others one. Besides, what takes a part of it away
// as a whole, or something that we write into the metadata.
func handEdits(t *testing.T, h *autoscalingv2.HorizontalPodAutoscaler) map[string]patch {
	t.Helper()
	data, err := json.Marshal(h.Spec)
	must(t, err)
	var spec any
	must(t, json.Unmarshal(data, &spec))
	edits := map[string]patch{
		"no behavior":   {"remove", "/spec/behavior", nil},
		"no metrics":    {"remove", "/spec/metrics", nil},
		"no minimum":    {"remove", "/spec/minReplicas", nil},
		"no owner":      {"remove", "/metadata/ownerReferences", nil},
		"no label":      {"remove", "/metadata/labels/loadline.dev~1policy", nil},
		"no annotation": {"remove", "/metadata/annotations/loadline.dev~1min", nil},
	}
	at := map[string]string{} // a JSON pointer of each field that is there, by its path
	var walk func(path, pointer string, v any)
	walk = func(path, pointer string, v any) {
		at[path] = pointer
		switch v := v.(type) {
		case map[string]any:
			for key, of := range v {
				walk(strings.TrimPrefix(path+"."+key, "."), pointer+"/"+key, of)
			}
		case []any:
			for i, of := range v {
				walk(path+"[]", fmt.Sprintf("%s/%d", pointer, i), of)
			}
		case float64:
			edits[pointer] = patch{"replace", pointer, v + 1}
		case string:
			edits[pointer] = patch{"replace", pointer, otherThan(pointer, v)}
		default:
			t.Fatalf("%s: a %T", pointer, v)
		}
	}
	walk("", "/spec", spec)
	for _, path := range hpaPaths() {
		if at[path] != "" {
			continue
		}
		dot := strings.LastIndexByte(path, '.')
		name := path[dot+1:]
		parent, value := at[path[:max(dot, 0)]], additions[name]
		if parent == "" || value == nil {
			t.Fatalf("no edit of the HPA's field %s: this test has none to change, and no value to add", path)
		}
		edits["+"+parent+"/"+name] = patch{"add", parent + "/" + name, value}
	}
	return edits
}

// additions are values of fields that an HPA of ours can lack.
var additions = map[string]any{
	"tolerance": "0.2", "value": "11", "averageValue": "11", "averageUtilization": 50,
	"selector": map[string]any{"matchLabels": map[string]any{"some": "thing"}},
}

// hpaPaths are all fields of an HPA's spec. Types of other APIs are one value each.
func hpaPaths() []string {
	theirs := reflect.TypeFor[autoscalingv2.HorizontalPodAutoscalerSpec]().PkgPath()
	return paths(reflect.TypeFor[autoscalingv2.HorizontalPodAutoscalerSpec](), func(t reflect.Type) bool { return t.PkgPath() != theirs })
}

// otherThan is another value of a field of text.
func otherThan(path, v string) string {
	switch field := path[strings.LastIndex(path, "/")+1:]; {
	case field == "selectPolicy":
		return "Min"
	case field == "type" && strings.Contains(path, "/policies/"):
		return "Percent"
	case field == "type" && strings.HasSuffix(path, "/target/type") && v != "Value":
		return "Value"
	case field == "type" && strings.HasSuffix(path, "/target/type"):
		return "AverageValue"
	case field == "type" && v != "Pods":
		return "Pods"
	case field == "type":
		return "Resource"
	case field == "averageValue", field == "value":
		return "11"
	}
	return v + "x"
}

// restored edits every field of an HPA by hand: each gets back what the policy says; only
// a minimum that was raised comes down step by step. An HPA that is deleted is made
// again.
func restored(t *testing.T, _ *metricAPI) {
	ns := namespace(t)
	create(t, newPolicy(ns, "web", every, func(p *v1alpha1.AutoscalingPolicy) {
		p.Spec.Profile, p.Spec.Behavior = "", quick()
	}))
	first := built(t, ns, "web")
	edits := handEdits(t, first)
	var refused []string
	for _, name := range slices.Sorted(maps.Keys(edits)) {
		if name == "/spec/minReplicas" {
			lowered(t, ns, edits[name])
			continue
		}
		// Edits of different fields are a person at work, and no fight.
		err := byHand(t, first, edits[name])
		if apierrors.IsInvalid(err) {
			refused = append(refused, name)
			continue
		}
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if after := built(t, ns, "web"); after.UID != first.UID {
			t.Errorf("%s: the HPA was replaced", name)
		}
	}
	if !slices.Equal(refused, refusedEdits) {
		t.Errorf("the API server refuses the edits\n%s\nwant\n%s", strings.Join(refused, "\n"), strings.Join(refusedEdits, "\n"))
	}
	t.Logf("%d edits, %d of them refused by the API server", len(edits), len(refused))

	h, err := getHPA(t.Context(), ns, "web")
	must(t, err)
	must(t, kube.Delete(t.Context(), h))
	system.Until(t, "the deleted HPA made again", soon, func(ctx context.Context) (bool, string) {
		again, err := getHPA(ctx, ns, "web")
		if err != nil {
			return false, err.Error()
		}
		return again.UID != h.UID, "the old one"
	})
	built(t, ns, "web")
}

// refusedEdits are those that the API server refuses by itself: another type of metric
// without the source that goes with it, and a second target beside the one there is.
var refusedEdits = []string{
	"+/spec/metrics/3/resource/target/averageValue",
	"+/spec/metrics/4/containerResource/target/averageUtilization",
	"/spec/metrics/0/type",
	"/spec/metrics/1/type",
	"/spec/metrics/2/type",
	"/spec/metrics/3/type",
	"/spec/metrics/4/containerResource/name",
	"/spec/metrics/4/type",
	"/spec/metrics/5/type",
	"/spec/metrics/6/type",
	"/spec/metrics/7/type",
	"/spec/metrics/8/type",
	"/spec/metrics/9/type",
}

// byHand makes an edit as a person does.
func byHand(t *testing.T, h *autoscalingv2.HorizontalPodAutoscaler, edit patch) error {
	t.Helper()
	data, err := json.Marshal([]patch{edit})
	must(t, err)
	return kube.Patch(t.Context(), h.DeepCopy(), client.RawPatch(types.JSONPatchType, data))
}

// lowered raises the minimum of an HPA by hand, which comes down when the metrics say
// that it may.
func lowered(t *testing.T, ns string, edit patch) {
	t.Helper()
	sized(t, ns, "raised", 2)
	create(t, newPolicy(ns, "raised", external))
	before := built(t, ns, "raised")
	goodMetrics(t, ns, "raised")
	must(t, byHand(t, before, edit))
	if after := built(t, ns, "raised"); after.UID != before.UID {
		t.Error("the HPA was replaced")
	}
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
