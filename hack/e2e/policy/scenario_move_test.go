//go:build e2e

package policy

import (
	"context"
	"fmt"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/loadline/loadline/hack/lab"
	"github.com/loadline/loadline/policy/api/v1alpha1"
	"github.com/loadline/loadline/policy/controller"
	"github.com/loadline/loadline/policy/hpa"
)

// workload is a workload as it may be edited: its size and template are into it.
func (r *run) workload(name string) (o client.Object, size *(*int32), template *corev1.PodTemplateSpec) {
	meta := metav1.ObjectMeta{Namespace: r.ns, Name: name}
	if r.kind == aStatefulSet {
		s := &appsv1.StatefulSet{ObjectMeta: meta}
		return s, &s.Spec.Replicas, &s.Spec.Template
	}
	d := &appsv1.Deployment{ObjectMeta: meta}
	return d, &d.Spec.Replicas, &d.Spec.Template
}

// move makes a move.
func (r *run) move(ctx context.Context, m move) error {
	r.nth++
	o, size, template := r.workload(m.name)
	switch m.what {
	case loads:
		r.bear(m.n)
	case reapply:
		return r.change(ctx, o, func() { *size = &m.n })
	case images, backs, undoes:
		switch was := r.good[m.name]; m.what {
		case images:
			r.good[m.name], r.before[m.name] = fmt.Sprintf("v%d", r.nth), was
		case backs:
			r.good[m.name], r.before[m.name] = r.before[m.name], was
		}
		if err := r.change(ctx, o, func() { *template = played(m.name, r.good[m.name], r.start) }); err != nil {
			return err
		}
		return r.unstick(ctx)
	case breaks:
		return r.change(ctx, o, func() {
			*template = played(m.name, fmt.Sprintf("v%d", r.nth), r.start)
			template.Annotations[startsIn] = ""
		})
	case flips:
		s := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: r.ns, Name: "web"}}
		return r.change(ctx, s, func() { s.Spec.Selector["app"] = m.name })
	case asks:
		p := &v1alpha1.AutoscalingPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: r.ns, Name: "web"}}
		return r.change(ctx, p, func() { p.Spec.BlueGreen.Active = m.name })
	}
	return nil
}

// unstick deletes the pods of a StatefulSet that never get ready once its template is one
// whose pods do, as the documentation of StatefulSets has people do: with OrderedReady it
// waits for them for ever.
func (r *run) unstick(ctx context.Context) error {
	if r.kind != aStatefulSet {
		return nil
	}
	name := r.names()[0]
	o, _, template := r.workload(name)
	if err := kube.Get(ctx, client.ObjectKeyFromObject(o), o); err != nil || template.Annotations[startsIn] == "" {
		return err
	}
	var pods corev1.PodList
	if err := kube.List(ctx, &pods, client.InNamespace(r.ns), client.MatchingLabels{"app": name}); err != nil {
		return err
	}
	for _, p := range pods.Items {
		if p.Annotations[startsIn] == "" {
			if err := kube.Delete(ctx, &p); client.IgnoreNotFound(err) != nil {
				return err
			}
		}
	}
	return nil
}

// rested is rests for the time after the last move, when people still look after pods that
// a StatefulSet made by its last revision just before it heard of the next one.
func (r *run) rested(ctx context.Context) (bool, string) {
	if err := r.unstick(ctx); err != nil {
		return false, err.Error()
	}
	return r.rests(ctx)
}

// until waits for something, and fails with what was seen last.
func (r *run) until(ctx context.Context, what string, is func(context.Context) (bool, string)) error {
	return lab.Until(ctx, what, settles, func(ctx context.Context) (bool, string) {
		ok, state := is(ctx)
		if !ok {
			select {
			case <-ctx.Done():
			case <-time.After(400 * time.Millisecond): // besides Until's pause: many wait
			}
		}
		return ok, state
	})
}

