package lab

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/utils/ptr"

	"github.com/loadline/loadline/policy/api/v1alpha1"
	"github.com/loadline/loadline/policy/hpa"
)

// TestHasten: in the lab each of Remind Me's policies makes the HPA that it makes
// elsewhere, but for the window, and differs in nothing else but fallback.after.
func TestHasten(t *testing.T) {
	const window, after = 20 * time.Second, 30 * time.Second
	for _, p := range remindMePolicies(t) {
		t.Run(p.GetName(), func(t *testing.T) {
			before := decodePolicy(t, p.Object)
			if before.Spec.Fallback != nil {
				before.Spec.Fallback.After.Duration = after
			}
			if err := hasten(p, window, after); err != nil {
				t.Fatal(err)
			}
			got := decodePolicy(t, p.Object)
			if problems := hpa.Check(got); hpa.Failed(problems) {
				t.Fatal(problems)
			}
			capable, err := hpa.Assume("1.37")
			if err != nil {
				t.Fatal(err)
			}
			want, _ := hpa.Build(before, nil, capable)
			want.Spec.Behavior.ScaleDown.StabilizationWindowSeconds = ptr.To[int32](20)
			made, _ := hpa.Build(got, nil, capable)
			if diff := cmp.Diff(want.Spec, made.Spec); diff != "" {
				t.Errorf("HPA (-want +got):\n%s", diff)
			}
			before.Spec.Profile, got.Spec.Behavior = "", nil
			if diff := cmp.Diff(before, got); diff != "" {
				t.Errorf("policy, profile and behavior aside (-want +got):\n%s", diff)
			}
		})
	}
}

// TestHastenNot: nothing to change leaves a policy as it is.
func TestHastenNot(t *testing.T) {
	for _, p := range remindMePolicies(t) {
		before := p.DeepCopy()
		if err := hasten(p, 0, 0); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(before.Object, p.Object); diff != "" {
			t.Errorf("%s (-before +after):\n%s", p.GetName(), diff)
		}
	}
}

func remindMePolicies(t *testing.T) []*unstructured.Unstructured {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", "..", "deploy", "examples", "remindme", "manifests", "policies.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	policies, err := Decode(data)
	if err != nil {
		t.Fatal(err)
	}
	if len(policies) != 3 {
		t.Fatalf("%d policies, want 3", len(policies))
	}
	return policies
}

func decodePolicy(t *testing.T, object map[string]any) *v1alpha1.AutoscalingPolicy {
	t.Helper()
	p := &v1alpha1.AutoscalingPolicy{}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object, p); err != nil {
		t.Fatal(err)
	}
	return p
}
