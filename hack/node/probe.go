package node

import (
	"context"

	corev1 "k8s.io/api/core/v1"
)

// probe runs p until ctx ends and tells each verdict. It probes at once after
// the initial delay, then once a period.
func (t *target) probe(ctx context.Context, p *corev1.Probe, tell func(verdict, error)) {
	s := scheduleOf(p)
	handler := &corev1.LifecycleHandler{HTTPGet: p.HTTPGet, TCPSocket: p.TCPSocket, Exec: p.Exec}
	count := tally{schedule: s}
	for wait := s.Delay; sleep(ctx, wait) == nil; wait = s.Period {
		attempt, cancel := context.WithTimeout(ctx, s.Timeout)
		err := t.act(attempt, handler)
		cancel()
		if ctx.Err() != nil {
			return // the container is going: this result says nothing about it
		}
		if v := count.observe(err == nil); v != undecided {
			tell(v, err)
		}
	}
}
