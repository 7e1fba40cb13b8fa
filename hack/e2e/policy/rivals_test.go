//go:build e2e

package policy

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/utils/ptr"

	"github.com/loadline/loadline/policy/api/v1alpha1"
	"github.com/loadline/loadline/policy/decide"
)

// rivals are two that scale one target: who came first goes on, the other is told, no
// size and no HPA moves because of it, and it mends itself when one of them goes.
func rivals(t *testing.T, m *metricAPI) {
	for name, test := range map[string]func(*testing.T, string){
		"two policies": twoPolicies, "an HPA was there": foreignFirst, "an HPA joins": foreignJoins,
		"an HPA on the same pods": samePods,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ns := namespace(t)
			m.of(ns).value.Store(30) // three pods
			sized(t, ns, "web", 3)
			test(t, ns)
		})
	}
}

// samePods: an HPA on another workload that selects the same pods stops both HPAs, and the
// policy is not Ready until that is over.
func samePods(t *testing.T, ns string) {
	create(t, onWeb(ns, "first"))
	goodMetrics(t, ns, "first")
	ready(t, ns, "first", decide.Applied, soon)
	twin := deployment(ns, "twin", 1)
	twin.Spec.Selector.MatchLabels, twin.Spec.Template.Labels = map[string]string{"app": "web"}, map[string]string{"app": "web"}
	create(t, twin)
	h := theirs(ns)
	h.Spec.ScaleTargetRef.Name = "twin"
	create(t, h)
	ready(t, ns, "first", decide.HPAStopped, 4*hpaSync+soon)
	conflict(t, ns, "first", decide.SharedPods, "theirs")
	if out, _, code := loadline(t, ns, "status", "first"); code == 0 || !strings.Contains(out, "theirs") {
		t.Errorf("status: exit code %d: %s", code, out)
	}
	must(t, kube.Delete(t.Context(), h))
	healed(t, ns, "first")
}

// onWeb is a policy of any name for the Deployment web.
func onWeb(ns, name string) *v1alpha1.AutoscalingPolicy {
	return newPolicy(ns, name, external, func(p *v1alpha1.AutoscalingPolicy) { p.Spec.TargetRef.Name = "web" })
}

// theirs is an HPA of another name on the Deployment web. It has the policies' bounds:
// others would have the two HPAs fight at once, which is not ours to prevent.
func theirs(ns string) *autoscalingv2.HorizontalPodAutoscaler {
	h := foreign(ns, "web")
	h.Name = "theirs"
	h.Spec.MaxReplicas = 6
	h.Spec.Metrics = []autoscalingv2.MetricSpec{{Type: autoscalingv2.ExternalMetricSourceType, External: &autoscalingv2.ExternalMetricSource{
		Metric: autoscalingv2.MetricIdentifier{Name: "load"},
		Target: autoscalingv2.MetricTarget{Type: autoscalingv2.AverageValueMetricType, AverageValue: ptr.To(resource.MustParse("10"))},
	}}}
	return h
}

func twoPolicies(t *testing.T, ns string) {
	first := create(t, onWeb(ns, "first"))
	built(t, ns, "first")
	goodMetrics(t, ns, "first")
	calm := still(t, ns)
	create(t, onWeb(ns, "second"))
	refused(t, ns, "second", decide.TwoPolicies, "policy first")
	system.Pause(t, 2*hpaSync)
	must(t, calm())
	ready(t, ns, "first", decide.Applied, soon)

	must(t, kube.Delete(t.Context(), first))
	gone(t, ns, "first")
	healed(t, ns, "second")
	if n, err := replicasOf(t.Context(), ns, "web"); err != nil || n != 3 {
		t.Errorf("the size went from 3 to %d, %v", n, err)
	}
}

func foreignFirst(t *testing.T, ns string) {
	h := create(t, theirs(ns))
	worked(t, h)
	calm := still(t, ns)
	create(t, onWeb(ns, "ours"))
	refused(t, ns, "ours", decide.ForeignHPA, "HPA theirs")
	system.Pause(t, 2*hpaSync)
	must(t, calm())

	must(t, kube.Delete(t.Context(), h))
	healed(t, ns, "ours")
}

func foreignJoins(t *testing.T, ns string) {
	create(t, onWeb(ns, "ours"))
	built(t, ns, "ours")
	goodMetrics(t, ns, "ours")
	h := create(t, theirs(ns))
	calm := still(t, ns)
	conflict(t, ns, "ours", decide.ForeignHPA, "HPA theirs")
	told(t, ns, "ours", decide.EventConflict)
	// Ours was first, and stays what its policy says.
	ready(t, ns, "ours", decide.Applied, soon)
	system.Pause(t, 2*hpaSync)
	must(t, calm())

	must(t, kube.Delete(t.Context(), h))
	healed(t, ns, "ours")
	goodMetrics(t, ns, "ours")
}

// refused waits until a policy is told that its target is somebody else's; it has no HPA.
func refused(t *testing.T, ns, name, reason, who string) {
	t.Helper()
	conflict(t, ns, name, reason, who)
	ready(t, ns, name, reason, soon)
	told(t, ns, name, decide.EventConflict)
	if _, err := getHPA(t.Context(), ns, name); !apierrors.IsNotFound(err) {
		t.Errorf("the policy %s that was refused has an HPA: %v", name, err)
	}
}

