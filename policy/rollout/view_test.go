package rollout

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
)

func template(image string) corev1.PodTemplateSpec {
	return corev1.PodTemplateSpec{Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "app", Image: image}}}}
}

func deployment(edit func(*appsv1.Deployment)) *appsv1.Deployment {
	d := &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: "web", UID: "u", Generation: 3, ResourceVersion: "7", Labels: map[string]string{"a": "b"}},
		Spec:       appsv1.DeploymentSpec{Replicas: ptr.To(int32(4)), Template: template("app:v1")},
		Status:     appsv1.DeploymentStatus{ObservedGeneration: 3, Replicas: 4, UpdatedReplicas: 4, AvailableReplicas: 4},
	}
	edit(d)
	return d
}

func statefulSet(edit func(*appsv1.StatefulSet)) *appsv1.StatefulSet {
	s := &appsv1.StatefulSet{
		ObjectMeta: metav1.ObjectMeta{Name: "api", UID: "u", Generation: 3},
		Spec:       appsv1.StatefulSetSpec{Replicas: ptr.To(int32(4)), Template: template("app:v1")},
		Status:     appsv1.StatefulSetStatus{ObservedGeneration: 3, Replicas: 4, UpdatedReplicas: 4, AvailableReplicas: 4, CurrentRevision: "r1", UpdateRevision: "r1"},
	}
	edit(s)
	return s
}

