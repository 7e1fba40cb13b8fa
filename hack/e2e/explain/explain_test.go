//go:build e2e

package explain

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/util/retry"

	"github.com/loadline/loadline/hack/cluster"
	"github.com/loadline/loadline/policy/chain"
)

var (
	seed   = flag.Uint64("seed", 1, "of the random states")
	states = flag.Int("states", 60, "how many random states")
)

// TestExplainedIsDone: HPAs that may not scale are explained, and then may. What the
// proposals and the bounds of the explanation amount to, by the controller's rule for more
// than one metric, is what the controller makes of it in its next sync.
func TestExplainedIsDone(t *testing.T) {
	t.Logf("%d states of -seed=%d", *states, *seed)
	namespace := place(t)
	all := make([]*state, *states)
	for i := range all {
		all[i] = newState(*seed, uint64(i))
	}
	deploy(t, namespace, all)
	client := system.Client.AutoscalingV2().HorizontalPodAutoscalers(namespace)
	for _, s := range all {
		var err error
		if s.hpa, err = client.Create(t.Context(), s.hpa, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	system.Until(t, "each HPA has been synced", time.Minute, func(ctx context.Context) (bool, string) {
		list, err := client.List(ctx, metav1.ListOptions{})
		if err != nil {
			return false, err.Error()
		}
		for _, h := range list.Items {
			if len(h.Status.Conditions) < 2 {
				return false, h.Name + " has not"
			}
		}
		return true, ""
	})
	// By then the values are of after the pods were made ready and not, and the adapter
	// has all that is asked for.
	system.Pause(t, 4*hpaSync)

	explained := make([]*chain.Report, len(all))
	var asking errgroup.Group
	asking.SetLimit(4)
	for i, s := range all {
		asking.Go(func() (err error) { explained[i], err = explain(t, namespace, s.name); return })
	}
	if err := asking.Wait(); err != nil {
		t.Fatal(err)
	}
	done := release(t, namespace, all)

	seen := map[string]int{}
	for i, s := range all {
		want, kind := outcome(explained[i], *s.deployment.Spec.Replicas)
		seen[kind]++
		if r := explained[i].Decision.Replicas; r != nil && !has(r, *s.deployment.Spec.Replicas) {
			t.Errorf("%s: an HPA that may not scale: %s", s.name, explained[i].Decision.Text)
		}
		if got := done[s.name]; got != want {
			data, _ := json.MarshalIndent(explained[i], "", "  ")
			t.Errorf("%s: the controller makes it %d of %d, and explained it was %d (%s):\n%s", s.name, got, *s.deployment.Spec.Replicas, want, kind, data)
		}
	}
	t.Logf("outcomes: %v", seen)
	for _, kind := range []string{"up", "down", "to the maximum", "to the minimum", "stays", "nothing is known", "not down, for a metric is missing"} {
		if seen[kind] == 0 {
			t.Errorf("no state in which the outcome is %q: the test shows too little", kind)
		}
	}
}

// outcome is what the controller makes of proposals and bounds (computeReplicasForMetrics and
// normalizeDesiredReplicas in horizontal.go), and what kind of case it is.
func outcome(r *chain.Report, current int32) (replicas int32, kind string) {
	var most int32
	known, missing := false, false
	for _, m := range r.Metrics {
		if m.Replicas == nil {
			missing = true
			continue
		}
		known, most = true, max(most, *m.Replicas)
	}
	switch {
	case !known:
		return current, "nothing is known"
	case missing && most < current:
		return current, "not down, for a metric is missing"
	case most > r.Bounds.Max:
		return r.Bounds.Max, "to the maximum"
	case most < r.Bounds.Min:
		return r.Bounds.Min, "to the minimum"
	case most > current:
		return most, "up"
	case most < current:
		return most, "down"
	}
	return most, "stays"
}

func has(r *chain.Range, n int32) bool {
	return (r.Least == nil || *r.Least <= n) && (r.Most == nil || n <= *r.Most)
}

// place makes a node that kwok plays, and a namespace, for the test's time.
func place(t *testing.T) string {
	t.Helper()
	node := &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: fakeNode, Annotations: map[string]string{cluster.FakeNode: "fake"}},
		Spec:       corev1.NodeSpec{Taints: []corev1.Taint{{Key: cluster.FakeNode, Value: "fake", Effect: corev1.TaintEffectNoSchedule}}},
	}
	if _, err := system.Client.CoreV1().Nodes().Create(t.Context(), node, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	ns, err := system.Client.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "explain-"}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		// Not the test's context, which is done by now.
		err := errors.Join(
			system.Client.CoreV1().Namespaces().Delete(context.Background(), ns.Name, metav1.DeleteOptions{}),
			system.Client.CoreV1().Nodes().Delete(context.Background(), fakeNode, metav1.DeleteOptions{}))
		if err != nil {
			t.Error(err)
		}
	})
	return ns.Name
}

