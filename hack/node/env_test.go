package node

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

type fixedObjects struct {
	configMaps map[string]*corev1.ConfigMap
	secrets    map[string]*corev1.Secret
}

func (o fixedObjects) configMap(name string) (*corev1.ConfigMap, error) {
	return o.configMaps[name], nil
}
func (o fixedObjects) secret(name string) (*corev1.Secret, error) { return o.secrets[name], nil }

var (
	yes     = true
	testPod = &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "p", Namespace: "ns", UID: "u", Labels: map[string]string{"b": "2", "a/x": `q"`}}}
	testAt  = placement{PodIP: "10.0.0.9", HostIP: "10.0.0.1", NodeName: "n"}
	testSet = fixedObjects{
		map[string]*corev1.ConfigMap{"cm": {Data: map[string]string{"K": "v", "1bad name": "x"}}},
		map[string]*corev1.Secret{"s": {Data: map[string][]byte{"P": []byte("secret")}}},
	}
)

func local(name string) corev1.LocalObjectReference { return corev1.LocalObjectReference{Name: name} }

func TestContainerEnv(t *testing.T) {
	c := &corev1.Container{
		Resources: corev1.ResourceRequirements{Limits: corev1.ResourceList{"cpu": resource.MustParse("1500m"), "memory": resource.MustParse("64Mi")}},
		EnvFrom: []corev1.EnvFromSource{
			{Prefix: "C_", ConfigMapRef: &corev1.ConfigMapEnvSource{LocalObjectReference: local("cm")}},
			{SecretRef: &corev1.SecretEnvSource{LocalObjectReference: local("s")}},
			{ConfigMapRef: &corev1.ConfigMapEnvSource{LocalObjectReference: local("none"), Optional: &yes}},
		},
		Env: []corev1.EnvVar{
			{Name: "URL", Value: "http://$(WEB_SERVICE_HOST)/$(C_K)/$(LATER)"},
			{Name: "LATER", Value: "$(URL)!"},
			{Name: "IP", ValueFrom: &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{FieldPath: "status.podIP"}}},
			{Name: "LABEL", ValueFrom: &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{FieldPath: "metadata.labels['a/x']"}}},
			{Name: "LABELS", ValueFrom: &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{FieldPath: "metadata.labels"}}},
			{Name: "CPUS", ValueFrom: &corev1.EnvVarSource{ResourceFieldRef: &corev1.ResourceFieldSelector{Resource: "limits.cpu"}}},
			{Name: "MEM", ValueFrom: &corev1.EnvVarSource{ResourceFieldRef: &corev1.ResourceFieldSelector{Resource: "limits.memory", Divisor: resource.MustParse("1Mi")}}},
			{Name: "GONE", ValueFrom: &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{LocalObjectReference: local("s"), Key: "none", Optional: &yes}}},
			{Name: "P", Value: "over $(P)"},
		},
	}
	got, err := containerEnv(testPod, c, testAt, map[string]string{"WEB_SERVICE_HOST": "10.96.0.7"}, testSet)
	want := map[string]string{
		"WEB_SERVICE_HOST": "10.96.0.7", "C_K": "v", "P": "over secret",
		"URL": "http://10.96.0.7/v/$(LATER)", "LATER": "http://10.96.0.7/v/$(LATER)!",
		"IP": "10.0.0.9", "LABEL": `q"`, "LABELS": "a/x=\"q\\\"\"\nb=\"2\"", "CPUS": "2", "MEM": "64",
		// Kubernetes takes any printable name without "=" for a variable.
		"C_1bad name": "x",
	}
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestContainerEnvErrors(t *testing.T) {
	for want, from := range map[string]*corev1.EnvVarSource{
		`env[0] X: configmap "none" not found`:                                {ConfigMapKeyRef: &corev1.ConfigMapKeySelector{LocalObjectReference: local("none"), Key: "k"}},
		`env[0] X: secret "s" has no key "k"`:                                 {SecretKeyRef: &corev1.SecretKeySelector{LocalObjectReference: local("s"), Key: "k"}},
		`env[0] X: fieldPath "spec.x" is not known`:                           {FieldRef: &corev1.ObjectFieldSelector{FieldPath: "spec.x"}},
		`env[0] X: resource "cpu": want limits.NAME or requests.NAME`:         {ResourceFieldRef: &corev1.ResourceFieldSelector{Resource: "cpu"}},
		`env[0] X: this kind of valueFrom is not supported by a process node`: {},
	} {
		c := &corev1.Container{Env: []corev1.EnvVar{{Name: "X", ValueFrom: from}}}
		if _, err := containerEnv(testPod, c, testAt, nil, testSet); err == nil || err.Error() != want {
			t.Errorf("error %v, want %s", err, want)
		}
	}
}

