//go:build e2e

package policy

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/loadline/loadline/hack/lab"
	"github.com/loadline/loadline/policy/api/v1alpha1"
	"github.com/loadline/loadline/policy/controller"
)

// Two workloads that take turns behind a Service, and one in the place of another, with
// the rights that the deployed loadline-policy has.
func TestP13BlueGreen(t *testing.T) {
	alone(t)
	m := startMetricAPI(t)
	local(t, nil, func(o *controller.Options) { o.MetricWindow, o.HPASync = 5*time.Second, hpaSync })
	t.Run("side by side", func(t *testing.T) {
		for name, test := range map[string]func(*testing.T, *metricAPI){
			"Managed": managedSwitch, "TakenBack": takenBack, "Refused": refusedFlip, "Observed": observedSwitch, "Predecessor": predecessor,
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				test(t, m)
			})
		}
	})
}

// colours makes blue with n pods, green with one, the Service on blue, and a policy.
func colours(t *testing.T, ns string, n int32, edit func(*v1alpha1.BlueGreen)) {
	t.Helper()
	for name, size := range map[string]int32{"blue": n, "green": 1} {
		rolling(t, ns, name, size)
	}
	create(t, &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "web"},
		Spec:       corev1.ServiceSpec{Selector: map[string]string{"app": "blue"}, Ports: []corev1.ServicePort{{Port: 80, TargetPort: intstr.FromInt32(8080)}}},
	})
	create(t, newPolicy(ns, "web", external, func(p *v1alpha1.AutoscalingPolicy) {
		p.Spec.TargetRef.Name = "blue"
		p.Spec.Replicas = v1alpha1.Replicas{Min: 1, Max: 6}
		b := &v1alpha1.BlueGreen{Service: "web", OtherRef: p.Spec.TargetRef, Soak: &metav1.Duration{Duration: time.Minute}}
		b.OtherRef.Name = "green"
		edit(b)
		p.Spec.BlueGreen = b
	}))
	goodMetrics(t, ns, "web")
	moved(t, ns, "blue", 0, soon)
}

// moved waits until the policy's HPA scales a workload, with a minimum of at least n.
func moved(t *testing.T, ns, name string, n int32, limit time.Duration) {
	t.Helper()
	system.Until(t, fmt.Sprintf("the HPA scales %s, from %d on", name, n), limit, func(ctx context.Context) (bool, string) {
		h, err := getHPA(ctx, ns, "web")
		if err != nil {
			return false, err.Error()
		}
		return h.Spec.ScaleTargetRef.Name == name && *h.Spec.MinReplicas >= n, fmt.Sprintf("%s from %d", h.Spec.ScaleTargetRef.Name, *h.Spec.MinReplicas)
	})
}

// maySwitch gives loadline-policy the rights for a managed switch in a namespace.
func maySwitch(t *testing.T, ns string) {
	t.Helper()
	create(t, &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "loadline-policy-switch"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "loadline-policy-switch"},
		Subjects:   []rbacv1.Subject{{Kind: "ServiceAccount", Namespace: lab.AdapterNamespace, Name: controller.Name}},
	})
}

// watchServing looks again and again at how many pods serve behind the Service, and
// returns the fewest so far.
func watchServing(t *testing.T, ns string) (fewest func() int32) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	var least atomic.Int32
	least.Store(1000)
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			s, d := &corev1.Service{}, &appsv1.Deployment{}
			if kube.Get(ctx, client.ObjectKey{Namespace: ns, Name: "web"}, s) == nil &&
				kube.Get(ctx, client.ObjectKey{Namespace: ns, Name: s.Spec.Selector["app"]}, d) == nil {
				least.Store(min(least.Load(), d.Status.AvailableReplicas))
			}
			select {
			case <-ctx.Done():
			case <-time.After(50 * time.Millisecond):
			}
		}
	}()
	t.Cleanup(func() { cancel(); <-done })
	return least.Load
}

