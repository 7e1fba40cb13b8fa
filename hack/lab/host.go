package lab

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// HostNotice says what is missing without a network namespace.
const HostNotice = `There is no network namespace (bin/cluster exec gives one where the machine allows it). Missing because of that:
  - pod addresses of a pod range: pods get loopback addresses, which other programs of this machine can reach, too
  - EndpointSlices, which refuse loopback addresses: the load is sent to the ready pods that a Service selects
  - Services' own addresses: Services answer on ports of 127.0.0.1, and kube-apiserver reaches one of the adapter's two replicas`

// serverFlags are the caller's, and before them, without a namespace, what lets
// kube-apiserver follow an ExternalName: resolving Services to endpoints, as it
// does otherwise, does not know that type.
func serverFlags(extra map[string][]string, isolated bool) map[string][]string {
	if isolated {
		return extra
	}
	const server = "kube-apiserver"
	flags := maps.Clone(extra)
	if flags == nil {
		flags = map[string][]string{}
	}
	flags[server] = append([]string{"--enable-aggregator-routing=false"}, extra[server]...)
	return flags
}

const adapterPort = 6443 // of its Deployment

// startAdapterOnHost is StartAdapter for a machine's own network. A Service
// cannot have endpoints there, so the adapter's becomes an ExternalName, which
// Kubernetes lets be an address: that of one ready pod.
func (l *Lab) startAdapterOnHost(ctx context.Context, extra ...string) error {
	if l.opts.Source != Embedded {
		prometheus, err := l.podIP(ctx, MonitoringNamespace, "app=prometheus")
		if err != nil {
			return err
		}
		extra = append([]string{"--prometheus-url=http://" + net.JoinHostPort(prometheus, "9090")}, extra...)
	}
	objects, err := l.AdapterManifests(ctx, extra...)
	if err != nil {
		return err
	}
	// The APIServices come before it: the adapter writes its CA into them, and
	// until the Service exists they are merely unavailable.
	service := Find(objects, "Service", "loadline-adapter")
	if service == nil {
		return errors.New("deploy/base has no Service loadline-adapter")
	}
	for _, o := range objects {
		if o.GetKind() == "APIService" {
			if err := unstructured.SetNestedField(o.Object, int64(adapterPort), "spec", "service", "port"); err != nil {
				return err
			}
		}
	}
	objects = slices.DeleteFunc(objects, func(o *unstructured.Unstructured) bool { return o == service })
	if err := l.Apply(ctx, objects); err != nil {
		return err
	}
	if err := l.Available(ctx, AdapterNamespace, AdapterDeployment, 2*time.Minute); err != nil {
		return err
	}
	adapter, err := l.podIP(ctx, AdapterNamespace, "app.kubernetes.io/name=loadline-adapter")
	if err != nil {
		return err
	}
	service.Object["spec"] = map[string]any{"type": "ExternalName", "externalName": adapter}
	if err := l.Apply(ctx, []*unstructured.Unstructured{service}); err != nil {
		return err
	}
	return l.APIsAvailable(ctx, time.Minute)
}

// podIP returns the address of a ready pod.
func (l *Lab) podIP(ctx context.Context, namespace, selector string) (string, error) {
	pods, err := l.Client.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{LabelSelector: selector})
	if err != nil {
		return "", err
	}
	for _, p := range pods.Items {
		ready := slices.ContainsFunc(p.Status.Conditions, func(c corev1.PodCondition) bool {
			return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
		})
		if ready && p.DeletionTimestamp == nil {
			return p.Status.PodIP, nil
		}
	}
	return "", fmt.Errorf("no pod of %s in namespace %s is ready", selector, namespace)
}
