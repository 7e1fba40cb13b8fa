//go:build e2e

package policy

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/loadline/loadline/policy/api/v1alpha1"
	"github.com/loadline/loadline/policy/decide"
	"github.com/loadline/loadline/policy/floor"
	"github.com/loadline/loadline/policy/hpa"
	"github.com/loadline/loadline/policy/migrate"
)

// scaling makes an HPA of a person's on two metrics of a metricAPI, and its target, and waits until
// the controller wants the size that the target has.
func scaling(t *testing.T, m *metricAPI, namespace, name string, behavior *autoscalingv2.HorizontalPodAutoscalerBehavior) *autoscalingv2.HorizontalPodAutoscaler {
	t.Helper()
	m.of(namespace).value.Store(40)
	sized(t, namespace, name, 4)
	of := func(metric string, target autoscalingv2.MetricTarget) autoscalingv2.MetricSpec {
		return autoscalingv2.MetricSpec{Type: autoscalingv2.ExternalMetricSourceType, External: &autoscalingv2.ExternalMetricSource{
			Metric: autoscalingv2.MetricIdentifier{Name: metric, Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"queue": "mail"}}}, Target: target,
		}}
	}
	create(t, &autoscalingv2.HorizontalPodAutoscaler{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, Labels: map[string]string{"team": "shop"}, Annotations: map[string]string{"note": "ours"}},
		Spec: autoscalingv2.HorizontalPodAutoscalerSpec{
			ScaleTargetRef: autoscalingv2.CrossVersionObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Name: name},
			MinReplicas:    ptr.To[int32](2), MaxReplicas: 9, Behavior: behavior,
			Metrics: []autoscalingv2.MetricSpec{
				of("load", autoscalingv2.MetricTarget{Type: autoscalingv2.AverageValueMetricType, AverageValue: ptr.To(resource.MustParse("10"))}),
				of("lag", autoscalingv2.MetricTarget{Type: autoscalingv2.ValueMetricType, Value: ptr.To(resource.MustParse("50"))}),
			},
		},
	})
	var live *autoscalingv2.HorizontalPodAutoscaler
	system.Until(t, name+" is at the size that its HPA wants", 3*hpaSync+soon, func(ctx context.Context) (bool, string) {
		var err error
		if live, err = getHPA(ctx, namespace, name); err != nil {
			return false, err.Error()
		}
		c := floor.Condition(live, autoscalingv2.ScalingActive)
		return live.Status.CurrentReplicas == 4 && live.Status.DesiredReplicas == 4 && c != nil && c.Status == corev1.ConditionTrue, fmt.Sprintf("%+v", live.Status)
	})
	return live
}

// A bare HPA becomes a policy's by what migrate hpa prints and by what it notes, word by word: the
// same HPA, which differs in what was said and in nothing else, and whose target keeps its size.
func migrated(t *testing.T, m *metricAPI) {
	ns := namespace(t)
	slow := &autoscalingv2.HorizontalPodAutoscalerBehavior{
		ScaleUp: &autoscalingv2.HPAScalingRules{
			StabilizationWindowSeconds: ptr.To[int32](30), SelectPolicy: ptr.To(autoscalingv2.MinChangePolicySelect),
			Policies: []autoscalingv2.HPAScalingPolicy{{Type: autoscalingv2.PodsScalingPolicy, Value: 3, PeriodSeconds: 60}, {Type: autoscalingv2.PercentScalingPolicy, Value: 80, PeriodSeconds: 45}},
		},
		ScaleDown: &autoscalingv2.HPAScalingRules{
			StabilizationWindowSeconds: ptr.To[int32](600), SelectPolicy: ptr.To(autoscalingv2.MaxChangePolicySelect),
			Policies: []autoscalingv2.HPAScalingPolicy{{Type: autoscalingv2.PercentScalingPolicy, Value: 20, PeriodSeconds: 90}},
		},
	}
	for name, tc := range map[string]struct {
		behavior *autoscalingv2.HorizontalPodAutoscalerBehavior
		differs  []string
	}{
		"whole": {behavior: slow},
		"bare":  {differs: []string{"spec.behavior"}},
	} {
		t.Run(name, func(t *testing.T) {
			before := scaling(t, m, ns, name, tc.behavior)
			sizes := watchSize(t, ns, name)

			report, _, code := loadline(t, ns, "migrate", "hpa", name, "-o", "json")
			var said struct {
				HPAs []migrate.HPA `json:"hpas"`
			}
			must(t, json.Unmarshal([]byte(report), &said))
			if code != 0 || len(said.HPAs) != 1 {
				t.Fatalf("exit code %d, %d HPAs", code, len(said.HPAs))
			}
			var differs []string
			for _, d := range said.HPAs[0].Differs {
				differs = append(differs, d.Field)
			}
			if diff := cmp.Diff(tc.differs, differs); diff != "" {
				t.Errorf("it says: %s", diff)
			}
			out, noted, code := loadline(t, ns, "migrate", "hpa", name)
			if code != 0 {
				t.Fatalf("exit code %d", code)
			}
			kubectl(t, "apply", "-f", manifest(t, out, ns))
			ready(t, ns, name, decide.ForeignHPA, soon)
			unchanged(t, before)

			_, command, found := strings.Cut(noted, "over when that says so: kubectl ")
			if !found {
				t.Fatalf("there is no note of how it is taken over: %s", noted)
			}
			command, _, _ = strings.Cut(command, "\n")
			kubectl(t, strings.Fields(command)...)
			system.Until(t, "the policy has it", soon, func(ctx context.Context) (bool, string) {
				p, err := getPolicy(ctx, ns, name)
				if err != nil {
					return false, err.Error()
				}
				c := condition(p, v1alpha1.Conflict)
				return strings.HasPrefix(c, "Conflict=False"), c
			})
			after := built(t, ns, name)
			if after.UID != before.UID || after.Labels["team"] != "shop" || after.Annotations["note"] != "ours" {
				t.Errorf("it is another one: %+v", after.ObjectMeta)
			}
			theirs, ours := hpa.Differences(after, before)
			changed := slices.DeleteFunc(append(theirs, ours...), func(field string) bool { return !strings.HasPrefix(field, "spec.") })
			if diff := cmp.Diff(tc.differs, changed, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("it differs in: %s", diff)
			}
			stays := after.Spec.DeepCopy()
			if tc.behavior == nil { // which it says
				stays.Behavior = before.Spec.Behavior
			}
			if diff := cmp.Diff(before.Spec, *stays); diff != "" {
				t.Error(diff)
			}

			// Some syncs of the controller later.
			unchangedFor(t, after, 3*hpaSync)
			if got := sizes.end().all; !slices.Equal(got, []int32{4}) {
				t.Errorf("its sizes were %v", got)
			}
		})
	}
}
