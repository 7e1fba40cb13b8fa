package reference

import (
	"context"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/klog/v2"
)

// allowed waits until HPAs may be listed; false when ctx ended.
func (w *Watcher) allowed(ctx context.Context) bool {
	log := klog.FromContext(ctx)
	said := false
	for {
		err := w.probe(ctx)
		if err == nil {
			return true
		}
		wait := 5 * time.Second
		if apierrors.IsForbidden(err) {
			wait = refresh
			if !said {
				log.Info("HPAs may not be listed: prewarming is off, a metric is evaluated from its first read on", "reason", err.Error())
				said = true
			}
			w.finish()
		} else {
			log.Error(err, "Cannot list HPAs")
		}
		select {
		case <-ctx.Done():
			return false
		case <-time.After(wait):
		}
	}
}

func (w *Watcher) probe(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, deadline)
	defer cancel()
	_, err := w.opts.Client.AutoscalingV2().HorizontalPodAutoscalers(metav1.NamespaceAll).List(ctx, metav1.ListOptions{Limit: 1})
	return err
}
