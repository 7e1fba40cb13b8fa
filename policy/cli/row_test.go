package cli

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/loadline/loadline/policy/api/v1alpha1"
	"github.com/loadline/loadline/policy/decide"
	"github.com/loadline/loadline/policy/hpa"
)

// sound returns a policy at rest and its HPA.
func sound(t *testing.T) (*v1alpha1.AutoscalingPolicy, *autoscalingv2.HorizontalPodAutoscaler) {
	t.Helper()
	p := &v1alpha1.AutoscalingPolicy{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web", UID: "u", Generation: 3},
		Spec: v1alpha1.AutoscalingPolicySpec{
			TargetRef: v1alpha1.TargetReference{APIVersion: "apps/v1", Kind: "Deployment", Name: "web-d"},
			Replicas:  v1alpha1.Replicas{Min: 2, Max: 6},
			Objectives: []v1alpha1.Objective{
				{RequestRate: &v1alpha1.RequestRate{PerPod: resource.MustParse("50")}},
				{Queue: &v1alpha1.Queue{Name: "reminders", PerPod: resource.MustParse("10")}},
			},
			Mode: v1alpha1.Enforce, DeletionPolicy: v1alpha1.Delete,
		},
		Status: v1alpha1.AutoscalingPolicyStatus{
			ObservedGeneration: 3, State: "Enforced",
			Conditions: []metav1.Condition{
				{Type: v1alpha1.Ready, Status: metav1.ConditionTrue, Reason: decide.Applied, Message: "the HPA is what the policy says"},
				{Type: v1alpha1.MetricsAvailable, Status: metav1.ConditionTrue, Reason: decide.AllAvailable},
				{Type: v1alpha1.ScalingLimited, Status: metav1.ConditionFalse, Reason: decide.NotLimited},
				{Type: v1alpha1.Held, Status: metav1.ConditionFalse, Reason: decide.NotHeld},
				{Type: v1alpha1.Conflict, Status: metav1.ConditionFalse, Reason: decide.NoConflict},
			},
		},
	}
	live, problems := hpa.Build(p, nil, hpa.Capabilities{})
	if live == nil {
		t.Fatal(problems)
	}
	live.Status = autoscalingv2.HorizontalPodAutoscalerStatus{
		CurrentReplicas: 3, DesiredReplicas: 3,
		Conditions: []autoscalingv2.HorizontalPodAutoscalerCondition{{Type: autoscalingv2.AbleToScale, Status: "True", Reason: "ReadyForNewScale"}},
		CurrentMetrics: []autoscalingv2.MetricStatus{
			{Type: autoscalingv2.PodsMetricSourceType, Pods: &autoscalingv2.PodsMetricStatus{
				Metric: live.Spec.Metrics[0].Pods.Metric, Current: autoscalingv2.MetricValueStatus{AverageValue: ptr.To(resource.MustParse("42500m"))},
			}},
			{Type: autoscalingv2.ExternalMetricSourceType, External: &autoscalingv2.ExternalMetricStatus{
				Metric: live.Spec.Metrics[1].External.Metric, Current: autoscalingv2.MetricValueStatus{AverageValue: ptr.To(resource.MustParse("0"))},
			}},
		},
	}
	return p, live
}

func set(p *v1alpha1.AutoscalingPolicy, of string, status metav1.ConditionStatus, reason, message string) {
	for i := range p.Status.Conditions {
		if c := &p.Status.Conditions[i]; c.Type == of {
			c.Status, c.Reason, c.Message = status, reason, message
		}
	}
}

