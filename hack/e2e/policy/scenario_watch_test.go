//go:build e2e

package policy

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/loadline/loadline/policy/api/v1alpha1"
)

// written is one state of an object, as it was stored.
type written struct {
	// version is the object's resourceVersion. There is one store, so that it orders the
	// changes of all objects.
	version int64
	at      time.Time // when it was heard of
	fact    any
}

// What is kept of an object.
type (
	workloadFact struct {
		name, template string
		size           int32
		failing, whole bool   // its newest pods never get ready; all are of the newest revision, and ready
		writer         string // of its size
	}
	podFact struct {
		name, app string
		ready     bool // and not about to end
	}
	hpaFact struct {
		target string
		min    int32
		seen   bool // by the controller of HPAs: what it writes before was decided before
	}
	serviceFact struct{ app, writer string }
	policyFact  struct{ floors, phase string }
)

func (c written) String() string { return fmt.Sprintf("%s %+v", c.at.Format("05.000"), c.fact) }

// history is what became of a namespace.
type history struct {
	mu      sync.Mutex
	changes []written
	lost    error
}

// observe watches a namespace until ctx ends. What it returns waits for the end.
func observe(ctx context.Context, watcher client.WithWatch, ns string) (*history, func(), error) {
	h := &history{}
	var tasks sync.WaitGroup
	for _, list := range []client.ObjectList{
		&appsv1.DeploymentList{}, &appsv1.StatefulSetList{}, &corev1.PodList{}, &corev1.ServiceList{},
		&autoscalingv2.HorizontalPodAutoscalerList{}, &v1alpha1.AutoscalingPolicyList{},
	} {
		w, err := watcher.Watch(ctx, list, client.InNamespace(ns))
		if err != nil {
			return nil, nil, err
		}
		tasks.Go(func() {
			defer w.Stop()
			for e := range w.ResultChan() {
				h.add(e)
			}
			if ctx.Err() == nil {
				h.mu.Lock()
				h.lost = fmt.Errorf("the watch of %T ended", list)
				h.mu.Unlock()
			}
		})
	}
	return h, tasks.Wait, nil
}

func (h *history) add(e watch.Event) {
	o, ok := e.Object.(client.Object)
	if !ok {
		return
	}
	version, err := strconv.ParseInt(o.GetResourceVersion(), 10, 64)
	h.mu.Lock()
	defer h.mu.Unlock()
	if err != nil {
		h.lost = err
		return
	}
	if fact := factOf(o, e.Type == watch.Deleted); fact != nil {
		h.changes = append(h.changes, written{version, time.Now(), fact})
	}
}

// sorted are the changes in the order in which they were stored.
func (h *history) sorted() ([]written, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	out := slices.Clone(h.changes)
	slices.SortStableFunc(out, func(a, b written) int { return cmp.Compare(a.version, b.version) })
	return out, h.lost
}

func factOf(o client.Object, gone bool) any {
	switch o := o.(type) {
	case *appsv1.Deployment:
		n, st := *o.Spec.Replicas, o.Status
		return workloadOf(o, &o.Spec.Template, n, st.ObservedGeneration >= o.Generation && st.Replicas == n && st.UpdatedReplicas == n && st.AvailableReplicas == n)
	case *appsv1.StatefulSet:
		n, st := *o.Spec.Replicas, o.Status
		return workloadOf(o, &o.Spec.Template, n, st.ObservedGeneration >= o.Generation && st.Replicas == n && st.CurrentRevision == st.UpdateRevision && st.UpdatedReplicas == n && st.AvailableReplicas == n)
	case *corev1.Pod:
		return podFact{o.Name, o.Labels["app"], podReady(o) && !gone && o.DeletionTimestamp == nil}
	case *corev1.Service:
		return serviceFact{o.Spec.Selector["app"], writer(o.ManagedFields, "spec", "selector", "app")}
	case *autoscalingv2.HorizontalPodAutoscaler:
		return hpaFact{o.Spec.ScaleTargetRef.Name, ptr.Deref(o.Spec.MinReplicas, 1), ptr.Deref(o.Status.ObservedGeneration, 0) >= o.Generation}
	case *v1alpha1.AutoscalingPolicy:
		f := policyFact{}
		for _, held := range o.Status.Floors {
			f.floors += fmt.Sprintf("%s=%d ", held.Owner, held.Value)
		}
		if b := o.Status.BlueGreen; b != nil && b.Switch != nil {
			f.phase = fmt.Sprintf("%s to %s", b.Switch.Phase, b.Switch.To)
		}
		return f
	}
	return nil
}

func workloadOf(o client.Object, t *corev1.PodTemplateSpec, size int32, whole bool) workloadFact {
	return workloadFact{o.GetName(), t.Spec.Containers[0].Image, size, t.Annotations[startsIn] == "", whole, writer(o.GetManagedFields(), "spec", "replicas")}
}

// writer is the manager of a field that wrote it last.
func writer(fields []metav1.ManagedFieldsEntry, path ...string) (name string) {
	var last time.Time
	for _, m := range fields {
		if m.FieldsV1 == nil {
			continue
		}
		raw := json.RawMessage(m.FieldsV1.GetRawBytes())
		for _, key := range path {
			var level map[string]json.RawMessage
			_ = json.Unmarshal(raw, &level) // what is no map has no field
			raw = level["f:"+key]
		}
		if raw != nil && m.Time != nil && !m.Time.Time.Before(last) {
			name, last = m.Manager, m.Time.Time
		}
	}
	return name
}
