//go:build e2e

package policy

import (
	"context"
	"fmt"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/loadline/loadline/hack/load"
)

// wanted is how many pods the workloads behind the Services are asked to have, by namespace.
func wanted(ctx context.Context, fronts map[string]labels.Selector) (asked map[string]int, ok bool) {
	var deployments appsv1.DeploymentList
	var sets appsv1.StatefulSetList
	var controllers corev1.ReplicationControllerList
	for _, list := range []client.ObjectList{&deployments, &sets, &controllers} {
		if kube.List(ctx, list, client.HasLabels{tale}) != nil {
			return nil, false
		}
	}
	asked = map[string]int{}
	add := func(o metav1.Object, template *corev1.PodTemplateSpec, replicas *int32) {
		if s := fronts[o.GetNamespace()]; s != nil && s.Matches(labels.Set(template.Labels)) && o.GetDeletionTimestamp() == nil {
			asked[o.GetNamespace()] += int(*replicas)
		}
	}
	for _, w := range deployments.Items {
		add(&w, &w.Spec.Template, w.Spec.Replicas)
	}
	for _, w := range sets.Items {
		add(&w, &w.Spec.Template, w.Spec.Replicas)
	}
	for _, w := range controllers.Items {
		add(&w, w.Spec.Template, w.Spec.Replicas)
	}
	return asked, true
}

// takes says whether a Service sends requests to a pod that it selects: one that has been
// ready and is not on its way out. One whose probe came late on a busy machine counts.
func (c *counter) takes(p *corev1.Pod) bool {
	for _, condition := range p.Status.Conditions {
		c.ready = c.ready || condition.Type == corev1.PodReady && condition.Status == corev1.ConditionTrue
	}
	return c.ready && p.DeletionTimestamp == nil
}

// drive sends requests to a namespace's Service until the test is over, as many a second
// and evenly.
func drive(t *testing.T, namespace string, rate float64) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	endpoints, err := load.Watch(ctx, system.Client, namespace, "web", "http", load.Slices)
	if err != nil {
		cancel()
		t.Fatal(err)
	}
	d, err := load.New(load.Options{Pick: endpoints.Pick, Request: load.Get("/"), Limits: load.Limits{
		Requests: 1_000_000, Concurrency: 100, Duration: time.Hour, Timeout: 5 * time.Second,
	}})
	must(t, err)
	must(t, d.SetRate(rate))
	done := make(chan error, 1)
	go func() { done <- d.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		s := d.Stats()
		t.Logf("%d requests answered, %d not, %d without a pod to ask %s", s.OK, s.Failed, s.NoTarget, s.LastError)
	})
}

// known waits until the metric of a namespace is that of n pods.
func known(t *testing.T, o *observer, namespace string, n int64) {
	t.Helper()
	system.Until(t, fmt.Sprintf("requests of %d pods", n), time.Minute, func(context.Context) (bool, string) {
		r := o.rate(namespace)
		return r > (n-1)*10 && r <= n*10, fmt.Sprint(r)
	})
}