// What a person sees of a policy and its HPA in every state that matters.
func TestTable(t *testing.T) {
	type (
		policy = v1alpha1.AutoscalingPolicy
		scaler = autoscalingv2.HorizontalPodAutoscaler
	)
	const head = "NAME   TARGET             MIN     MAX   REPLICAS   METRICS   STATE\n"
	for name, tc := range map[string]struct {
		edit  func(*policy, **scaler)
		want  string
		ready bool
	}{
		"all well": {
			func(*policy, **scaler) {},
			"web   Deployment/web-d   2   6   3   42.5/50 requestRate, 0/10 queue reminders   Enforced\n", true,
		},
		"held by a schedule, and on its way": {
			func(p *policy, h **scaler) {
				(*h).Spec.MinReplicas, (*h).Status.DesiredReplicas = ptr.To[int32](4), 4
				set(p, v1alpha1.Held, metav1.ConditionTrue, decide.HeldBySchedule, "min 4 until 10:00 by schedule morning")
			},
			"web   Deployment/web-d   4 (2)   6   3->4   42.5/50 requestRate, 0/10 queue reminders   Enforced\n" +
				"  web: Held: min 4 until 10:00 by schedule morning\n", true,
		},
		"a metric that cannot be read is no zero": {
			func(p *policy, h **scaler) {
				(*h).Status.CurrentMetrics[0] = autoscalingv2.MetricStatus{}
				set(p, v1alpha1.MetricsAvailable, metav1.ConditionFalse, decide.SomeMissing, "the HPA cannot read it")
			},
			"web   Deployment/web-d   2   6   3   ?/50 requestRate, 0/10 queue reminders   Enforced\n" +
				"  web: MetricsAvailable: the HPA cannot read it\n", true,
		},
		"an HPA that is stopped, which Ready says": {
			func(p *policy, _ **scaler) {
				set(p, v1alpha1.Ready, metav1.ConditionFalse, decide.HPAStopped, "the HPA does nothing: it is ambiguous. Narrow it")
				set(p, v1alpha1.MetricsAvailable, metav1.ConditionUnknown, decide.HPAStopped, "it is ambiguous")
			},
			"web   Deployment/web-d   2   6   3   42.5/50 requestRate, 0/10 queue reminders   Enforced\n" +
				"  web: Ready: the HPA does nothing: it is ambiguous. Narrow it\n", false,
		},
		"an HPA that is stopped, of a policy that is wrong, too": {
			func(p *policy, _ **scaler) {
				set(p, v1alpha1.Ready, metav1.ConditionFalse, decide.InvalidSpec, "it is wrong")
				set(p, v1alpha1.MetricsAvailable, metav1.ConditionUnknown, decide.HPAStopped, "it is ambiguous")
			},
			"web   Deployment/web-d   2   6   3   42.5/50 requestRate, 0/10 queue reminders   Enforced\n" +
				"  web: Ready: it is wrong\n  web: MetricsAvailable: it is ambiguous\n", false,
		},
		"metrics of which the last sync told nothing are no remark": {
			func(p *policy, _ **scaler) {
				set(p, v1alpha1.MetricsAvailable, metav1.ConditionUnknown, decide.NotKnown, "the HPA's last sync read no metric")
			},
			"web   Deployment/web-d   2   6   3   42.5/50 requestRate, 0/10 queue reminders   Enforced\n", true,
		},
		"the pace is no remark, the maximum is": {
			func(p *policy, _ **scaler) {
				set(p, v1alpha1.ScalingLimited, metav1.ConditionTrue, decide.RateLimited, "paced")
			},
			"web   Deployment/web-d   2   6   3   42.5/50 requestRate, 0/10 queue reminders   Enforced\n", true,
		},
		"at the maximum": {
			func(p *policy, _ **scaler) {
				set(p, v1alpha1.ScalingLimited, metav1.ConditionTrue, decide.AtMax, "raise replicas.max")
			},
			"web   Deployment/web-d   2   6   3   42.5/50 requestRate, 0/10 queue reminders   Enforced\n" +
				"  web: ScalingLimited: raise replicas.max\n", true,
		},
		"another's HPA of the same name": {
			func(p *policy, h **scaler) {
				(*h).Labels, (*h).Annotations = nil, nil
				p.Status.State = "Conflict"
				set(p, v1alpha1.Ready, metav1.ConditionFalse, decide.ForeignHPA, "not ours")
				set(p, v1alpha1.Conflict, metav1.ConditionTrue, decide.ForeignHPA, "not ours")
			},
			"web   Deployment/web-d   2   6   <none>   <none>   Conflict\n  web: Ready: not ours\n", false,
		},
		"only asked what would be": {
			func(p *policy, _ **scaler) {
				p.Spec.Mode, p.Status.State, p.Status.Plan = v1alpha1.DryRun, "DryRun", []string{"spec.maxReplicas: 6, now 5"}
				set(p, v1alpha1.Ready, metav1.ConditionFalse, decide.DryRunMode, "nothing is written")
			},
			"web   Deployment/web-d   2   6   3   42.5/50 requestRate, 0/10 queue reminders   DryRun\n" +
				"  web: Ready: nothing is written\n  web: Plan: spec.maxReplicas: 6, now 5\n", false,
		},
		"an HPA that nobody has looked at has no size, which is no 0": {
			func(p *policy, h **scaler) {
				(*h).Status = autoscalingv2.HorizontalPodAutoscalerStatus{}
				set(p, v1alpha1.MetricsAvailable, metav1.ConditionUnknown, decide.NotKnown, "not yet")
			},
			"web   Deployment/web-d   2   6   <none>   ?/50 requestRate, ?/10 queue reminders   Enforced\n", true,
		},
		"a target that cannot be read has none either": {
			func(p *policy, h **scaler) {
				(*h).Status.CurrentReplicas = 0
				(*h).Status.Conditions[0] = autoscalingv2.HorizontalPodAutoscalerCondition{Type: autoscalingv2.AbleToScale, Status: "False", Reason: "FailedGetScale"}
				set(p, v1alpha1.Ready, metav1.ConditionFalse, decide.NotFound, "there is no Deployment")
			},
			"web   Deployment/web-d   2   6   <none>   42.5/50 requestRate, 0/10 queue reminders   Enforced\n" +
				"  web: Ready: there is no Deployment\n", false,
		},
		"nobody has looked at it": {
			func(p *policy, h **scaler) { p.Status, *h = v1alpha1.AutoscalingPolicyStatus{}, nil },
			"web   Deployment/web-d   2   6   <none>   <none>   Pending\n" +
				"  web: Ready: loadline-policy has not looked at the policy yet. If that lasts, see whether it runs\n", false,
		},
		"nobody has looked at its last change": {
			func(p *policy, _ **scaler) { p.Generation = 4 },
			"web   Deployment/web-d   2   6   3   42.5/50 requestRate, 0/10 queue reminders   Enforced\n" +
				"  web: Ready: loadline-policy has not looked at the last change yet. If that lasts, see whether it runs\n", false,
		},
		"words that would paint the terminal": {
			func(p *policy, _ **scaler) {
				p.Spec.TargetRef.Name = "a\tb\x1b[31m"
				set(p, v1alpha1.Held, metav1.ConditionTrue, decide.HeldBySchedule, "red \x1b[31m\nline")
			},
			"web   Deployment/a b^[[31m   2   6   3   42.5/50 requestRate, 0/10 queue reminders   Enforced\n" +
				"  web: Held: red ^[[31m line\n", true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			p, h := sound(t)
			tc.edit(p, &h)
			r := newRow(p, h)
			if r.Ready != tc.ready {
				t.Errorf("ready %t", r.Ready)
			}
			var out bytes.Buffer
			if err := newTable(&out, false).print([]row{r}); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(squeeze(head+tc.want), squeeze(out.String())); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// squeeze forgets how wide columns are.
func squeeze(s string) string {
	var out bytes.Buffer
	for _, r := range s {
		if r == ' ' && bytes.HasSuffix(out.Bytes(), []byte("  ")) {
			continue
		}
		out.WriteRune(r)
	}
	return out.String()
}

// Rows are joined by namespace and name and sorted; later ones stand in the same columns.
func TestTableOfNamespaces(t *testing.T) {
	p, h := sound(t)
	other := p.DeepCopy()
	other.Namespace = "another"
	rows := newRows([]v1alpha1.AutoscalingPolicy{*p, *other}, []autoscalingv2.HorizontalPodAutoscaler{*h})
	var out bytes.Buffer
	table := newTable(&out, true)
	if err := table.print(rows); err != nil {
		t.Fatal(err)
	}
	if err := table.print(rows[:1]); err != nil {
		t.Fatal(err)
	}
	want := `NAMESPACE   NAME   TARGET             MIN   MAX   REPLICAS   METRICS                                     STATE
another     web    Deployment/web-d   2     6     <none>     <none>                                      Enforced
shop        web    Deployment/web-d   2     6     3          42.5/50 requestRate, 0/10 queue reminders   Enforced
another     web    Deployment/web-d   2     6     <none>     <none>                                      Enforced
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Error(diff)
	}
}

// A watch tells what is new, what is different and what is gone, and nothing twice.
func TestChanges(t *testing.T) {
	a, b := row{Namespace: "n", Name: "a", Max: 1}, row{Namespace: "n", Name: "b", State: "Enforced"}
	taller := a
	taller.Max = 2
	gone := b
	gone.State = "Deleted"
	var last map[string]row
	for _, step := range []struct{ rows, want []row }{
		{[]row{a, b}, []row{a, b}},
		{[]row{a, b}, nil},
		{[]row{taller, b}, []row{taller}},
		{[]row{taller}, []row{gone}},
		{[]row{taller}, nil},
		{[]row{taller, b}, []row{b}},
	} {
		var news []row
		if news, last = changes(last, step.rows); cmp.Diff(step.want, news) != "" {
			t.Errorf("%v: %s", step.rows, cmp.Diff(step.want, news))
		}
	}
}