// conflict waits for the condition, which says who it is.
func conflict(t *testing.T, ns, name, reason, who string) {
	t.Helper()
	system.Until(t, "conflict of "+name, soon, func(ctx context.Context) (bool, string) {
		p, err := getPolicy(ctx, ns, name)
		if err != nil {
			return false, err.Error()
		}
		c := condition(p, v1alpha1.Conflict)
		return strings.HasPrefix(c, "Conflict=True "+reason) && strings.Contains(c, who), c
	})
}

// healed waits until a policy that had a rival is alone, and says so.
func healed(t *testing.T, ns, name string) {
	t.Helper()
	built(t, ns, name)
	ready(t, ns, name, decide.Applied, 2*hpaSync+soon)
	system.Until(t, "no conflict of "+name, soon, func(ctx context.Context) (bool, string) {
		p, err := getPolicy(ctx, ns, name)
		if err != nil {
			return false, err.Error()
		}
		c := condition(p, v1alpha1.Conflict)
		return strings.HasPrefix(c, "Conflict=False"), c
	})
	told(t, ns, name, decide.EventResolved)
}

// worked waits until the HPA controller has worked on an HPA.
func worked(t *testing.T, h *autoscalingv2.HorizontalPodAutoscaler) {
	t.Helper()
	system.Until(t, "work on the HPA "+h.Name, 3*hpaSync, func(ctx context.Context) (bool, string) {
		h, err := getHPA(ctx, h.Namespace, h.Name)
		return err == nil && len(h.Status.Conditions) > 0, fmt.Sprint(err)
	})
}

// still watches the HPAs and the Deployment web of a namespace. What it returns ends
// that, and is an error that says what moved.
func still(t *testing.T, ns string) func() error {
	t.Helper()
	hpas, err := system.Client.AutoscalingV2().HorizontalPodAutoscalers(ns).List(t.Context(), metav1.ListOptions{})
	must(t, err)
	was, err := replicasOf(t.Context(), ns, "web")
	must(t, err)
	specs := map[string]autoscalingv2.HorizontalPodAutoscalerSpec{}
	for _, h := range hpas.Items {
		specs[h.Name] = h.Spec
	}
	writes, err := system.Client.AutoscalingV2().HorizontalPodAutoscalers(ns).Watch(t.Context(), metav1.ListOptions{ResourceVersion: hpas.ResourceVersion})
	must(t, err)
	sizes, err := system.Client.AppsV1().Deployments(ns).Watch(t.Context(), metav1.ListOptions{})
	must(t, err)
	var g errgroup.Group
	g.Go(func() error { return rewritten(writes, specs) })
	g.Go(func() error { return resized(sizes, was) })
	return func() error { writes.Stop(); sizes.Stop(); return g.Wait() }
}

// rewritten is an error if an HPA has another spec than to begin with, or if one comes or
// goes. Generations would be shorter, but before 1.37 HPAs have none.
func rewritten(w watch.Interface, specs map[string]autoscalingv2.HorizontalPodAutoscalerSpec) error {
	var err error
	for e := range w.ResultChan() {
		h, ok := e.Object.(*autoscalingv2.HorizontalPodAutoscaler)
		if !ok {
			continue
		}
		was, known := specs[h.Name]
		if !known || e.Type == watch.Deleted {
			err = fmt.Errorf("the HPA %s: %s", h.Name, e.Type)
		} else if diff := cmp.Diff(was, h.Spec); diff != "" {
			err = fmt.Errorf("the HPA %s: %s", h.Name, diff)
		}
	}
	return err
}

// writesOf counts the writes of the HPA web that change its spec, from the version on that
// h is of, until what it returns is called.
func writesOf(t *testing.T, h *autoscalingv2.HorizontalPodAutoscaler) func() int {
	t.Helper()
	w, err := system.Client.AutoscalingV2().HorizontalPodAutoscalers(h.Namespace).Watch(t.Context(),
		metav1.ListOptions{ResourceVersion: h.ResourceVersion, FieldSelector: "metadata.name=" + h.Name})
	must(t, err)
	done := make(chan int, 1)
	go func() {
		n, last := 0, h.Spec
		for e := range w.ResultChan() {
			if is, ok := e.Object.(*autoscalingv2.HorizontalPodAutoscaler); ok && !equality.Semantic.DeepEqual(last, is.Spec) {
				n, last = n+1, is.Spec
			}
		}
		done <- n
	}()
	return func() int { w.Stop(); return <-done }
}

// resized is an error if a Deployment was asked for another size than to begin with.
func resized(w watch.Interface, was int32) error {
	var err error
	for e := range w.ResultChan() {
		if d, ok := e.Object.(*appsv1.Deployment); ok && *d.Spec.Replicas != was {
			err = fmt.Errorf("the Deployment %s went from %d to %d", d.Name, was, *d.Spec.Replicas)
		}
	}
	return err
}