func TestOfDeployment(t *testing.T) {
	type out struct {
		complete bool
		progress string
	}
	for name, tt := range map[string]struct {
		edit func(*appsv1.Deployment)
		want out
	}{
		"at rest":                   {func(*appsv1.Deployment) {}, out{true, "4 of 4 pods are updated, 4 serve"}},
		"no replicas":               {func(d *appsv1.Deployment) { d.Spec.Replicas = nil }, out{true, "1 of 1 pods are updated, 4 serve"}},
		"not looked at":             {func(d *appsv1.Deployment) { d.Generation = 4 }, out{false, "its controller has not begun"}},
		"surging":                   {func(d *appsv1.Deployment) { d.Status.Replicas, d.Status.UpdatedReplicas = 5, 1 }, out{false, "1 of 4 pods are updated, 4 serve, 4 are old"}},
		"not yet serving":           {func(d *appsv1.Deployment) { d.Status.AvailableReplicas = 3 }, out{false, "4 of 4 pods are updated, 3 serve"}},
		"old pods on their way out": {func(d *appsv1.Deployment) { d.Status.TerminatingReplicas = ptr.To(int32(2)) }, out{false, "4 of 4 pods are updated, 4 serve, 2 are terminating"}},
		"recreate, between":         {func(d *appsv1.Deployment) { d.Status = appsv1.DeploymentStatus{ObservedGeneration: 3} }, out{false, "0 of 4 pods are updated, 0 serve"}},
		"paused": {func(d *appsv1.Deployment) { d.Spec.Paused, d.Status.UpdatedReplicas = true, 1 },
			out{false, "1 of 4 pods are updated, 4 serve, 3 are old; it is paused: kubectl rollout resume deployment web"}},
		"past its deadline": {func(d *appsv1.Deployment) {
			d.Status.UpdatedReplicas = 1
			d.Status.Conditions = []appsv1.DeploymentCondition{{Type: appsv1.DeploymentProgressing, Status: corev1.ConditionFalse, Reason: "ProgressDeadlineExceeded"}}
		}, out{false, "1 of 4 pods are updated, 4 serve, 3 are old; it is past its progress deadline: see kubectl describe deployment web, then mend the template or kubectl rollout undo deployment web"}},
	} {
		t.Run(name, func(t *testing.T) {
			v := OfDeployment(deployment(tt.edit))
			if diff := cmp.Diff(tt.want, out{v.Complete(), v.Progress()}, cmp.AllowUnexported(out{})); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestOfStatefulSet(t *testing.T) {
	update := func(updated int32) func(*appsv1.StatefulSet) {
		return func(s *appsv1.StatefulSet) { s.Status.UpdateRevision, s.Status.UpdatedReplicas = "r2", updated }
	}
	type out struct {
		complete bool
		progress string
	}
	for name, tt := range map[string]struct {
		edit []func(*appsv1.StatefulSet)
		want out
	}{
		"at rest":        {nil, out{true, "4 of 4 pods are updated, 4 serve"}},
		"undone halfway": {[]func(*appsv1.StatefulSet){func(s *appsv1.StatefulSet) { s.Status.UpdatedReplicas = 2 }}, out{false, "2 of 4 pods are updated, 4 serve"}},
		"undone halfway, OnDelete": {[]func(*appsv1.StatefulSet){func(s *appsv1.StatefulSet) {
			s.Status.UpdatedReplicas, s.Spec.UpdateStrategy.Type = 2, appsv1.OnDeleteStatefulSetStrategyType
		}}, out{false, "2 of 4 pods are updated, 4 serve; its strategy is OnDelete: it goes on as pods are deleted"}},
		"scaled in":     {[]func(*appsv1.StatefulSet){func(s *appsv1.StatefulSet) { s.Status.Replicas = 6 }}, out{true, "4 of 4 pods are updated, 4 serve"}},
		"in the middle": {[]func(*appsv1.StatefulSet){update(1)}, out{false, "1 of 4 pods are updated, 4 serve, 3 are old"}},
		"the last step": {[]func(*appsv1.StatefulSet){update(4), func(s *appsv1.StatefulSet) { s.Status.AvailableReplicas = 3 }},
			out{false, "4 of 4 pods are updated, 3 serve"}},
		"OnDelete": {[]func(*appsv1.StatefulSet){update(1), func(s *appsv1.StatefulSet) { s.Spec.UpdateStrategy.Type = appsv1.OnDeleteStatefulSetStrategyType }},
			out{false, "1 of 4 pods are updated, 4 serve, 3 are old; its strategy is OnDelete: it goes on as pods are deleted"}},
		"OnDelete, all deleted": {[]func(*appsv1.StatefulSet){update(4), func(s *appsv1.StatefulSet) { s.Spec.UpdateStrategy.Type = appsv1.OnDeleteStatefulSetStrategyType }},
			out{true, "4 of 4 pods are updated, 4 serve"}},
		"at its partition": {[]func(*appsv1.StatefulSet){update(1), partition(3)},
			out{false, "1 of 4 pods are updated, 4 serve, 3 are old; it stands at its partition 3: lower that to go on"}},
		"on its way to the partition": {[]func(*appsv1.StatefulSet){update(1), partition(1)}, out{false, "1 of 4 pods are updated, 4 serve, 3 are old"}},
	} {
		t.Run(name, func(t *testing.T) {
			v := OfStatefulSet(statefulSet(func(s *appsv1.StatefulSet) {
				for _, e := range tt.edit {
					e(s)
				}
			}))
			if diff := cmp.Diff(tt.want, out{v.Complete(), v.Progress()}, cmp.AllowUnexported(out{})); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func partition(n int32) func(*appsv1.StatefulSet) {
	return func(s *appsv1.StatefulSet) {
		s.Spec.UpdateStrategy.RollingUpdate = &appsv1.RollingUpdateStatefulSetStrategy{Partition: &n}
	}
}

// A stripped object is read as the whole one, its template told apart from others, and
// not even a second time does it change.
func TestStrip(t *testing.T) {
	edit := func(d *appsv1.Deployment) {
		d.Spec.Paused = true
		d.Status.Conditions = []appsv1.DeploymentCondition{{Type: appsv1.DeploymentProgressing, Status: corev1.ConditionFalse, Reason: "ProgressDeadlineExceeded", Message: "long"}}
	}
	want := OfDeployment(deployment(edit))
	small := deployment(edit)
	for range 2 {
		if _, err := Strip(small); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, OfDeployment(small)); diff != "" {
			t.Error(diff)
		}
	}
	if small.ResourceVersion != "7" || small.Generation != 3 || len(small.Labels)+len(small.Spec.Template.Spec.Containers) != 0 {
		t.Errorf("stripped: %+v", small)
	}
	next := deployment(func(d *appsv1.Deployment) { edit(d); d.Spec.Template = template("app:v2") })
	if v := OfDeployment(next); v.Revision == want.Revision {
		t.Error("another image is no other revision")
	}
	stateful := func(s *appsv1.StatefulSet) { update(s); partition(3)(s) }
	wantSet := OfStatefulSet(statefulSet(stateful))
	set := statefulSet(stateful)
	if _, err := Strip(set); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(wantSet, OfStatefulSet(set)); diff != "" {
		t.Error(diff)
	}
}

func update(s *appsv1.StatefulSet) { s.Status.UpdateRevision, s.Status.UpdatedReplicas = "r2", 1 }
