package admission_test

import (
	"fmt"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"

	cases "github.com/loadline/loadline/hack/admission"
)

// What the policies add to a write in a namespace with 1,000 HPAs: of an HPA that is
// retargeted, of a Deployment that rolls out, and of one that is only labelled.
func BenchmarkManyHPAs(b *testing.B) {
	const n = 1000
	objects := append(manifests(b), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "many"}})
	for i := range n {
		objects = append(objects, ordinary(b, ordinaryHPA, fmt.Sprintf("app-%d", i), ""))
	}
	s := serve(b, objects)
	for name, w := range map[string]write{
		"HPA retargeted":       {old: ordinary(b, ordinaryHPA, "app-0", ""), object: ordinary(b, ordinaryHPA, "app-0", "-v2")},
		"Deployment rolls out": {old: ordinary(b, ordinaryDeployment, "app-0", "v1"), object: ordinary(b, ordinaryDeployment, "app-0", "v2")},
		"Deployment labelled":  {old: ordinary(b, ordinaryDeployment, "app-0", "v1"), object: labelled(ordinary(b, ordinaryDeployment, "app-0", "v1"))},
	} {
		w.user = "somebody"
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if said := s.judged(b, w); len(said) > 0 {
					b.Fatal(said)
				}
			}
		})
	}
}

const ordinaryHPA = `{apiVersion: autoscaling/v2, kind: HorizontalPodAutoscaler, metadata: {name: %[1]s}, spec: {
  minReplicas: 2, maxReplicas: 9, scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: %[1]s%[2]s}, metrics: [
  {type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 70}}},
  {type: Pods, pods: {metric: {name: http_requests_per_second}, target: {type: AverageValue, averageValue: 20}}}]}}`

const ordinaryDeployment = `{apiVersion: apps/v1, kind: Deployment, metadata: {name: %[1]s}, spec: {replicas: 3, template: {spec: {containers: [
  {name: app, image: 'example.com/app:%[2]s', resources: {requests: {cpu: 100m, memory: 100Mi}}},
  {name: proxy, image: 'example.com/proxy:v1', resources: {requests: {cpu: 100m, memory: 100Mi}}}]}}}}`

func ordinary(b *testing.B, text, name, version string) runtime.Object {
	b.Helper()
	u := &unstructured.Unstructured{}
	if err := yaml.Unmarshal(fmt.Appendf(nil, text, name, version), &u.Object); err != nil {
		b.Fatal(err)
	}
	cases.Fill(u)
	return typed(b, "many", u)
}

func labelled(o runtime.Object) runtime.Object {
	o.(metav1.Object).SetLabels(map[string]string{"tier": "front"})
	return o
}