func TestServiceEnv(t *testing.T) {
	svc := func(name, ip string, ports ...corev1.ServicePort) *corev1.Service {
		return &corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: corev1.ServiceSpec{ClusterIP: ip, Ports: ports}}
	}
	services := []*corev1.Service{
		svc("my-web", "10.96.0.7", corev1.ServicePort{Name: "http", Port: 80}, corev1.ServicePort{Name: "dns", Port: 53, Protocol: "UDP"}),
		svc("headless", "None", corev1.ServicePort{Port: 1}),
	}
	own := func(s *corev1.Service, p corev1.ServicePort) (string, int32, bool) {
		return s.Spec.ClusterIP, p.Port, p.Protocol != "UDP"
	}
	api := endpoint{Host: "127.0.0.1", Port: "6443"}
	kubernetes := map[string]string{
		"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": "6443", "KUBERNETES_SERVICE_PORT_HTTPS": "6443",
		"KUBERNETES_PORT": "tcp://127.0.0.1:6443", "KUBERNETES_PORT_6443_TCP": "tcp://127.0.0.1:6443",
		"KUBERNETES_PORT_6443_TCP_PROTO": "tcp", "KUBERNETES_PORT_6443_TCP_PORT": "6443", "KUBERNETES_PORT_6443_TCP_ADDR": "127.0.0.1",
	}
	if diff := cmp.Diff(kubernetes, serviceEnv(services, false, own, api)); diff != "" {
		t.Errorf("without links: %s", diff)
	}
	want := map[string]string{
		"MY_WEB_SERVICE_HOST": "10.96.0.7", "MY_WEB_SERVICE_PORT": "80", "MY_WEB_SERVICE_PORT_HTTP": "80",
		"MY_WEB_PORT": "tcp://10.96.0.7:80", "MY_WEB_PORT_80_TCP": "tcp://10.96.0.7:80",
		"MY_WEB_PORT_80_TCP_PROTO": "tcp", "MY_WEB_PORT_80_TCP_PORT": "80", "MY_WEB_PORT_80_TCP_ADDR": "10.96.0.7",
	}
	for k, v := range kubernetes {
		want[k] = v
	}
	if diff := cmp.Diff(want, serviceEnv(services, true, own, api)); diff != "" {
		t.Error(diff)
	}
}

func TestArguments(t *testing.T) {
	image := Image{Path: "/bin/app", Args: []string{"serve"}, ExtraArgs: []string{"--x"}}
	for name, test := range map[string]struct {
		image Image
		c     corev1.Container
		path  string
		args  []string
	}{
		"image alone":  {image, corev1.Container{}, "/bin/app", []string{"serve", "--x"}},
		"args":         {image, corev1.Container{Args: []string{"a"}}, "/bin/app", []string{"a", "--x"}},
		"command":      {image, corev1.Container{Command: []string{"/app", "c"}, Args: []string{"a"}}, "/bin/app", []string{"c", "a", "--x"}},
		"host program": {Image{}, corev1.Container{Command: []string{"sh", "-c"}, Args: []string{"true"}}, "sh", []string{"-c", "true"}},
	} {
		t.Run(name, func(t *testing.T) {
			path, args, err := arguments(test.image, &test.c)
			if diff := cmp.Diff(test.args, args); err != nil || path != test.path || diff != "" {
				t.Errorf("%s %v %s", path, err, diff)
			}
		})
	}
	if _, _, err := arguments(Image{}, &corev1.Container{Image: "i"}); err == nil {
		t.Error("no command and no entry point is accepted")
	}
	if _, err := findImage(map[string]Image{"b:1": {}, "a:1": {}}, "c:1"); err == nil ||
		err.Error() != `ErrImagePull: image "c:1" is no binary this process node was given; it has: a:1, b:1` {
		t.Errorf("unknown image: %v", err)
	}
}
