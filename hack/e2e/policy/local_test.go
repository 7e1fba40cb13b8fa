//go:build e2e

package policy

import (
	"context"
	"sync"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/transport"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/loadline/loadline/hack/lab"
	"github.com/loadline/loadline/policy/controller"
)

// alone stops the deployed loadline-policy for the test's time: one in the test's own
// process takes its place.
func alone(t *testing.T) {
	t.Helper()
	scale(t, 0)
	t.Cleanup(func() {
		scale(t, 2)
		if err := system.Available(context.Background(), lab.AdapterNamespace, lab.PolicyDeployment, time.Minute); err != nil {
			t.Error(err)
		}
	})
	system.Until(t, "no deployed loadline-policy", time.Minute, func(ctx context.Context) (bool, string) {
		var pods corev1.PodList
		err := kube.List(ctx, &pods, client.InNamespace(lab.AdapterNamespace), client.MatchingLabels{"app.kubernetes.io/name": lab.PolicyDeployment})
		if err != nil {
			return false, err.Error()
		}
		return len(pods.Items) == 0, "pods are left"
	})
}

func scale(t *testing.T, n int32) {
	t.Helper()
	d := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: lab.AdapterNamespace, Name: lab.PolicyDeployment}}
	patch := client.MergeFrom(d.DeepCopy())
	d.Spec.Replicas = ptr.To(n)
	must(t, kube.Patch(context.Background(), d, patch))
}

// local runs loadline-policy in this process, with the rights of the deployed one,
// until it is stopped or the test ends.
func local(t *testing.T, wrap transport.WrapperFunc, set func(*controller.Options)) (stop func()) {
	t.Helper()
	config := rest.CopyConfig(system.Cluster.RESTConfig())
	config.Impersonate = rest.ImpersonationConfig{
		UserName: "system:serviceaccount:" + lab.AdapterNamespace + ":" + controller.Name,
		Groups:   []string{"system:serviceaccounts", "system:serviceaccounts:" + lab.AdapterNamespace, "system:authenticated"},
	}
	if wrap != nil {
		config.Wrap(wrap)
	}
	o := controller.NewOptions()
	o.LeaderElect, o.MetricsBindAddress, o.HealthBindAddress, o.HPASync = false, "", "", hpaSync
	if set != nil {
		set(o)
	}
	must(t, o.Validate())
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- controller.Run(ctx, config, o) }()
	stop = sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Logf("loadline-policy ended: %v", err) // as a killed one may
			}
		case <-time.After(30 * time.Second):
			t.Error("loadline-policy did not end within 30 s")
		}
	})
	t.Cleanup(stop)
	return stop
}

// fakeClock is set by the test.
type fakeClock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *fakeClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *fakeClock) set(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = now
}

// sized makes a Deployment of a size for a policy to scale. Its pods wait for a node for
// ever: no test here needs them to run.
func sized(t *testing.T, namespace, name string, replicas int32) *appsv1.Deployment {
	t.Helper()
	return create(t, deployment(namespace, name, replicas))
}

// deployment is one whose pods are unplaced.
func deployment(namespace, name string, replicas int32) *appsv1.Deployment {
	labels := map[string]string{"app": name}
	return &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec: appsv1.DeploymentSpec{
			Replicas: ptr.To(replicas), Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec:       unplaced(),
			},
		},
	}
}

// unplaced is a pod that waits for a node for ever.
func unplaced() corev1.PodSpec {
	return corev1.PodSpec{
		NodeSelector: map[string]string{"there-is": "no-such-node"},
		Containers:   []corev1.Container{{Name: "app", Image: "none:local"}},
	}
}

// replicasOf is the size that a Deployment is asked to have.
func replicasOf(ctx context.Context, namespace, name string) (int32, error) {
	d := &appsv1.Deployment{}
	if err := kube.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, d); err != nil {
		return 0, err
	}
	return *d.Spec.Replicas, nil
}
