package controller

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/loadline/loadline/policy/decide"
)

// Who wrote over a 0 is said if it was the HPA, of a policy that does not scale to zero,
// and if it is still so.
func TestOverwritten(t *testing.T) {
	const said = "Warning ZeroOverwritten the Deployment web was set to 0, and the HPA, which had decided before, has written 4 over it: set it to 0 once more to keep it there"
	for name, tc := range map[string]struct {
		by, sub string // who wrote the size, and through what
		size    int32
		min     int32
		target  string // of the HPA
		want    []string
	}{
		"the HPA":                {decide.HPAController, "scale", 4, 2, "web", []string{said}},
		"a person":               {"kubectl", "scale", 4, 2, "web", nil},
		"a person's edit":        {"kubectl-edit", "", 4, 2, "web", nil},
		"an HPA that wakes it":   {decide.HPAController, "scale", 4, 0, "web", nil},
		"it is another size now": {decide.HPAController, "scale", 5, 2, "web", nil},
		"an HPA of another one":  {decide.HPAController, "scale", 4, 2, "other", nil},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPolicy()
			ref := p.Spec.TargetRef
			h := &autoscalingv2.HorizontalPodAutoscaler{
				ObjectMeta: metav1.ObjectMeta{Namespace: web.Namespace, Name: web.Name},
				Spec: autoscalingv2.HorizontalPodAutoscalerSpec{
					MinReplicas: &tc.min, MaxReplicas: 6,
					ScaleTargetRef: autoscalingv2.CrossVersionObjectReference{APIVersion: ref.APIVersion, Kind: ref.Kind, Name: tc.target},
				},
			}
			d := &appsv1.Deployment{
				ObjectMeta: metav1.ObjectMeta{Namespace: web.Namespace, Name: ref.Name, ManagedFields: []metav1.ManagedFieldsEntry{{
					Manager: tc.by, Operation: metav1.ManagedFieldsOperationUpdate, Subresource: tc.sub, APIVersion: "apps/v1",
					FieldsType: "FieldsV1", FieldsV1: metav1.NewFieldsV1(`{"f:spec":{"f:replicas":{}}}`),
				}}},
				Spec: appsv1.DeploymentSpec{Replicas: ptr.To(tc.size)},
			}
			w := newWorld(t, p, h, d)
			if err := w.overwritten(t.Context(), woken{policyTarget(p), 4}); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, w.events.all); diff != "" {
				t.Errorf("Events (-want +got):\n%s", diff)
			}
		})
	}
	w := newWorld(t, newPolicy())
	if err := w.overwritten(t.Context(), woken{policyTarget(newPolicy()), 4}); err != nil || len(w.events.all) > 0 {
		t.Errorf("without an HPA: %v, %v", w.events.all, err)
	}
}
