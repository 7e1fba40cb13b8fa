package main

import (
	"context"
	"fmt"
	"io"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
)

// sayEnds says which containers end, Prometheus' among them, until ctx ends. They
// end nothing else, for the node starts them again.
func sayEnds(ctx context.Context, client kubernetes.Interface, out io.Writer) {
	factory := informers.NewSharedInformerFactory(client, 0)
	_, err := factory.Core().V1().Pods().Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		UpdateFunc: func(before, now any) {
			for _, line := range ends(before.(*corev1.Pod), now.(*corev1.Pod)) {
				fmt.Fprintln(out, "cluster:", line)
			}
		},
	})
	if err != nil { // only of an informer that was stopped
		fmt.Fprintln(out, "cluster: what ends in pods is not seen:", err)
	}
	factory.Start(ctx.Done())
	<-ctx.Done()
	factory.Shutdown()
}

// ends says which of a pod's containers ended between two of its states although
// they are to run for ever and the pod stays.
func ends(before, now *corev1.Pod) []string {
	if now.Spec.RestartPolicy != corev1.RestartPolicyAlways || now.DeletionTimestamp != nil {
		return nil
	}
	known := map[string]bool{}
	for _, s := range before.Status.ContainerStatuses {
		if t := termination(s); t != nil {
			known[t.ContainerID] = true
		}
	}
	var lines []string
	for _, s := range now.Status.ContainerStatuses {
		t := termination(s)
		if t == nil || known[t.ContainerID] {
			continue
		}
		how := fmt.Sprintf("with exit code %d", t.ExitCode)
		if t.Signal != 0 {
			how = fmt.Sprintf("by signal %d", t.Signal)
		}
		lines = append(lines, fmt.Sprintf("container %s of pod %s/%s ended %s; the node starts it again; its log: kubectl -n %s logs %s -c %s",
			s.Name, now.Namespace, now.Name, how, now.Namespace, now.Name, s.Name))
	}
	return lines
}

// termination is how the container ended last; nil if it never did.
func termination(s corev1.ContainerStatus) *corev1.ContainerStateTerminated {
	if s.State.Terminated != nil {
		return s.State.Terminated
	}
	return s.LastTerminationState.Terminated
}
