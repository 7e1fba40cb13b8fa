package node

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// worker carries one pod from its arrival at the node to its removal from the
// API server. A pod that comes back under the same name is another worker.
type worker struct {
	node    *Node
	at      placement
	started metav1.Time
	root    string
	inits   []*container
	mains   []*container
	volumes volumes

	wake    chan struct{} // the pod's object changed or is gone
	dirty   chan struct{} // the status may have changed
	refresh chan struct{} // content of volumes may have changed

	mu       sync.Mutex
	pod      *corev1.Pod
	dirs     map[string]string
	gone     bool // deleted from the API server behind our back
	finished bool // nothing runs and nothing will start again
}

func newWorker(n *Node, pod *corev1.Pod) *worker {
	root := filepath.Join(n.opts.Dir, "pods", string(pod.UID))
	w := &worker{
		node: n, pod: pod, root: root,
		at:      placement{HostIP: n.hostIP, NodeName: n.opts.Name},
		started: metav1.NewTime(n.now()).Rfc3339Copy(),
		volumes: volumes{client: n.client, root: root, claims: filepath.Join(n.opts.Dir, "claims"), now: n.now, tokens: map[string]token{}},
		wake:    make(chan struct{}, 1), dirty: make(chan struct{}, 1), refresh: make(chan struct{}, 1),
	}
	if pod.Status.StartTime != nil {
		w.started = *pod.Status.StartTime
	}
	once := pod.Spec.RestartPolicy
	if once != corev1.RestartPolicyNever {
		once = corev1.RestartPolicyOnFailure
	}
	for _, c := range pod.Spec.InitContainers {
		w.inits = append(w.inits, w.container(c, once, nil))
	}
	for _, c := range pod.Spec.Containers {
		w.mains = append(w.mains, w.container(c, pod.Spec.RestartPolicy, pod.Status.ContainerStatuses))
	}
	return w
}

func (w *worker) container(spec corev1.Container, policy corev1.RestartPolicy, before []corev1.ContainerStatus) *container {
	c := &container{
		spec: spec, policy: policy, grace: gracePeriod(w.pod), pod: w.pod.Namespace + "/" + w.pod.Name,
		changed: func() { poke(w.dirty) }, now: w.node.now, log: w.node.opts.Log,
		status: inherit(spec, policy, before, metav1.NewTime(w.node.now())),
	}
	c.prepare = func(ctx context.Context) (launch, error) { return w.launch(ctx, &c.spec) }
	return c
}

// poke wakes whoever reads c, without waiting; several pokes are one.
func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

func gracePeriod(pod *corev1.Pod) time.Duration {
	if s := pod.Spec.TerminationGracePeriodSeconds; s != nil {
		return time.Duration(*s) * time.Second
	}
	return 30 * time.Second
}

// current returns the pod's newest object; it must not be changed.
func (w *worker) current() *corev1.Pod {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.pod
}

func (w *worker) set(pod *corev1.Pod, gone bool) {
	w.mu.Lock()
	w.pod, w.gone = pod, gone
	w.mu.Unlock()
	poke(w.wake)
}

// departure returns whether the pod is to go, and in what time.
func (w *worker) departure() (time.Duration, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.gone { // a forced deletion; the kubelet grants one second too
		return time.Second, true
	}
	if w.pod.DeletionTimestamp == nil {
		return 0, false
	}
	grace := gracePeriod(w.pod)
	if s := w.pod.DeletionGracePeriodSeconds; s != nil {
		grace = time.Duration(*s) * time.Second
	}
	return max(grace, time.Second), true
}

// run returns when the pod is gone, or when ctx has ended and its processes have.
func (w *worker) run(ctx context.Context) {
	stop, beginStop := context.WithCancel(context.WithoutCancel(ctx))
	kill, killNow := context.WithCancel(context.WithoutCancel(ctx))
	defer killNow()
	defer beginStop()
	var wg sync.WaitGroup
	ended := make(chan struct{})
	wg.Go(func() { defer close(ended); w.live(stop, kill) })
	publishing, endPublishing := context.WithCancel(ctx)
	defer endPublishing()
	var publisher sync.WaitGroup
	publisher.Go(func() { w.publishAll(publishing) })

	w.supervise(ctx, ended, beginStop, killNow)
	wg.Wait()
	endPublishing()
	publisher.Wait()
	if addr := w.address(); addr.IsValid() && !w.current().Spec.HostNetwork {
		w.node.ipam.release(addr)
	}
	if ctx.Err() != nil {
		return // the node stops; the pod stays bound to it and the API server knows
	}
	w.remove(ctx)
	if err := os.RemoveAll(w.root); err != nil {
		w.node.opts.Log.Warn("pod directory stays", "err", err)
	}
}

// supervise returns once the pod is to go and nothing of it runs any more. A
// pod that has finished waits here for its deletion.
func (w *worker) supervise(ctx context.Context, ended <-chan struct{}, beginStop, killNow func()) {
	var deadline time.Time
	alarm := time.NewTimer(0)
	<-alarm.C
	defer alarm.Stop()
	depart := func(grace time.Duration) {
		beginStop()
		if at := time.Now().Add(grace); deadline.IsZero() || at.Before(deadline) {
			deadline = at
			alarm.Reset(grace)
		}
	}
	leaving, running := ctx.Done(), true
	for {
		select {
		case <-leaving:
			leaving = nil
			depart(min(w.node.opts.StopGrace, gracePeriod(w.current())))
		case <-w.wake:
			if grace, ok := w.departure(); ok {
				depart(grace)
			}
		case <-alarm.C:
			killNow()
		case <-ended:
			ended, running = nil, false
			w.mu.Lock()
			w.finished = true
			w.mu.Unlock()
			poke(w.dirty)
		}
		if !running && !deadline.IsZero() {
			return
		}
	}
}

// live runs the pod's containers to their end.
func (w *worker) live(stop, kill context.Context) {
	pod := w.current()
	if pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed || !w.settleIn(stop) {
		return
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	updating, cancel := context.WithCancel(stop)
	defer cancel()
	wg.Go(func() { w.updateVolumes(updating) })
	for _, c := range w.inits {
		if code := c.run(stop, kill); code != 0 || stop.Err() != nil {
			return
		}
	}
	var mains sync.WaitGroup
	for _, c := range w.mains {
		if !c.over() {
			mains.Go(func() { c.run(stop, kill) })
		}
	}
	mains.Wait()
}

func (w *worker) containers() []*container { return slices.Concat(w.inits, w.mains) }
