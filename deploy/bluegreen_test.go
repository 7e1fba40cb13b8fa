package deploy_test

import (
	"slices"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/loadline/loadline/policy/api/v1alpha1"
	"github.com/loadline/loadline/policy/controller"
)

// The example of blue/green can be switched: its policy names two Deployments that are
// there and whose selectors do not overlap, the Service selects the first one's pods by a
// label that the other one's have with another value, no other HPA scales either, and
// loadline-policy may do it.
func TestBlueGreenExample(t *testing.T) {
	objects := render(t, variants()["examples/bluegreen"])
	p := only[*v1alpha1.AutoscalingPolicy](t, objects)
	b := p.Spec.BlueGreen
	deployments := map[string]*appsv1.Deployment{}
	for _, d := range all[*appsv1.Deployment](objects) {
		deployments[d.Name] = d
	}
	blue, green := deployments[p.Spec.TargetRef.Name], deployments[b.OtherRef.Name]
	if blue == nil || green == nil {
		t.Fatalf("%s or %s is not there", p.Spec.TargetRef.Name, b.OtherRef.Name)
	}
	for _, pair := range [][2]*appsv1.Deployment{{blue, green}, {green, blue}} {
		selector, err := metav1.LabelSelectorAsSelector(pair[0].Spec.Selector)
		if err != nil {
			t.Fatal(err)
		}
		if !selector.Matches(labels.Set(pair[0].Spec.Template.Labels)) || selector.Matches(labels.Set(pair[1].Spec.Template.Labels)) {
			t.Errorf("%s selects by %s", pair[0].Name, selector)
		}
	}
	services := all[*corev1.Service](objects)
	i := slices.IndexFunc(services, func(s *corev1.Service) bool { return s.Name == b.Service })
	if i < 0 {
		t.Fatalf("there is no Service %s", b.Service)
	}
	selector := services[i].Spec.Selector
	if on := labels.SelectorFromSet(selector); !on.Matches(labels.Set(blue.Spec.Template.Labels)) || on.Matches(labels.Set(green.Spec.Template.Labels)) {
		t.Errorf("the Service selects by %s", on)
	}
	for key := range selector {
		if green.Spec.Template.Labels[key] == "" {
			t.Errorf("the pods of %s have no label %s", green.Name, key)
		}
	}
	for _, h := range all[*autoscalingv2.HorizontalPodAutoscaler](objects) {
		if deployments[h.Spec.ScaleTargetRef.Name] == blue || deployments[h.Spec.ScaleTargetRef.Name] == green {
			t.Errorf("the HPA %s scales %s", h.Name, h.Spec.ScaleTargetRef.Name)
		}
	}
	if may := rights(t, objects, controller.Name); !slices.Equal(may, []string{p.Namespace + ": ClusterRole loadline-policy-switch"}) {
		t.Errorf("loadline-policy may %q", may)
	}
}
