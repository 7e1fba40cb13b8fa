package node

import (
	"context"
	"fmt"
	"sync"

	corev1 "k8s.io/api/core/v1"
)

// watch runs the container's probes until ctx ends: the startup probe first,
// then readiness and liveness. While the pod terminates (stop has ended) only
// readiness goes on, as in the kubelet. A failed startup or liveness probe is
// told to sick.
func (c *container) watch(ctx, stop context.Context, t *target, sick chan<- string) {
	living, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(stop, cancel)()

	if p := c.spec.StartupProbe; p != nil && !c.awaitStartup(living, t, p, sick) {
		return
	}
	var wg sync.WaitGroup
	if p := c.spec.ReadinessProbe; p != nil {
		wg.Go(func() { t.probe(ctx, p, func(v verdict, _ error) { c.setReady(v == healthy) }) })
	}
	if p := c.spec.LivenessProbe; p != nil {
		wg.Go(func() {
			t.probe(living, p, func(v verdict, err error) { complain(sick, "liveness", v, err) })
		})
	}
	wg.Wait()
}

// awaitStartup reports whether the container has started; then readiness
// without a probe of its own follows.
func (c *container) awaitStartup(ctx context.Context, t *target, p *corev1.Probe, sick chan<- string) bool {
	probing, cancel := context.WithCancel(ctx)
	defer cancel()
	up := false
	t.probe(probing, p, func(v verdict, err error) {
		complain(sick, "startup", v, err)
		if v == healthy {
			up = true
			cancel()
		}
	})
	if up {
		c.update(func(s *corev1.ContainerStatus) {
			s.Started = &up
			s.Ready = c.spec.ReadinessProbe == nil
		})
	}
	return up
}

func (c *container) setReady(ready bool) {
	c.mu.Lock()
	same := c.status.Ready == ready
	c.mu.Unlock()
	if !same {
		c.update(func(s *corev1.ContainerStatus) { s.Ready = ready && s.State.Running != nil })
	}
}

func complain(sick chan<- string, probe string, v verdict, err error) {
	if v != unhealthy {
		return
	}
	select {
	case sick <- fmt.Sprintf("%s probe failed: %v", probe, err):
	default: // it is being killed already
	}
}
