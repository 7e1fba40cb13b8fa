//go:build e2e

package policy

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/cache"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// stage is a node whose pods are played: they get ready when their annotation says so, and
// take a moment to end. Processes of their own would be hundreds.
const stage = "stage"

// startsIn is the annotation of its pods that says how long they start; never, if it is
// empty.
const startsIn = "starts-in"

// ends is how long a played pod takes to end.
const ends = 500 * time.Millisecond

// played is a pod template of the stage.
func played(name, revision string, start time.Duration) corev1.PodTemplateSpec {
	return corev1.PodTemplateSpec{
		ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"app": name}, Annotations: map[string]string{startsIn: start.String()}},
		Spec: corev1.PodSpec{
			NodeName: stage, TerminationGracePeriodSeconds: ptr.To(int64(1)),
			Containers: []corev1.Container{{Name: "web", Image: "web:" + revision}},
		},
	}
}

// startStage has the stage for the test's time.
func startStage(t *testing.T) {
	t.Helper()
	node := &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: stage},
		Spec:       corev1.NodeSpec{Taints: []corev1.Taint{{Key: stage, Effect: corev1.TaintEffectNoSchedule}}},
		Status:     corev1.NodeStatus{Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue, LastHeartbeatTime: metav1.Now(), LastTransitionTime: metav1.Now()}}},
	}
	must(t, kube.Create(t.Context(), node))
	t.Cleanup(func() { must(t, kube.Delete(context.Background(), node)) })
	lease := &coordinationv1.Lease{
		ObjectMeta: metav1.ObjectMeta{Namespace: corev1.NamespaceNodeLease, Name: stage},
		Spec:       coordinationv1.LeaseSpec{HolderIdentity: ptr.To(stage), LeaseDurationSeconds: ptr.To(int32(40)), RenewTime: ptr.To(metav1.NowMicro())},
	}
	must(t, kube.Create(t.Context(), lease))
	t.Cleanup(func() { must(t, client.IgnoreNotFound(kube.Delete(context.Background(), lease))) })

	ctx, cancel := context.WithCancel(context.Background())
	p := &player{ctx: ctx, t: t, seen: map[types.UID]string{}}
	p.tasks.Go(func() { p.renew(lease) })
	list := cache.NewFilteredListWatchFromClient(system.Client.CoreV1().RESTClient(), "pods", "", func(o *metav1.ListOptions) { o.FieldSelector = "spec.nodeName=" + stage })
	_, informer := cache.NewInformerWithOptions(cache.InformerOptions{ListerWatcher: list, ObjectType: &corev1.Pod{}, Handler: cache.ResourceEventHandlerFuncs{
		AddFunc:    func(o any) { p.look(o.(*corev1.Pod)) },
		UpdateFunc: func(_, o any) { p.look(o.(*corev1.Pod)) },
	}})
	p.tasks.Go(func() { informer.Run(ctx.Done()) })
	t.Cleanup(func() { cancel(); p.tasks.Wait() })
}

// player plays the pods of the stage.
type player struct {
	ctx   context.Context
	t     *testing.T
	tasks sync.WaitGroup
	last  atomic.Uint32 // address

	mu   sync.Mutex
	seen map[types.UID]string // what was done about a pod
}

// renew has the node stay Ready.
func (p *player) renew(lease *coordinationv1.Lease) {
	for {
		body := fmt.Sprintf(`{"spec":{"renewTime":%q}}`, time.Now().UTC().Format(metav1.RFC3339Micro))
		if err := kube.Patch(p.ctx, lease, client.RawPatch(types.MergePatchType, []byte(body))); err != nil && p.ctx.Err() == nil {
			p.t.Errorf("the stage's Lease, without which its pods become unready: %v", err)
		}
		select {
		case <-p.ctx.Done():
			return
		case <-time.After(5 * time.Second):
		}
	}
}

// look begins what a pod is to do, once.
func (p *player) look(pod *corev1.Pod) {
	do := "start"
	if pod.DeletionTimestamp != nil {
		do = "end"
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.seen[pod.UID] == do || p.seen[pod.UID] == "end" {
		return
	}
	p.seen[pod.UID] = do
	pod = pod.DeepCopy()
	p.tasks.Go(func() {
		if do == "end" {
			p.end(pod)
		} else {
			p.start(pod)
		}
	})
}

func (p *player) wait(d time.Duration) bool {
	select {
	case <-p.ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

// start has a pod run, and get ready in its time.
func (p *player) start(pod *corev1.Pod) {
	d, err := time.ParseDuration(pod.Annotations[startsIn])
	n := p.last.Add(1)
	ip := fmt.Sprintf("10.250.%d.%d", n/250%250, 1+n%250)
	status := func(ready corev1.ConditionStatus) {
		now := metav1.Now()
		body := fmt.Sprintf(`{"status":{"phase":"Running","podIP":%q,"podIPs":[{"ip":%q}],"startTime":%q,"conditions":[{"type":"Ready","status":%q,"lastTransitionTime":%q}]}}`,
			ip, ip, pod.CreationTimestamp.UTC().Format(time.RFC3339), ready, now.UTC().Format(time.RFC3339))
		for range 5 { // a pod that ended before it was ready is no error
			err := kube.Status().Patch(p.ctx, &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: pod.Namespace, Name: pod.Name, UID: pod.UID}}, client.RawPatch(types.StrategicMergePatchType, []byte(body)))
			if err == nil || client.IgnoreNotFound(err) == nil || !p.wait(200*time.Millisecond) {
				return
			}
		}
	}
	if err != nil {
		status(corev1.ConditionFalse)
		return
	}
	if p.wait(d) {
		p.mu.Lock()
		ended := p.seen[pod.UID] == "end"
		p.mu.Unlock()
		if !ended {
			status(corev1.ConditionTrue)
		}
	}
}

// end has a pod be gone.
func (p *player) end(pod *corev1.Pod) {
	for p.wait(ends) {
		err := kube.Delete(p.ctx, pod, client.GracePeriodSeconds(0), client.Preconditions{UID: &pod.UID})
		if err == nil || client.IgnoreNotFound(err) == nil {
			return
		}
	}
}
