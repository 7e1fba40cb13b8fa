package load

import (
	"slices"
	"sync"
	"time"
)

// Stats is what a driver has done.
type Stats struct {
	Sent      uint64 // = OK + Failed + InFlight
	OK        uint64 // answered with a status below 400
	Failed    uint64 // answered with another, or not
	InFlight  uint64
	NoTarget  uint64 // not sent: there was no endpoint
	Saturated uint64 // not sent: the limit of concurrency was reached
	LastError string // of the last failure
	// Quantiles of the last answers (1,024 at most), failures included; 0 if
	// there is none yet.
	P50, P99 time.Duration
}

const kept = 1024 // latencies

type recorder struct {
	mu        sync.Mutex
	s         Stats
	latencies []time.Duration // a ring once it is full
	oldest    int
}

func (r *recorder) sent() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.s.Sent++
	r.s.InFlight++
}

func (r *recorder) noTarget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.s.NoTarget++
}

func (r *recorder) saturated() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.s.Saturated++
}

func (r *recorder) answered(took time.Duration, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.s.InFlight--
	if err != nil {
		r.s.Failed++
		r.s.LastError = err.Error()
	} else {
		r.s.OK++
	}
	if len(r.latencies) < kept {
		r.latencies = append(r.latencies, took)
		return
	}
	r.latencies[r.oldest] = took
	r.oldest = (r.oldest + 1) % kept
}

func (r *recorder) snapshot() Stats {
	r.mu.Lock()
	s, all := r.s, slices.Clone(r.latencies)
	r.mu.Unlock()
	slices.Sort(all)
	s.P50, s.P99 = quantile(all, 0.50), quantile(all, 0.99)
	return s
}

// quantile returns the nearest-rank quantile of sorted values.
func quantile(sorted []time.Duration, q float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	rank := int(q*float64(len(sorted))+0.999999) - 1
	return sorted[min(max(rank, 0), len(sorted)-1)]
}
