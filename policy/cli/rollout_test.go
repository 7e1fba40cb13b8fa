package cli

import (
	"bytes"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/loadline/loadline/policy/api/v1alpha1"
	"github.com/loadline/loadline/policy/hpa"
	"github.com/loadline/loadline/policy/rollout"
)

func TestRolloutReport(t *testing.T) {
	since := metav1.NewTime(time.Date(2026, 3, 4, 5, 0, 0, 0, time.UTC))
	policy := func(edit func(*v1alpha1.AutoscalingPolicyStatus)) *v1alpha1.AutoscalingPolicy {
		p := &v1alpha1.AutoscalingPolicy{
			ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web", UID: "u"},
			Spec: v1alpha1.AutoscalingPolicySpec{
				TargetRef:  v1alpha1.TargetReference{APIVersion: "apps/v1", Kind: "Deployment", Name: "web"},
				Replicas:   v1alpha1.Replicas{Min: 2, Max: 6},
				Objectives: []v1alpha1.Objective{{CPU: &v1alpha1.Resource{Utilization: ptr.To(int32(60))}}},
			},
		}
		edit(&p.Status)
		return p
	}
	live := &autoscalingv2.HorizontalPodAutoscaler{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web", Labels: map[string]string{hpa.PolicyLabel: "web"}},
		Spec:       autoscalingv2.HorizontalPodAutoscalerSpec{MinReplicas: ptr.To(int32(5)), MaxReplicas: 6},
		Status: autoscalingv2.HorizontalPodAutoscalerStatus{CurrentReplicas: 5, DesiredReplicas: 5, Conditions: []autoscalingv2.HorizontalPodAutoscalerCondition{
			{Type: autoscalingv2.AbleToScale, Status: corev1.ConditionTrue},
			{Type: autoscalingv2.ScalingActive, Status: corev1.ConditionTrue},
			{Type: autoscalingv2.ScalingLimited, Status: corev1.ConditionTrue, Message: "the desired replica count is less than the minimum replica count"},
		}},
	}
	for name, tt := range map[string]struct {
		status func(*v1alpha1.AutoscalingPolicyStatus)
		live   *autoscalingv2.HorizontalPodAutoscaler
		view   *rollout.View
		stands bool
		want   string
	}{
		"on its way": {
			func(s *v1alpha1.AutoscalingPolicyStatus) {
				s.Rollout = &v1alpha1.RolloutState{Phase: v1alpha1.Progressing, Since: &since}
				s.Floors = []v1alpha1.Floor{{Owner: "rollout", Value: 5, Reason: "while a new revision is rolled out"}}
				s.Release = &v1alpha1.Release{Value: 3, Reason: "schedule/night has ended"}
			},
			live, &rollout.View{Size: 5, Updated: 2, Old: 3, Terminating: 1, Available: 4}, false,
			"Target:    Deployment/web\n" +
				"Rollout:   Progressing since 2026-03-04 05:00 UTC; 5 pods wanted, 2 updated, 3 old, 1 terminating, 4 serving\n" +
				"Bounds:    min 5, max 6\n" +
				"Holds:     5 pods, rollout: while a new revision is rolled out\n" +
				"Holds:     3 pods, release: comes down step by step: schedule/night has ended\n" +
				"Metrics:   ?/60% cpu\n" +
				"HPA:       5 pods, 5 wanted: the desired replica count is less than the minimum replica count\n",
		},
		"it waits": {
			func(s *v1alpha1.AutoscalingPolicyStatus) {
				s.Rollout = &v1alpha1.RolloutState{Phase: v1alpha1.Stalled, Since: &since}
			},
			live, &rollout.View{Size: 5, Updated: 2, Old: 3, Available: 4, Waits: "it is paused"}, true,
			"Target:    Deployment/web\n" +
				"Rollout:   Stalled since 2026-03-04 05:00 UTC; 5 pods wanted, 2 updated, 3 old, 0 terminating, 4 serving; it is paused\n" +
				"Bounds:    min 5, max 6\nHolds:     none\nMetrics:   ?/60% cpu\n" +
				"HPA:       5 pods, 5 wanted: the desired replica count is less than the minimum replica count\n",
		},
		"nothing there": {
			func(*v1alpha1.AutoscalingPolicyStatus) {}, nil, nil, false,
			"Target:    Deployment/web\nRollout:   not known: the target is not there, or of a kind without rollouts\n" +
				"Holds:     none\nMetrics:   <none>\nHPA:       there is no HPA of this policy\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRolloutReport(policy(tt.status), tt.live, tt.view)
			var out bytes.Buffer
			if err := r.print(&out); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, out.String()); diff != "" || r.stands() != tt.stands {
				t.Errorf("stands %v, want %v\n%s", r.stands(), tt.stands, diff)
			}
		})
	}
}
