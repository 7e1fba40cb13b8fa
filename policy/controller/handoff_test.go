package controller

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/loadline/loadline/policy/handoff"
	"github.com/loadline/loadline/policy/quota"
)

// budget is a PodDisruptionBudget of the pods of an app.
func budget(name, app string) *policyv1.PodDisruptionBudget {
	return &policyv1.PodDisruptionBudget{
		ObjectMeta: metav1.ObjectMeta{Namespace: web.Namespace, Name: name},
		Spec:       policyv1.PodDisruptionBudgetSpec{Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": app}}},
	}
}

func TestBounds(t *testing.T) {
	green := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: web.Namespace, Name: "green"}}
	green.Spec.Template.Spec.Containers = []corev1.Container{{Name: "web"}}
	team := &corev1.ResourceQuota{
		ObjectMeta: metav1.ObjectMeta{Namespace: web.Namespace, Name: "team"},
		Status:     corev1.ResourceQuotaStatus{Hard: corev1.ResourceList{"requests.cpu": resource.MustParse("1")}, Used: corev1.ResourceList{"requests.cpu": resource.MustParse("300m")}},
	}
	elsewhere := team.DeepCopy()
	elsewhere.Namespace, elsewhere.Status.Hard["requests.cpu"] = "other", resource.MustParse("0")
	defaults := &corev1.LimitRange{
		ObjectMeta: metav1.ObjectMeta{Namespace: web.Namespace, Name: "defaults"},
		Spec:       corev1.LimitRangeSpec{Limits: []corev1.LimitRangeItem{{Type: corev1.LimitTypeContainer, DefaultRequest: corev1.ResourceList{"cpu": resource.MustParse("200m")}}}},
	}
	room := &quota.Room{Pods: 3, Quota: "team", Entry: "requests.cpu", Left: resource.MustParse("700m"), Each: resource.MustParse("200m")}
	for name, tt := range map[string]struct {
		objects []client.Object
		want    handoff.Checks
	}{
		"nothing":                 {},
		"a quota":                 {[]client.Object{team, elsewhere, defaults}, handoff.Checks{Room: room}},
		"of what takes nothing":   {[]client.Object{team}, handoff.Checks{}},
		"blue is protected":       {[]client.Object{budget("a", "blue"), budget("b", "other")}, handoff.Checks{Unprotected: "a"}},
		"both are, by one budget": {[]client.Object{budget("a", "")}, handoff.Checks{}},
		"both are, by two":        {[]client.Object{budget("a", "blue"), budget("b", "green")}, handoff.Checks{}},
	} {
		t.Run(name, func(t *testing.T) {
			for _, o := range tt.objects {
				if b, ok := o.(*policyv1.PodDisruptionBudget); ok && b.Spec.Selector.MatchLabels["app"] == "" {
					b.Spec.Selector = &metav1.LabelSelector{}
				}
			}
			w := newWorld(t, tt.objects...)
			var got handoff.Checks
			from, to := handoff.Workload{Labels: map[string]string{"app": "blue"}}, handoff.Workload{Labels: map[string]string{"app": "green"}}
			if err := w.bounds(t.Context(), &got, &from, &to, green); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// A Service that selects the predecessor, and not what has its place, would have nobody.
func TestLeftBehind(t *testing.T) {
	old, next := handoff.Workload{Found: true, Labels: map[string]string{"app": "web", "version": "1"}}, handoff.Workload{Found: true, Labels: map[string]string{"app": "web", "version": "2"}}
	service := func(name string, selector map[string]string) *corev1.Service {
		return &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: web.Namespace, Name: name}, Spec: corev1.ServiceSpec{Selector: selector}}
	}
	for name, tt := range map[string]struct {
		services []client.Object
		want     string
	}{
		"none":              {},
		"of both":           {[]client.Object{service("web", map[string]string{"app": "web"})}, ""},
		"without selector":  {[]client.Object{service("web", nil)}, ""},
		"of the first only": {[]client.Object{service("both", map[string]string{"app": "web"}), service("old", old.Labels)}, "old"},
		"of neither":        {[]client.Object{service("api", map[string]string{"app": "api"})}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, tt.services...)
			w.opts.FollowServices = true
			got, err := w.leftBehind(t.Context(), web.Namespace, &old, &next)
			if err != nil || got != tt.want {
				t.Errorf("%q, %v, not %q", got, err, tt.want)
			}
		})
	}
}
