package bench

import (
	"context"
	"fmt"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/client-go/kubernetes"

	"github.com/loadline/loadline/hack/lab"
)

const (
	deployParallel = 8
	pageSize       = 2000
)

// Deploy makes the nodes, workloads and HPAs, and returns the pods when all run.
func Deploy(ctx context.Context, client kubernetes.Interface, apps []App, pods int, limit time.Duration) ([]Pod, error) {
	nodes := nodesFor(len(apps) * pods)
	if err := createPlaces(ctx, client, apps, nodes); err != nil {
		return nil, err
	}
	if err := createApps(ctx, client, apps, pods, nodes); err != nil {
		return nil, err
	}
	return awaitPods(ctx, client, apps, pods, limit)
}

// createPlaces makes the nodes and namespaces.
func createPlaces(ctx context.Context, client kubernetes.Interface, apps []App, nodes int) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(deployParallel)
	for i := range nodes {
		group.Go(func() error {
			_, err := client.CoreV1().Nodes().Create(ctx, node(nodeName(i)), metav1.CreateOptions{})
			return err
		})
	}
	made := map[string]bool{}
	for _, a := range apps {
		if made[a.Namespace] {
			continue
		}
		made[a.Namespace] = true
		group.Go(func() error {
			ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: a.Namespace}}
			_, err := client.CoreV1().Namespaces().Create(ctx, ns, metav1.CreateOptions{})
			return err
		})
	}
	return group.Wait()
}

// createApps makes the workloads with their HPAs.
func createApps(ctx context.Context, client kubernetes.Interface, apps []App, pods, nodes int) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(deployParallel)
	for i, a := range apps {
		group.Go(func() error {
			d := a.deployment(int32(pods), nodeName(i%nodes))
			if _, err := client.AppsV1().Deployments(a.Namespace).Create(ctx, d, metav1.CreateOptions{}); err != nil {
				return err
			}
			_, err := client.AutoscalingV2().HorizontalPodAutoscalers(a.Namespace).Create(ctx, a.hpa(int32(pods)), metav1.CreateOptions{})
			return err
		})
	}
	return group.Wait()
}

// awaitPods waits until every app has its pods running, and returns them.
func awaitPods(ctx context.Context, client kubernetes.Interface, apps []App, pods int, limit time.Duration) ([]Pod, error) {
	var running []Pod
	var asked time.Time
	err := lab.Until(ctx, "fake pods", limit, func(ctx context.Context) (bool, string) {
		// A listing of ten thousand pods is work for the server that makes them.
		if since := time.Since(asked); len(running) > 0 && since < 3*time.Second {
			return false, fmt.Sprintf("%d of %d run", len(running), len(apps)*pods)
		}
		var err error
		if running, err = runningPods(ctx, client); err != nil {
			return false, err.Error()
		}
		asked = time.Now()
		return len(running) == len(apps)*pods, fmt.Sprintf("%d of %d run", len(running), len(apps)*pods)
	})
	return running, err
}

func runningPods(ctx context.Context, client kubernetes.Interface) ([]Pod, error) {
	var running []Pod
	opts := metav1.ListOptions{
		LabelSelector: appLabel, FieldSelector: fields.OneTermEqualSelector("status.phase", string(corev1.PodRunning)).String(), Limit: pageSize,
	}
	for {
		list, err := client.CoreV1().Pods("").List(ctx, opts)
		if err != nil {
			return nil, err
		}
		for i := range list.Items {
			p := &list.Items[i]
			// Pods of ours on real nodes have the label too.
			if strings.HasPrefix(p.Spec.NodeName, nodePrefix) && p.Status.PodIP != "" {
				running = append(running, Pod{Namespace: p.Namespace, Name: p.Name})
			}
		}
		if opts.Continue = list.Continue; opts.Continue == "" {
			return running, nil
		}
	}
}
