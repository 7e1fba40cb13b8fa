package controller

import (
	"context"
	"errors"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/loadline/loadline/policy/api/v1alpha1"
)

// pages is an API server that gives pods in as many answers as it is asked to.
type pages struct {
	pods []corev1.Pod
	err  error // of the second answer

	asked int
	with  client.ListOptions
}

func (p *pages) Get(context.Context, client.ObjectKey, client.Object, ...client.GetOption) error {
	return errors.New("nobody may get a pod")
}

func (p *pages) List(_ context.Context, list client.ObjectList, opts ...client.ListOption) error {
	p.with = client.ListOptions{}
	p.with.ApplyOptions(opts)
	p.asked++
	if p.asked == 2 && p.err != nil {
		return p.err
	}
	from := 0
	if p.with.Continue != "" {
		from, _ = strconv.Atoi(p.with.Continue)
	}
	to := min(from+int(p.with.Limit), len(p.pods))
	out := list.(*corev1.PodList)
	out.Items = p.pods[from:to]
	if to < len(p.pods) {
		out.Continue = strconv.Itoa(to)
	}
	return nil
}

func pods(n int, ready corev1.ConditionStatus, edit ...func(*corev1.Pod)) []corev1.Pod {
	out := make([]corev1.Pod, n)
	for i := range out {
		out[i].Status.Conditions = []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionTrue}, {Type: corev1.PodReady, Status: ready}}
		for _, e := range edit {
			e(&out[i])
		}
	}
	return out
}

func TestReady(t *testing.T) {
	going := func(p *corev1.Pod) { p.DeletionTimestamp = &metav1.Time{Time: time.Unix(1, 0)} }
	tests := map[string]struct {
		pods  []corev1.Pod
		want  int
		asked int
	}{
		"none":            {nil, 0, 1},
		"without a state": {make([]corev1.Pod, 2), 0, 1},
		"ready ones only": {append(append(pods(3, corev1.ConditionTrue), pods(2, corev1.ConditionFalse)...), pods(1, corev1.ConditionUnknown)...), 3, 1},
		"about to go":     {append(pods(2, corev1.ConditionTrue), pods(2, corev1.ConditionTrue, going)...), 2, 1},
		"several answers": {pods(2*podsAtOnce+1, corev1.ConditionTrue), 2*podsAtOnce + 1, 3},
		"very many":       {pods(2*mostReady, corev1.ConditionTrue), mostReady, mostReady / podsAtOnce},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			p := &pages{pods: tt.pods}
			n, err := (&facts{pods: p}).Ready(t.Context(), "shop", map[string]string{"color": "green"})
			if err != nil || n != tt.want || p.asked != tt.asked {
				t.Errorf("%d ready after %d answers, %v; want %d after %d", n, p.asked, err, tt.want, tt.asked)
			}
			if p.with.Namespace != "shop" || p.with.LabelSelector.String() != "color=green" || p.with.Limit != podsAtOnce {
				t.Errorf("asked for %+v", p.with)
			}
		})
	}
	p := &pages{pods: pods(2*podsAtOnce, corev1.ConditionTrue), err: errors.New("gone")}
	if n, err := (&facts{pods: p}).Ready(t.Context(), "shop", nil); err == nil {
		t.Errorf("half an answer is one: %d", n)
	}
}

func TestBlueGreenOfAService(t *testing.T) {
	policy := func(namespace, name, service string) *v1alpha1.AutoscalingPolicy {
		p := &v1alpha1.AutoscalingPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
		if service != "" {
			p.Spec.BlueGreen = &v1alpha1.BlueGreen{Service: service}
		}
		return p
	}
	w := newWorld(t, policy("shop", "web", "web"), policy("shop", "plain", ""), policy("shop", "other", "other"), policy("bank", "web", "web"))
	f := &facts{policies: w.client}
	for service, want := range map[string][]string{"web": {"shop/web"}, "other": {"shop/other"}, "none": nil} {
		found, err := f.BlueGreen(t.Context(), "shop", service)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, p := range found {
			got = append(got, client.ObjectKeyFromObject(&p).String())
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", service, diff)
		}
	}
}