// deploy makes the workloads, waits for their pods, makes some of these unready, and exports
// values for them.
func deploy(t *testing.T, namespace string, all []*state) {
	t.Helper()
	want := 0
	for _, s := range all {
		if _, err := system.Client.AppsV1().Deployments(namespace).Create(t.Context(), s.deployment, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		service := &corev1.Service{
			ObjectMeta: metav1.ObjectMeta{Name: s.name},
			Spec:       corev1.ServiceSpec{Selector: map[string]string{appLabel: s.name}, Ports: []corev1.ServicePort{{Port: 80}}},
		}
		if _, err := system.Client.CoreV1().Services(namespace).Create(t.Context(), service, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		want += int(*s.deployment.Spec.Replicas)
	}
	pods := map[string][]corev1.Pod{}
	system.Until(t, "the pods run", 2*time.Minute, func(ctx context.Context) (bool, string) {
		list, err := system.Client.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{})
		if err != nil {
			return false, err.Error()
		}
		clear(pods)
		running := 0
		for _, p := range list.Items {
			if p.Status.Phase == corev1.PodRunning {
				running++
				pods[p.Labels[appLabel]] = append(pods[p.Labels[appLabel]], p)
			}
		}
		return running == want, fmt.Sprintf("%d of %d do", running, want)
	})
	var page strings.Builder
	for _, s := range all {
		for i := range pods[s.name] {
			if s.oneIn(6) {
				unready(t, &pods[s.name][i])
			}
		}
		page.WriteString(s.lines(namespace, pods[s.name]))
	}
	values.set(page.String())
}

func unready(t *testing.T, pod *corev1.Pod) {
	t.Helper()
	err := retry.RetryOnConflict(retry.DefaultRetry, func() error {
		p, err := system.Client.CoreV1().Pods(pod.Namespace).Get(t.Context(), pod.Name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		for i := range p.Status.Conditions {
			if c := &p.Status.Conditions[i]; c.Type == corev1.PodReady {
				c.Status, c.LastTransitionTime = corev1.ConditionFalse, metav1.Now()
			}
		}
		_, err = system.Client.CoreV1().Pods(pod.Namespace).UpdateStatus(t.Context(), p, metav1.UpdateOptions{})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// explain runs kubectl loadline explain. Its exit code is that of a broken chain exactly if
// it says of one.
func explain(t *testing.T, namespace, name string) (*chain.Report, error) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	root, _ := filepath.Abs(os.Getenv("LOADLINE_ROOT")) // main has asked for it
	cmd := exec.CommandContext(ctx, filepath.Join(root, "bin", "kubectl-loadline"), "explain", "hpa/"+name, "--namespace="+namespace, "--output=json")
	cmd.Env = append(os.Environ(), "KUBECONFIG="+system.Cluster.Kubeconfig())
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && (!errors.As(err, &exit) || exit.ExitCode() != 1) {
		return nil, fmt.Errorf("explain %s: %w\n%s", name, err, &stderr)
	}
	report := &chain.Report{}
	if err := json.Unmarshal(stdout.Bytes(), report); err != nil {
		return nil, fmt.Errorf("explain %s: %w\n%s%s", name, err, &stdout, &stderr)
	}
	if report.Whole() != (exit == nil) {
		return nil, fmt.Errorf("explain %s: exit status %v, and what is broken is %v", name, exit, report.Broken)
	}
	return report, nil
}

// decided says whether the status of an HPA that was let go is the controller's decision on
// its spec. Before 1.37 no generation tells: then it is one that is not as it was when the
// spec was written, for the controller's write is refused where it had read another spec.
// before is what it was.
func decided(h *autoscalingv2.HorizontalPodAutoscaler, before map[string]*autoscalingv2.HorizontalPodAutoscalerStatus) bool {
	if h.Generation > 0 {
		return h.Status.ObservedGeneration != nil && *h.Status.ObservedGeneration == h.Generation
	}
	was, known := before[h.Name]
	if !known {
		before[h.Name] = &h.Status
	}
	return known && !equality.Semantic.DeepEqual(was, &h.Status)
}

// release lets the HPAs scale as they please, and returns what the controller then made of
// each in its first sync.
func release(t *testing.T, namespace string, all []*state) map[string]int32 {
	t.Helper()
	client := system.Client.AutoscalingV2().HorizontalPodAutoscalers(namespace)
	watching, err := client.Watch(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	done := map[string]int32{}
	before := map[string]*autoscalingv2.HorizontalPodAutoscalerStatus{} // where nothing is counted
	var following sync.WaitGroup
	following.Go(func() {
		for event := range watching.ResultChan() {
			h, ok := event.Object.(*autoscalingv2.HorizontalPodAutoscaler)
			if !ok || h.Spec.Behavior.ScaleUp.SelectPolicy != nil && *h.Spec.Behavior.ScaleUp.SelectPolicy == autoscalingv2.DisabledPolicySelect {
				continue
			}
			mu.Lock()
			if _, known := done[h.Name]; !known && decided(h, before) {
				done[h.Name] = h.Status.DesiredReplicas
			}
			mu.Unlock()
		}
	})
	defer following.Wait()
	defer watching.Stop()
	for _, s := range all {
		err := retry.RetryOnConflict(retry.DefaultRetry, func() error {
			h, err := client.Get(t.Context(), s.name, metav1.GetOptions{})
			if err != nil {
				return err
			}
			h.Spec.Behavior = behavior(nil)
			_, err = client.Update(t.Context(), h, metav1.UpdateOptions{})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	released := time.Now()
	system.Until(t, "the controller has decided on each", time.Minute, func(context.Context) (bool, string) {
		mu.Lock()
		defer mu.Unlock()
		if time.Since(released) > 3*hpaSync {
			for name, status := range before { // a status that stays as it is is not written again
				if _, known := done[name]; !known {
					done[name] = status.DesiredReplicas
				}
			}
		}
		return len(done) == len(all), fmt.Sprintf("%d of %d", len(done), len(all))
	})
	mu.Lock()
	defer mu.Unlock()
	for name, replicas := range done {
		if replicas > 0 {
			continue
		}
		// A controller that never knew what to desire says 0, and leaves the size alone.
		d, err := system.Client.AppsV1().Deployments(namespace).Get(t.Context(), name, metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		done[name] = *d.Spec.Replicas
	}
	return done
}
