package load

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/kubernetes/fake"
)

func endpoint(ip string, ready, serving, terminating *bool) discoveryv1.Endpoint {
	return discoveryv1.Endpoint{Addresses: []string{ip},
		Conditions: discoveryv1.EndpointConditions{Ready: ready, Serving: serving, Terminating: terminating}}
}

func slice(name, service string, eps ...discoveryv1.Endpoint) *discoveryv1.EndpointSlice {
	return &discoveryv1.EndpointSlice{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "ns", Labels: map[string]string{discoveryv1.LabelServiceName: service}},
		Ports: []discoveryv1.EndpointPort{{Name: new("metrics"), Port: new(int32(9090))},
			{Name: new("http"), Port: new(int32(8080))}},
		Endpoints: eps,
	}
}

func TestSliceAddresses(t *testing.T) {
	yes, no := new(true), new(false)
	for name, tc := range map[string]struct {
		slices []*discoveryv1.EndpointSlice
		port   string
		want   []string
	}{
		"unset means ready": {port: "http", want: []string{"10.244.0.1:8080"},
			slices: []*discoveryv1.EndpointSlice{slice("a", "web", endpoint("10.244.0.1", nil, nil, nil))}},
		"not ready is left out": {port: "http", want: []string{"10.244.0.2:8080"},
			slices: []*discoveryv1.EndpointSlice{slice("a", "web", endpoint("10.244.0.1", no, no, no), endpoint("10.244.0.2", yes, yes, no))}},
		"terminating is left out while another is ready": {port: "http", want: []string{"10.244.0.2:8080"},
			slices: []*discoveryv1.EndpointSlice{slice("a", "web", endpoint("10.244.0.1", no, yes, yes), endpoint("10.244.0.2", yes, yes, no))}},
		"terminating serves when none is ready": {port: "http", want: []string{"10.244.0.1:8080"},
			slices: []*discoveryv1.EndpointSlice{slice("a", "web", endpoint("10.244.0.1", no, yes, yes), endpoint("10.244.0.2", no, no, no))}},
		"several slices": {port: "metrics", want: []string{"10.244.0.1:9090", "10.244.0.2:9090"},
			slices: []*discoveryv1.EndpointSlice{slice("a", "web", endpoint("10.244.0.1", yes, yes, no)), slice("b", "web", endpoint("10.244.0.2", yes, yes, no))}},
		"no such port": {port: "https",
			slices: []*discoveryv1.EndpointSlice{slice("a", "web", endpoint("10.244.0.1", yes, yes, no))}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, sliceAddresses(tc.slices, tc.port)); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func pod(name, ip string, change func(*corev1.Pod)) *corev1.Pod {
	p := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "ns", Labels: map[string]string{"app": "web"}},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Ports: []corev1.ContainerPort{{Name: "http", ContainerPort: 8080}}}}},
		Status: corev1.PodStatus{Phase: corev1.PodRunning, PodIP: ip,
			Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}},
	}
	if change != nil {
		change(p)
	}
	return p
}

func TestPodAddresses(t *testing.T) {
	pods := []*corev1.Pod{
		pod("good", "127.1.0.1", nil),
		pod("terminating", "127.1.0.2", func(p *corev1.Pod) { p.DeletionTimestamp = &metav1.Time{} }),
		pod("pending", "127.1.0.3", func(p *corev1.Pod) { p.Status.Phase = corev1.PodPending }),
		pod("not ready", "127.1.0.4", func(p *corev1.Pod) { p.Status.Conditions[0].Status = corev1.ConditionFalse }),
		pod("no condition", "127.1.0.5", func(p *corev1.Pod) { p.Status.Conditions = nil }),
		pod("no address", "", nil),
		pod("no port", "127.1.0.6", func(p *corev1.Pod) { p.Spec.Containers[0].Ports = nil }),
	}
	for name, tc := range map[string]struct {
		target intstr.IntOrString
		want   []string
	}{
		"by name":   {intstr.FromString("http"), []string{"127.1.0.1:8080"}},
		"by number": {intstr.FromInt32(81), []string{"127.1.0.1:81", "127.1.0.6:81"}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, podAddresses(pods, tc.target)); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestWatchFollowsChanges(t *testing.T) {
	service := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: "web", Namespace: "ns"},
		Spec: corev1.ServiceSpec{Selector: map[string]string{"app": "web"},
			Ports: []corev1.ServicePort{{Name: "http", Port: 80, TargetPort: intstr.FromString("http")}}}}
	other := slice("other", "api", endpoint("10.244.9.9", nil, nil, nil))
	stranger := pod("stranger", "10.244.9.9", func(p *corev1.Pod) { p.Labels["app"] = "api" })
	for name, from := range map[string]Source{"slices": Slices, "pods": Pods} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			client := fake.NewClientset(service, other, stranger)
			e, err := Watch(ctx, client, "ns", "web", "http", from)
			if err != nil {
				t.Fatal(err)
			}
			if addr, ok := e.Pick(); ok {
				t.Fatalf("nothing is ready, but %q was picked", addr)
			}
			for i, ip := range []string{"10.244.0.1", "10.244.0.2"} {
				podName := string(rune('a' + i))
				if _, err := client.CoreV1().Pods("ns").Create(ctx, pod(podName, ip, nil), metav1.CreateOptions{}); err != nil {
					t.Fatal(err)
				}
				if _, err := client.DiscoveryV1().EndpointSlices("ns").Create(ctx, slice(podName, "web", endpoint(ip, nil, nil, nil)), metav1.CreateOptions{}); err != nil {
					t.Fatal(err)
				}
			}
			waitAddresses(t, e, "10.244.0.1:8080", "10.244.0.2:8080")
			first, _ := e.Pick()
			second, _ := e.Pick()
			if third, _ := e.Pick(); first == second || first != third {
				t.Errorf("picked %s, %s, %s: not in turn", first, second, third)
			}
			if err := client.CoreV1().Pods("ns").Delete(ctx, "a", metav1.DeleteOptions{}); err != nil {
				t.Fatal(err)
			}
			if err := client.DiscoveryV1().EndpointSlices("ns").Delete(ctx, "a", metav1.DeleteOptions{}); err != nil {
				t.Fatal(err)
			}
			waitAddresses(t, e, "10.244.0.2:8080")
		})
	}
}

func waitAddresses(t *testing.T, e *Endpoints, want ...string) {
	t.Helper()
	deadline, tick := time.After(10*time.Second), time.NewTicker(5*time.Millisecond)
	defer tick.Stop()
	for !cmp.Equal(want, e.Addresses()) {
		select {
		case <-deadline:
			t.Fatalf("after 10s: %v, want %v", e.Addresses(), want)
		case <-tick.C:
		}
	}
}

func TestWatchPodsNamesWhatIsWrong(t *testing.T) {
	client := fake.NewClientset(
		&corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: "bare", Namespace: "ns"}},
		&corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: "web", Namespace: "ns"},
			Spec: corev1.ServiceSpec{Selector: map[string]string{"app": "web"}}})
	for service, want := range map[string]string{
		"absent": "service ns/absent: ",
		"bare":   "service ns/bare: has no selector",
		"web":    `service ns/web: no port is named "http"`,
	} {
		_, err := Watch(t.Context(), client, "ns", service, "http", Pods)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want it to contain %q", service, err, want)
		}
	}
}
