package node

import (
	"context"
	"errors"
	"maps"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/tools/cache"
)

// watch starts all informers. The function it returns waits for their end,
// which follows the end of ctx.
func (n *Node) watch(ctx context.Context) (func(), error) {
	mine := informers.NewSharedInformerFactoryWithOptions(n.client, 0, informers.WithTweakListOptions(func(o *metav1.ListOptions) {
		o.FieldSelector = fields.OneTermEqualSelector("spec.nodeName", n.opts.Name).String()
	}))
	all := informers.NewSharedInformerFactory(n.client, 0)
	pods := mine.Core().V1().Pods()
	services := all.Core().V1().Services()
	slices := all.Discovery().V1().EndpointSlices()
	n.proxy.services, n.proxy.slices, n.proxy.pods = services.Lister(), slices.Lister(), pods.Lister()

	changed := func(any) { poke(n.proxy.changed) }
	_, err1 := pods.Informer().AddEventHandler(n.podEvents(ctx))
	_, err2 := services.Informer().AddEventHandler(on(changed))
	_, err3 := all.Core().V1().ConfigMaps().Informer().AddEventHandler(on(func(obj any) {
		if cm, ok := obj.(*corev1.ConfigMap); ok {
			n.refresh(cm.Namespace, func(p *corev1.Pod) bool { return mountsConfigMap(p, cm.Name) })
		}
	}))
	_, err4 := all.Core().V1().Secrets().Informer().AddEventHandler(on(func(obj any) {
		if s, ok := obj.(*corev1.Secret); ok {
			n.refresh(s.Namespace, func(p *corev1.Pod) bool { return mountsSecret(p, s.Name) })
		}
	}))
	_ = slices.Informer() // the lister is read at each connection
	shutdown := func() { mine.Shutdown(); all.Shutdown() }
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		return shutdown, err
	}
	all.StartWithContext(ctx)
	// Pods come last: the first process must find its services.
	all.WaitForCacheSyncWithContext(ctx)
	mine.StartWithContext(ctx)
	mine.WaitForCacheSyncWithContext(ctx)
	return shutdown, ctx.Err()
}

func (n *Node) podEvents(ctx context.Context) cache.ResourceEventHandler {
	return cache.ResourceEventHandlerFuncs{
		AddFunc: func(obj any) {
			if pod, ok := obj.(*corev1.Pod); ok {
				n.take(ctx, pod)
			}
		},
		UpdateFunc: func(before, obj any) {
			old, ok1 := before.(*corev1.Pod)
			pod, ok2 := obj.(*corev1.Pod)
			if !ok1 || !ok2 {
				return
			}
			if old.UID != pod.UID { // deleted and made again between two reads
				n.lose(old)
			}
			n.take(ctx, pod)
			if !maps.Equal(old.Labels, pod.Labels) || !maps.Equal(old.Annotations, pod.Annotations) {
				n.refresh(pod.Namespace, func(p *corev1.Pod) bool { return p.UID == pod.UID })
			}
		},
		DeleteFunc: func(obj any) {
			if gone, ok := obj.(cache.DeletedFinalStateUnknown); ok {
				obj = gone.Obj
			}
			if pod, ok := obj.(*corev1.Pod); ok {
				n.lose(pod)
			}
		},
	}
}

func on(f func(any)) cache.ResourceEventHandler {
	return cache.ResourceEventHandlerFuncs{AddFunc: f, UpdateFunc: func(_, obj any) { f(obj) }, DeleteFunc: f}
}

func mountsConfigMap(pod *corev1.Pod, name string) bool {
	for _, vol := range pod.Spec.Volumes {
		if vol.ConfigMap != nil && vol.ConfigMap.Name == name {
			return true
		}
		if vol.Projected == nil {
			continue
		}
		for _, src := range vol.Projected.Sources {
			if src.ConfigMap != nil && src.ConfigMap.Name == name {
				return true
			}
		}
	}
	return false
}

func mountsSecret(pod *corev1.Pod, name string) bool {
	for _, vol := range pod.Spec.Volumes {
		if vol.Secret != nil && vol.Secret.SecretName == name {
			return true
		}
		if vol.Projected == nil {
			continue
		}
		for _, src := range vol.Projected.Sources {
			if src.Secret != nil && src.Secret.Name == name {
				return true
			}
		}
	}
	return false
}
