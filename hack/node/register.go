package node

import (
	"context"
	"maps"
	"runtime"
	"time"

	coordv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	leaseSeconds  = 40 // the kubelet's defaults
	leaseInterval = 10 * time.Second
)

// capacity is what the scheduler may count on. It is nominal: processes share
// the machine, and a pod must not wait for CPU that nobody measures.
func capacity() corev1.ResourceList {
	return corev1.ResourceList{
		corev1.ResourceCPU:              resource.MustParse("64"),
		corev1.ResourceMemory:           resource.MustParse("256Gi"),
		corev1.ResourceEphemeralStorage: resource.MustParse("1Ti"),
		corev1.ResourcePods:             resource.MustParse("500"),
	}
}

// nodeObject is the Node as it is registered.
func nodeObject(opts Options) *corev1.Node {
	n := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: opts.Name, Labels: map[string]string{
		corev1.LabelHostname:   opts.Name,
		corev1.LabelOSStable:   runtime.GOOS,
		corev1.LabelArchStable: runtime.GOARCH,
	}}}
	maps.Copy(n.Labels, opts.Labels)
	n.Spec.Taints = opts.Taints
	return n
}

// nodeStatus is the Node's status; ready says whether pods can run now.
func nodeStatus(opts Options, hostIP string, logs int32, ready bool, now metav1.Time) corev1.NodeStatus {
	condition := func(kind corev1.NodeConditionType, status corev1.ConditionStatus, reason, message string) corev1.NodeCondition {
		return corev1.NodeCondition{Type: kind, Status: status, Reason: reason, Message: message, LastHeartbeatTime: now, LastTransitionTime: now}
	}
	state := condition(corev1.NodeReady, corev1.ConditionTrue, "NodeReady", "the process node runs")
	if !ready {
		state = condition(corev1.NodeReady, corev1.ConditionFalse, "NodeStopped", "the process node was stopped; its processes ended with it")
	}
	return corev1.NodeStatus{
		Capacity: capacity(), Allocatable: capacity(),
		// No host name: the API server would prefer it, and nothing resolves it.
		Addresses:       []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: hostIP}},
		DaemonEndpoints: corev1.NodeDaemonEndpoints{KubeletEndpoint: corev1.DaemonEndpoint{Port: logs}},
		NodeInfo: corev1.NodeSystemInfo{
			KubeletVersion:  "v0.0.0-process-node", // it is no version of the kubelet
			OperatingSystem: runtime.GOOS, Architecture: runtime.GOARCH,
			ContainerRuntimeVersion: "process://1", OSImage: "host processes",
		},
		Conditions: []corev1.NodeCondition{
			condition(corev1.NodeMemoryPressure, corev1.ConditionFalse, "NotMeasured", ""),
			condition(corev1.NodeDiskPressure, corev1.ConditionFalse, "NotMeasured", ""),
			condition(corev1.NodePIDPressure, corev1.ConditionFalse, "NotMeasured", ""),
			state,
		},
	}
}

// register makes the Node, or takes over one of the same name.
func (n *Node) register(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	nodes := n.client.CoreV1().Nodes()
	want := nodeObject(n.opts)
	_, err := nodes.Create(ctx, want, metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		var have *corev1.Node
		if have, err = nodes.Get(ctx, n.opts.Name, metav1.GetOptions{}); err != nil {
			return err
		}
		if have.Labels == nil {
			have.Labels = map[string]string{}
		}
		maps.Copy(have.Labels, want.Labels)
		_, err = nodes.Update(ctx, have, metav1.UpdateOptions{})
	}
	return err
}

// report writes the Node's status.
func (n *Node) report(ctx context.Context, ready bool) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	nodes := n.client.CoreV1().Nodes()
	for {
		have, err := nodes.Get(ctx, n.opts.Name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		have.Status = nodeStatus(n.opts, n.hostIP, n.logs, ready, metav1.NewTime(n.now()))
		if _, err = nodes.UpdateStatus(ctx, have, metav1.UpdateOptions{}); !apierrors.IsConflict(err) {
			return err
		}
	}
}

// stayReady returns when ctx ends. Until then it undoes that the node was taken for
// dead, as after a machine was suspended: a lease alone does not bring it back.
func (n *Node) stayReady(ctx context.Context) {
	for sleep(ctx, leaseInterval) == nil {
		if err := n.restore(ctx); err != nil && ctx.Err() == nil {
			n.opts.Log.Warn("node cannot be kept ready", "err", err)
		}
	}
}

// restore reports the node ready where it counts as not ready.
func (n *Node) restore(ctx context.Context) error {
	within, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	have, err := n.client.CoreV1().Nodes().Get(within, n.opts.Name, metav1.GetOptions{})
	if err != nil {
		return err
	}
	for _, c := range have.Status.Conditions {
		if c.Type == corev1.NodeReady && c.Status == corev1.ConditionTrue {
			return nil
		}
	}
	return n.report(ctx, true)
}

// heartbeat renews the node's lease until ctx ends. Without it the node
// lifecycle controller would take the node for dead after 40 s.
func (n *Node) heartbeat(ctx context.Context) {
	for {
		if err := n.renewLease(ctx); err != nil && ctx.Err() == nil {
			n.opts.Log.Warn("node lease is not renewed", "err", err)
		}
		if sleep(ctx, leaseInterval) != nil {
			return
		}
	}
}

func (n *Node) renewLease(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	leases := n.client.CoordinationV1().Leases(corev1.NamespaceNodeLease)
	lease, err := leases.Get(ctx, n.opts.Name, metav1.GetOptions{})
	if err != nil && !apierrors.IsNotFound(err) {
		return err
	}
	seconds, now := int32(leaseSeconds), metav1.NewMicroTime(n.now())
	spec := coordv1.LeaseSpec{HolderIdentity: &n.opts.Name, LeaseDurationSeconds: &seconds, RenewTime: &now}
	if apierrors.IsNotFound(err) {
		_, err = leases.Create(ctx, &coordv1.Lease{ObjectMeta: metav1.ObjectMeta{Name: n.opts.Name}, Spec: spec}, metav1.CreateOptions{})
		return err
	}
	lease.Spec = spec
	_, err = leases.Update(ctx, lease, metav1.UpdateOptions{})
	return err
}
