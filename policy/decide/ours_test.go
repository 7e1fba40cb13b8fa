package decide

import (
	"testing"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/loadline/loadline/policy/api/v1alpha1"
	"github.com/loadline/loadline/policy/hpa"
)

// Whose an HPA is: of a policy by its label and a policy's UID, or by its own UID alone.
func TestOurs(t *testing.T) {
	policy := &v1alpha1.AutoscalingPolicy{ObjectMeta: metav1.ObjectMeta{Name: "web", UID: "u-web"}}
	tests := map[string]struct {
		policy     *v1alpha1.AutoscalingPolicy
		label, uid string
		want       bool
	}{
		"as it was made":               {policy, "web", "u-web", true},
		"without its label":            {policy, "", "u-web", true},
		"of a policy that was before":  {policy, "web", "u-old", true},
		"of one before, without label": {policy, "", "u-old", false},
		"without anything":             {policy, "", "", false},
		"a label alone":                {policy, "web", "", false},
		"without a policy":             {nil, "web", "u-web", true},
		"without a policy and label":   {nil, "", "u-web", false},
		"a copy under another's name":  {policy, "api", "u-api", false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			live := &autoscalingv2.HorizontalPodAutoscaler{ObjectMeta: metav1.ObjectMeta{Name: "web", Labels: map[string]string{}, Annotations: map[string]string{}}}
			if tt.label != "" {
				live.Labels[hpa.PolicyLabel] = tt.label
			}
			if tt.uid != "" {
				live.Annotations[hpa.PolicyUIDAnnotation] = tt.uid
			}
			if got := ours(Snapshot{Policy: tt.policy, Live: live}); got != tt.want {
				t.Errorf("%t, want %t", got, tt.want)
			}
		})
	}
}
