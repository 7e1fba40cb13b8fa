package node

import "time"

const (
	backoffFirst = time.Second
	backoffMax   = 10 * time.Second // the kubelet's is 5 min; a demo cannot wait that long
)

// backoff is the delay before a container starts again: none at first, then
// 1 s, doubled up to 10 s. As in the kubelet a run of twice the longest delay
// counts as good and begins anew.
type backoff struct {
	restarts int
}

// next returns the delay before the next start, after a run that took ran.
func (b *backoff) next(ran time.Duration) time.Duration {
	if ran >= 2*backoffMax {
		b.restarts = 0
	}
	b.restarts++
	if b.restarts == 1 {
		return 0
	}
	return min(backoffFirst<<min(b.restarts-2, 10), backoffMax)
}