// rests says whether nothing is held any more and all is as the load and the moves so far
// say.
func (r *run) rests(ctx context.Context) (bool, string) {
	on, n := r.names()[0], r.first
	if r.nth > 0 {
		on, n = r.serving(), r.load()
	}
	p, err := getPolicy(ctx, r.ns, "web")
	if err != nil {
		return false, err.Error()
	}
	h, err := getHPA(ctx, r.ns, "web")
	if err != nil {
		return false, err.Error()
	}
	want, problems := hpa.Build(p, nil, hpa.Capabilities{ScaleToZero: true, Tolerance: true, ContainerResource: true})
	ours, foreign := hpa.Differences(want, h)
	o, size, template := r.workload(on)
	s := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: r.ns, Name: "web"}}
	for _, o := range []client.Object{o, s} {
		if err := kube.Get(ctx, client.ObjectKeyFromObject(o), o); err != nil {
			return false, err.Error()
		}
	}
	st, phase := p.Status, ""
	if st.Rollout != nil {
		phase = string(st.Rollout.Phase)
	}
	if b := st.BlueGreen; b != nil && b.Switch != nil && !b.Switch.Phase.Over() {
		phase += " " + string(b.Switch.Phase) + ": " + b.Switch.Message
	}
	state := fmt.Sprintf("HPA %v %v %v; floors %v, release %v, phase %q; the Service is on %s, wanted %s; %d replicas, wanted %d; HPA on %s; %s",
		problems, ours, foreign, st.Floors, st.Release, phase, s.Spec.Selector["app"], on, **size, n, h.Spec.ScaleTargetRef.Name, condition(p, v1alpha1.Ready))
	whole := factOf(o, false).(workloadFact)
	return st.ObservedGeneration == p.Generation && !hpa.Failed(problems) && len(ours)+len(foreign)+len(st.Floors) == 0 && st.Release == nil && phase == "" &&
		s.Spec.Selector["app"] == on && h.Spec.ScaleTargetRef.Name == on && **size == n && whole.whole && template.Spec.Containers[0].Image == "web:"+r.good[on], state
}

// over says whether a switch that nobody goes on with has had the time to do harm: the
// controller was killed, or the switch was made before that.
func (r *run) over(ctx context.Context) (bool, string) {
	p, err := getPolicy(ctx, r.ns, "web")
	if err != nil {
		return false, err.Error()
	}
	b := p.Status.BlueGreen
	if b == nil || b.Switch == nil {
		return time.Since(b0(r.ups)) > time.Minute, "no switch"
	}
	return b.Switch.Phase.Over() || time.Since(b.Switch.Since.Time) > 6*hpaSync, string(b.Switch.Phase)
}

func b0(ups []up) time.Time { return ups[0].from }

// scenarioEnd is what a run leaves, as far as the scenario says it.
type scenarioEnd struct {
	HPA      autoscalingv2.HorizontalPodAutoscaler
	Status   v1alpha1.AutoscalingPolicyStatus
	Says     []string // the conditions that do not go by values or by how far something had come
	Images   map[string]string
	Sizes    map[string]int32
	Service  corev1.ServiceSpec
	Labels   map[string]string
	Bindings []rbacv1.RoleBinding
	Touched  []string // what we own beside what is ours
}

// end reads it.
func (r *run) end(ctx context.Context) (*scenarioEnd, error) {
	e := &scenarioEnd{Images: map[string]string{}, Sizes: map[string]int32{}}
	p, err := getPolicy(ctx, r.ns, "web")
	if err != nil {
		return nil, err
	}
	h, err := getHPA(ctx, r.ns, "web")
	if err != nil {
		return nil, err
	}
	h.Status = autoscalingv2.HorizontalPodAutoscalerStatus{}
	e.HPA, e.Status = *h, p.Status
	for _, c := range p.Status.Conditions {
		if c.Type == v1alpha1.Ready || c.Type == v1alpha1.Conflict || c.Type == v1alpha1.Held {
			e.Says = append(e.Says, fmt.Sprintf("%s=%s %s", c.Type, c.Status, c.Reason))
		}
	}
	for _, name := range r.names() {
		o, size, template := r.workload(name)
		if err := kube.Get(ctx, client.ObjectKeyFromObject(o), o); err != nil {
			return nil, err
		}
		e.Images[name] = template.Spec.Containers[0].Image
		if name == r.serving() || r.kind == twoManaged && !r.takenBack() {
			e.Sizes[name] = **size
		}
		for _, m := range o.GetManagedFields() {
			if m.Manager == controller.Name && (m.Subresource != "scale" || r.kind != twoManaged) {
				e.Touched = append(e.Touched, name+" "+m.FieldsV1.String())
			}
		}
	}
	s := &corev1.Service{}
	if err := kube.Get(ctx, client.ObjectKey{Namespace: r.ns, Name: "web"}, s); err != nil {
		return nil, err
	}
	for _, m := range s.ManagedFields {
		if raw := m.FieldsV1.GetRawString(); m.Manager == controller.Name && (r.kind != twoManaged || raw != `{"f:spec":{"f:selector":{}}}` && raw != `{"f:spec":{"f:selector":{"f:app":{}}}}` && raw != `{"f:spec":{"f:selector":{".":{},"f:app":{}}}}`) {
			e.Touched = append(e.Touched, "Service "+raw)
		}
	}
	s.Spec.ClusterIP, s.Spec.ClusterIPs = "", nil
	e.Service, e.Labels = s.Spec, s.Labels
	var bindings rbacv1.RoleBindingList
	err = kube.List(ctx, &bindings, client.InNamespace(r.ns))
	e.Bindings = bindings.Items
	return e, err
}