func serves(ctx context.Context, ns string) (string, error) {
	s := &corev1.Service{}
	err := kube.Get(ctx, client.ObjectKey{Namespace: ns, Name: "web"}, s)
	return s.Spec.Selector["app"], err
}

func serving(t *testing.T, ns, name string, limit time.Duration) {
	t.Helper()
	system.Until(t, "the Service is on "+name, limit, func(ctx context.Context) (bool, string) {
		on, err := serves(ctx, ns)
		return err == nil && on == name, on
	})
}

// ask asks for a switch, as whoever edits the policy.
func ask(t *testing.T, ns, name string) {
	t.Helper()
	edit(t, &v1alpha1.AutoscalingPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "web"}}, func(p *v1alpha1.AutoscalingPolicy) {
		p.Spec.BlueGreen.Active = name
	})
}

// Without rights a switch is refused; with them green gets the size before the Service
// moves, at no moment fewer pods serve than did, the way back takes seconds, and in the
// end what serves no longer has none.
func managedSwitch(t *testing.T, m *metricAPI) {
	ns := namespace(t)
	m.of(ns).value.Store(30) // what three pods take
	colours(t, ns, 3, func(b *v1alpha1.BlueGreen) { b.Mode = v1alpha1.Managed })
	ask(t, ns, "green")
	conditioned(t, ns, "web", v1alpha1.Switching, "False "+string(v1alpha1.Aborted), soon)
	if on, err := serves(t.Context(), ns); err != nil || on != "blue" {
		t.Fatalf("without the right to, the Service is on %s: %v", on, err)
	}
	maySwitch(t, ns)
	fewest := watchServing(t, ns)
	crowded(t, ns)
	began := time.Now()
	if out, said, code := loadline(t, ns, "switch", "web", "--dry-run"); code != 0 {
		t.Errorf("switch --dry-run: %d: %s%s", code, out, said)
	}
	out, said, code := loadline(t, ns, "switch", "web")
	if code != 0 {
		t.Fatalf("switch: %d: %s%s", code, out, said)
	}
	t.Logf("green serves, and has the HPA, %s after it was asked for:\n%s", time.Since(began).Round(100*time.Millisecond), out)
	has(t, out, "Prescale: ", "Soaking: ")
	moved(t, ns, "green", 4, time.Second)
	conditioned(t, ns, "web", v1alpha1.Switching, "True "+string(v1alpha1.Soaking), soon)

	began = time.Now()
	ask(t, ns, "blue")
	serving(t, ns, "blue", 90*time.Second)
	t.Logf("blue serves again %s after that was asked for", time.Since(began).Round(100*time.Millisecond))
	moved(t, ns, "blue", 3, soon)
	size(t, ns, "green", 0, 2*time.Minute)
	conditioned(t, ns, "web", v1alpha1.Switching, "False "+string(v1alpha1.Complete), soon)
	servedOn(t, ns, "blue", 3, fewest())
}

// crowded asks for a switch for which the namespace's quota has no room: it is given up
// before anything is done.
func crowded(t *testing.T, ns string) {
	t.Helper()
	q := create(t, &corev1.ResourceQuota{
		ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "team"},
		Spec:       corev1.ResourceQuotaSpec{Hard: corev1.ResourceList{corev1.ResourcePods: resource.MustParse("5")}},
	})
	system.Until(t, "the quota counts the pods", 30*time.Second, func(ctx context.Context) (bool, string) {
		if err := kube.Get(ctx, client.ObjectKeyFromObject(q), q); err != nil {
			return false, err.Error()
		}
		used := q.Status.Used[corev1.ResourcePods]
		return used.Value() == 4, used.String()
	})
	out, said, code := loadline(t, ns, "switch", "web")
	if code == 0 {
		t.Errorf("switch without room: %s", out)
	}
	has(t, out+said, "green needs 3 pods more, each with 1 of pods, and the ResourceQuota team has 1 left")
	if on, err := serves(t.Context(), ns); err != nil || on != "blue" {
		t.Errorf("without room, the Service is on %s: %v", on, err)
	}
	size(t, ns, "green", 1, time.Second)
	must(t, kube.Delete(t.Context(), q))
}

