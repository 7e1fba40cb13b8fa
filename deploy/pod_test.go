package deploy_test

import (
	"testing"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
)

// templates are the pods of all workloads, by workload.
func templates(objects []runtime.Object) map[string]corev1.PodTemplateSpec {
	out := map[string]corev1.PodTemplateSpec{}
	for _, d := range all[*appsv1.Deployment](objects) {
		out["Deployment "+d.Name] = d.Spec.Template
	}
	for _, s := range all[*appsv1.StatefulSet](objects) {
		out["StatefulSet "+s.Name] = s.Spec.Template
	}
	return out
}

// Pods pass the cluster's own check of the restricted level.
func TestPodsAreRestricted(t *testing.T) {
	version := api.LatestVersion()
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		t.Fatal(err)
	}
	forEachVariant(t, func(t *testing.T, objects []runtime.Object) {
		pods := templates(objects)
		if len(pods) == 0 && len(all[*admissionv1.ValidatingAdmissionPolicy](objects)) == 0 {
			t.Fatal("no workload")
		}
		for name, pod := range pods {
			level := api.LevelVersion{Level: api.LevelRestricted, Version: version}
			if r := policy.AggregateCheckResults(evaluator.EvaluatePod(level, &pod.ObjectMeta, &pod.Spec)); !r.Allowed {
				t.Errorf("%s: %s", name, r.ForbiddenDetail())
			}
			for _, c := range pod.Spec.Containers {
				if s := c.SecurityContext; s == nil || s.ReadOnlyRootFilesystem == nil || !*s.ReadOnlyRootFilesystem {
					t.Errorf("%s, container %s: the root file system can be written to", name, c.Name)
				}
				if c.Resources.Requests.Cpu().IsZero() || c.Resources.Requests.Memory().IsZero() || c.Resources.Limits.Memory().IsZero() {
					t.Errorf("%s, container %s: requests of CPU and memory and a limit of memory are needed", name, c.Name)
				}
			}
		}
		for _, n := range all[*corev1.Namespace](objects) {
			if n.Labels["pod-security.kubernetes.io/enforce"] != "restricted" {
				t.Errorf("Namespace %s does not enforce the restricted level", n.Name)
			}
		}
	})
}
