package node

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"time"
)

// retryDelay is how soon a failed read or write of the API server is tried again.
const retryDelay = time.Second

// callTimeout bounds one conversation with the API server.
const callTimeout = 10 * time.Second

// settleIn gives the pod its address and volumes, trying until it works. It
// reports false if stop ended before.
func (w *worker) settleIn(stop context.Context) bool {
	for {
		err := w.trySettle(stop)
		if err == nil {
			return true
		}
		if stop.Err() != nil {
			return false
		}
		why := &waiting{Reason: "ContainerCreating", Message: err.Error()}
		errors.As(err, &why)
		for _, c := range w.containers() {
			c.setWaiting(why.Reason, why.Message)
		}
		if sleep(stop, retryDelay) != nil {
			return false
		}
	}
}

func (w *worker) trySettle(stop context.Context) error {
	pod := w.current()
	if err := refuse(pod); err != nil {
		return err
	}
	if !w.address().IsValid() {
		if err := w.takeAddress(pod.Spec.HostNetwork); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(w.root, 0o700); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(stop, callTimeout)
	defer cancel()
	dirs, err := w.volumes.dirs(ctx, pod)
	if err != nil {
		return err
	}
	if _, err := w.volumes.sync(ctx, pod, w.place(), dirs); err != nil {
		return err
	}
	w.mu.Lock()
	w.dirs = dirs
	w.mu.Unlock()
	return nil
}

func (w *worker) takeAddress(hostNetwork bool) error {
	ip := w.node.hostIP
	if !hostNetwork {
		addr, err := w.node.ipam.allocate()
		if err != nil {
			return err
		}
		ip = addr.String()
	}
	w.mu.Lock()
	w.at.PodIP = ip
	w.mu.Unlock()
	poke(w.dirty)
	return nil
}

func (w *worker) place() placement {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.at
}

// address is the zero Addr as long as the pod has none.
func (w *worker) address() netip.Addr {
	addr, err := netip.ParseAddr(w.place().PodIP)
	if err != nil {
		return netip.Addr{}
	}
	return addr
}

// updateVolumes keeps the content of volumes up to date until ctx ends: when an
// object changes, when a token is to be renewed, and again after a failure.
func (w *worker) updateVolumes(ctx context.Context) {
	wait := time.Duration(0) // the first pass finds when the first token is due
	for {
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-w.refresh:
		case <-timer.C:
		}
		timer.Stop()
		call, cancel := context.WithTimeout(ctx, callTimeout)
		w.mu.Lock()
		pod, dirs := w.pod, w.dirs
		w.mu.Unlock()
		next, err := w.volumes.sync(call, pod, w.place(), dirs)
		cancel()
		switch {
		case ctx.Err() != nil:
			return
		case err != nil: // what is mounted stays as it is, as in the kubelet
			w.node.opts.Log.Warn("volumes are not up to date", "pod", pod.Namespace+"/"+pod.Name, "err", err)
			wait = 5 * retryDelay
		case next.IsZero():
			wait = time.Hour
		default:
			wait = max(next.Sub(w.node.now()), retryDelay)
		}
	}
}
