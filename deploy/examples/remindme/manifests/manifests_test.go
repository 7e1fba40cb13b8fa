package manifests_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	yamlutil "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"
)

// objects decodes every resource of the kustomization; a field that its kind
// does not have is an error.
func objects(t *testing.T) []runtime.Object {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{corev1.AddToScheme, appsv1.AddToScheme, autoscalingv2.AddToScheme,
		policyv1.AddToScheme, networkingv1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	decoder := serializer.NewCodecFactory(scheme, serializer.EnableStrict).UniversalDeserializer()
	data, err := os.ReadFile("kustomization.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var k struct{ Resources []string }
	if err := yaml.Unmarshal(data, &k); err != nil {
		t.Fatal(err)
	}
	var out []runtime.Object
	for _, name := range k.Resources {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		r := yamlutil.NewDocumentDecoder(io.NopCloser(bytes.NewReader(data)))
		buf := make([]byte, 1<<20)
		for {
			n, err := r.Read(buf)
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			obj, _, err := decoder.Decode(buf[:n], nil, nil)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			out = append(out, obj)
		}
	}
	return out
}

type workload struct {
	replicas *int32
	selector *metav1.LabelSelector
	pod      corev1.PodTemplateSpec
}

func workloads(objs []runtime.Object) map[string]workload {
	out := map[string]workload{}
	for _, o := range objs {
		switch w := o.(type) {
		case *appsv1.Deployment:
			out["Deployment/"+w.Name] = workload{w.Spec.Replicas, w.Spec.Selector, w.Spec.Template}
		case *appsv1.StatefulSet:
			out["StatefulSet/"+w.Name] = workload{w.Spec.Replicas, w.Spec.Selector, w.Spec.Template}
		}
	}
	return out
}

func TestScaledWorkloadsHaveNoReplicas(t *testing.T) {
	objs := objects(t)
	all := workloads(objs)
	hpas := 0
	for _, o := range objs {
		h, ok := o.(*autoscalingv2.HorizontalPodAutoscaler)
		if !ok {
			continue
		}
		hpas++
		target := h.Spec.ScaleTargetRef.Kind + "/" + h.Spec.ScaleTargetRef.Name
		w, ok := all[target]
		if !ok {
			t.Errorf("HPA %s: there is no %s", h.Name, target)
		}
		if w.replicas != nil {
			t.Errorf("%s: sets replicas, which the HPA %s owns", target, h.Name)
		}
		b := h.Spec.Behavior
		if b == nil || b.ScaleUp == nil || b.ScaleDown == nil || len(b.ScaleUp.Policies) == 0 || len(b.ScaleDown.Policies) == 0 ||
			b.ScaleDown.StabilizationWindowSeconds == nil || *b.ScaleDown.StabilizationWindowSeconds < 300 {
			t.Errorf("HPA %s: the behavior must be complete, with a window of 300 s at least", h.Name)
		}
	}
	if hpas != 3 || len(all) != 4 {
		t.Errorf("%d HPAs, %d workloads; want 3 and 4", hpas, len(all))
	}
}

// The servers of a queue of three are ready only together, so the StatefulSet may
// not start them one after the other, each when the last is ready.
func TestQueueServersStartTogether(t *testing.T) {
	for _, o := range objects(t) {
		if s, ok := o.(*appsv1.StatefulSet); ok && s.Name == "remindme-queue" {
			if s.Spec.PodManagementPolicy != appsv1.ParallelPodManagement {
				t.Errorf("podManagementPolicy: %q, want Parallel", s.Spec.PodManagementPolicy)
			}
			return
		}
	}
	t.Error("no StatefulSet remindme-queue")
}

func TestPodsAreRestrictedAndScraped(t *testing.T) {
	for name, w := range workloads(objects(t)) {
		spec := w.pod.Spec
		ps := spec.SecurityContext
		if ps == nil || ps.RunAsNonRoot == nil || !*ps.RunAsNonRoot || ps.SeccompProfile == nil || ps.SeccompProfile.Type != corev1.SeccompProfileTypeRuntimeDefault {
			t.Errorf("%s: pod security context is not restricted", name)
		}
		if spec.AutomountServiceAccountToken == nil || *spec.AutomountServiceAccountToken {
			t.Errorf("%s: mounts a token it does not need", name)
		}
		for _, c := range spec.Containers {
			s := c.SecurityContext
			if s == nil || s.ReadOnlyRootFilesystem == nil || !*s.ReadOnlyRootFilesystem || s.AllowPrivilegeEscalation == nil || *s.AllowPrivilegeEscalation ||
				s.Capabilities == nil || len(s.Capabilities.Drop) != 1 || s.Capabilities.Drop[0] != "ALL" {
				t.Errorf("%s: container %s is not restricted", name, c.Name)
			}
			if c.Resources.Requests.Cpu().IsZero() || c.Resources.Requests.Memory().IsZero() || c.Resources.Limits.Memory().IsZero() {
				t.Errorf("%s: container %s lacks resources", name, c.Name)
			}
			if c.ReadinessProbe == nil || c.LivenessProbe == nil || c.StartupProbe == nil {
				t.Errorf("%s: container %s lacks a probe", name, c.Name)
			}
		}
		if a := w.pod.Annotations; a["prometheus.io/scrape"] != "true" || a["prometheus.io/port"] != "9090" || a["prometheus.io/path"] != "/metrics" {
			t.Errorf("%s: scrape annotations: %v", name, a)
		}
		if port(spec, "metrics") != 9090 {
			t.Errorf("%s: no port metrics 9090", name)
		}
	}
}

func TestServicesSelectAPodWithTheirPort(t *testing.T) {
	objs := objects(t)
	services := 0
	for _, o := range objs {
		s, ok := o.(*corev1.Service)
		if !ok {
			continue
		}
		services++
		found := false
		for _, w := range workloads(objs) {
			sel, err := metav1.LabelSelectorAsMap(w.selector)
			if err != nil {
				t.Fatal(err)
			}
			name := "app.kubernetes.io/name"
			found = found || (sel[name] == s.Spec.Selector[name] && w.pod.Labels[name] == sel[name] &&
				port(w.pod.Spec, s.Spec.Ports[0].TargetPort.StrVal) != 0)
		}
		if !found {
			t.Errorf("Service %s: selects no workload with its target port", s.Name)
		}
	}
	if services != 3 {
		t.Errorf("%d Services, want 3", services)
	}
}

func port(spec corev1.PodSpec, name string) int32 {
	for _, c := range spec.Containers {
		for _, p := range c.Ports {
			if p.Name == name {
				return p.ContainerPort
			}
		}
	}
	return 0
}