// Somebody else moves the Service: the HPA goes along with the size that it had, and what
// served before stays as it is.
func observedSwitch(t *testing.T, m *metricAPI) {
	ns := namespace(t)
	m.of(ns).value.Store(30)
	colours(t, ns, 3, func(*v1alpha1.BlueGreen) {})
	began := time.Now()
	edit(t, &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "web"}}, func(s *corev1.Service) { s.Spec.Selector["app"] = "green" })
	moved(t, ns, "green", 3, soon)
	t.Logf("the HPA followed the Service after %s", time.Since(began).Round(10*time.Millisecond))
	size(t, ns, "green", 3, 30*time.Second)
	n, err := replicasOf(t.Context(), ns, "blue")
	if err != nil || n != 3 {
		t.Errorf("blue has %d pods: %v", n, err)
	}
}

// A ReplicationController takes the place of another: it gets its size, then the other one
// is scaled to 0, step by step with nobody's help.
func predecessor(t *testing.T, m *metricAPI) {
	ns := namespace(t)
	m.of(ns).value.Store(30)
	maySwitch(t, ns)
	rc := func(name string, n int32) *corev1.ReplicationController {
		template := running(name, name)
		return create(t, &corev1.ReplicationController{
			ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: name},
			Spec:       corev1.ReplicationControllerSpec{Replicas: &n, Selector: map[string]string{"app": name}, Template: &template},
		})
	}
	ready := func(name string, n int32, limit time.Duration) {
		t.Helper()
		system.Until(t, fmt.Sprintf("%s has %d pods that serve", name, n), limit, func(ctx context.Context) (bool, string) {
			c := &corev1.ReplicationController{}
			err := kube.Get(ctx, client.ObjectKey{Namespace: ns, Name: name}, c)
			return err == nil && c.Status.AvailableReplicas == n && *c.Spec.Replicas == n, fmt.Sprintf("%d of %d, %v", c.Status.AvailableReplicas, ptr.Deref(c.Spec.Replicas, -1), err)
		})
	}
	rc("v1", 3)
	ready("v1", 3, time.Minute)
	create(t, newPolicy(ns, "web", external, func(p *v1alpha1.AutoscalingPolicy) {
		p.Spec.TargetRef = v1alpha1.TargetReference{APIVersion: "v1", Kind: "ReplicationController", Name: "v1"}
		p.Spec.Replicas = v1alpha1.Replicas{Min: 1, Max: 6}
		p.Spec.Rollout = &v1alpha1.Rollout{Predecessor: v1alpha1.ScaleToZero}
	}))
	goodMetrics(t, ns, "web")
	rc("v2", 1)
	ready("v2", 1, time.Minute)
	edit(t, &v1alpha1.AutoscalingPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "web"}}, func(p *v1alpha1.AutoscalingPolicy) { p.Spec.TargetRef.Name = "v2" })
	moved(t, ns, "v2", 3, soon)
	var least int32 = 1000
	system.Until(t, "v1 is scaled to 0", time.Minute, func(ctx context.Context) (bool, string) {
		a, b := &corev1.ReplicationController{}, &corev1.ReplicationController{}
		if err := kube.Get(ctx, client.ObjectKey{Namespace: ns, Name: "v1"}, a); err != nil {
			return false, err.Error()
		}
		if err := kube.Get(ctx, client.ObjectKey{Namespace: ns, Name: "v2"}, b); err != nil {
			return false, err.Error()
		}
		least = min(least, a.Status.AvailableReplicas+b.Status.AvailableReplicas)
		return *a.Spec.Replicas == 0, fmt.Sprintf("v1 %d, v2 %d", *a.Spec.Replicas, *b.Spec.Replicas)
	})
	if least < 3 {
		t.Errorf("%d pods served at some moment, 3 did before", least)
	}
	ready("v2", 3, soon)
	conditioned(t, ns, "web", v1alpha1.RollingOut, "False Complete", time.Minute)
}
