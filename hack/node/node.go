package node

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

// Node is a process node; see New.
type Node struct {
	opts   Options
	client kubernetes.Interface
	api    endpoint
	ipam   *ipam
	hostIP string
	logs   int32 // port for kubectl logs, 0 for none
	proxy  *proxy
	now    func() time.Time

	mu       sync.Mutex
	workers  map[types.UID]*worker
	stopping bool
	running  sync.WaitGroup
}

// Run is New followed by Node.Run.
func Run(ctx context.Context, opts Options) error {
	n, err := New(opts)
	if err != nil {
		return err
	}
	return n.Run(ctx)
}

// New checks the options and makes a node that does nothing yet. The error
// names every wrong option.
func New(opts Options) (*Node, error) {
	opts, err := opts.complete()
	if err != nil {
		return nil, err
	}
	config := rest.CopyConfig(opts.RESTConfig)
	config.QPS, config.Burst = 200, 400 // the default of 5/s would make pods late
	config.UserAgent = "process-node"
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	api, err := apiServer(config)
	if err != nil {
		return nil, err
	}
	n := &Node{
		opts: opts, client: client, api: api, now: time.Now,
		ipam: newIPAM(opts.PodCIDR, rand.Uint32()), workers: map[types.UID]*worker{}, hostIP: "127.0.0.1",
	}
	if opts.Isolated {
		n.hostIP = n.ipam.nodeAddress().String()
	}
	n.proxy = newProxy(opts, api)
	return n, nil
}

// Run registers the node and runs its pods until ctx ends; then it stops all
// processes within Options.StopGrace and marks the Node as not ready. It runs
// once.
func (n *Node) Run(ctx context.Context) error {
	for _, dir := range []string{n.opts.Dir, n.opts.LogDir} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
	}
	if err := n.register(ctx); err != nil {
		return fmt.Errorf("register node %s: %w", n.opts.Name, err)
	}
	logs, port, err := n.listenLogs()
	if err != nil {
		return err
	}
	n.logs = port
	background, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	if logs != nil {
		wg.Go(func() { n.serveLogs(background, logs) })
	}
	shutdown, err := n.watch(background)
	defer shutdown()
	wg.Go(func() { n.heartbeat(background) })
	wg.Go(func() { n.proxy.run(background) })
	wg.Go(func() { n.provision(background) })
	if err == nil {
		err = n.report(ctx, true)
	}
	if err == nil {
		n.opts.Log.Info("process node is ready", "name", n.opts.Name, "pods", n.opts.PodCIDR)
		n.stayReady(ctx)
	}
	cancel()
	n.mu.Lock()
	n.stopping = true
	n.mu.Unlock()
	n.running.Wait()

	last, done := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer done()
	if late := n.report(last, false); late != nil { // the API server may be gone first
		n.opts.Log.Debug("node is not marked as stopped", "err", late)
	}
	if err != nil && ctx.Err() == nil {
		return fmt.Errorf("start node %s: %w", n.opts.Name, err)
	}
	return nil
}

// take starts a worker for a pod that is new, and tells the worker of others.
func (n *Node) take(ctx context.Context, pod *corev1.Pod) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if w, ok := n.workers[pod.UID]; ok {
		w.set(pod, false)
		return
	}
	if n.stopping || ctx.Err() != nil {
		return
	}
	w := newWorker(n, pod)
	n.workers[pod.UID] = w
	poke(w.wake)
	n.running.Go(func() {
		w.run(ctx)
		n.mu.Lock()
		defer n.mu.Unlock()
		delete(n.workers, pod.UID)
	})
}

func (n *Node) lose(pod *corev1.Pod) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if w, ok := n.workers[pod.UID]; ok {
		w.set(pod, true)
	}
}

// refresh has the volumes of pods looked at again that mount the object.
func (n *Node) refresh(namespace string, mounts func(*corev1.Pod) bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, w := range n.workers {
		if pod := w.current(); pod.Namespace == namespace && mounts(pod) {
			poke(w.refresh)
		}
	}
}
