package node

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// publishAll writes the pod's status whenever it changed, until ctx ends.
func (w *worker) publishAll(ctx context.Context) {
	poke(w.dirty)
	for {
		select {
		case <-ctx.Done():
			return
		case <-w.dirty:
		}
		if err := w.publish(ctx); err != nil && ctx.Err() == nil {
			if !apierrors.IsConflict(err) {
				w.node.opts.Log.Warn("pod status is not written", "err", err)
				if sleep(ctx, retryDelay) != nil {
					return
				}
			}
			poke(w.dirty)
		}
	}
}

// publish makes the API server's status the true one. It reads the pod first:
// others write conditions too, and a status computed from an old object would
// undo them.
func (w *worker) publish(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	mine := w.current()
	pods := w.node.client.CoreV1().Pods(mine.Namespace)
	pod, err := pods.Get(ctx, mine.Name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) || err == nil && (pod.UID != mine.UID || over(pod)) {
		return nil
	}
	if err != nil {
		return err
	}
	status := podStatus(pod, w.observe(), metav1.NewTime(w.node.now()).Rfc3339Copy())
	if equality.Semantic.DeepEqual(pod.Status, status) {
		return nil
	}
	pod.Status = status
	_, err = pods.UpdateStatus(ctx, pod, metav1.UpdateOptions{})
	return err
}

// over reports a phase that nothing leaves again.
func over(pod *corev1.Pod) bool {
	return pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed
}

func (w *worker) observe() observation {
	w.mu.Lock()
	o := observation{At: w.at, Started: w.started, Finished: w.finished}
	w.mu.Unlock()
	for _, c := range w.inits {
		s := c.snapshot()
		s.Ready = s.State.Terminated != nil && s.State.Terminated.ExitCode == 0
		o.Init = append(o.Init, s)
	}
	for _, c := range w.mains {
		o.Main = append(o.Main, c.snapshot())
	}
	return o
}

// remove tells the API server how the pod ended and that nothing of it is left.
// It tries until that worked or ctx ends.
func (w *worker) remove(ctx context.Context) {
	pod := w.current()
	for {
		err := w.publish(ctx)
		if err == nil {
			now := int64(0)
			call, cancel := context.WithTimeout(ctx, callTimeout)
			err = w.node.client.CoreV1().Pods(pod.Namespace).Delete(call, pod.Name, metav1.DeleteOptions{
				GracePeriodSeconds: &now, Preconditions: &metav1.Preconditions{UID: &pod.UID}})
			cancel()
		}
		if err == nil || apierrors.IsNotFound(err) || ctx.Err() != nil {
			return
		}
		// A conflict of the deletion means that the name belongs to a new pod; one
		// of the status is settled by the next pass.
		w.node.opts.Log.Debug("pod is not removed yet", "pod", pod.Namespace+"/"+pod.Name, "err", err)
		if w.replaced(ctx) || sleep(ctx, retryDelay/4) != nil {
			return
		}
	}
}

func (w *worker) replaced(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	mine := w.current()
	pod, err := w.node.client.CoreV1().Pods(mine.Namespace).Get(ctx, mine.Name, metav1.GetOptions{})
	return apierrors.IsNotFound(err) || err == nil && pod.UID != mine.UID
}
