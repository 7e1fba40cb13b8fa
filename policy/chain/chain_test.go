package chain_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/loadline/loadline/policy/api/v1alpha1"
	"github.com/loadline/loadline/policy/arithmetic"
	"github.com/loadline/loadline/policy/chain"
	diagnostics "github.com/loadline/loadline/provider/api/v1alpha1"
)

var update = flag.Bool("update", false, "write testdata instead of comparing with it")

var noon = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

func ago(d time.Duration) metav1.Time { return metav1.NewTime(noon.Add(-d)) }

func pod(n int, and ...func(*corev1.Pod)) corev1.Pod {
	p := corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: fmt.Sprint("web-", n)}}
	p.Spec.Containers = []corev1.Container{{Name: "app"}}
	p.Spec.Containers[0].Resources.Requests = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("500m")}
	p.Status = corev1.PodStatus{Phase: corev1.PodRunning, StartTime: ptr.To(ago(time.Hour)), Conditions: []corev1.PodCondition{
		{Type: corev1.PodReady, Status: corev1.ConditionTrue, LastTransitionTime: ago(time.Hour - 20*time.Second)},
	}}
	for _, f := range and {
		f(&p)
	}
	return p
}

func pending(p *corev1.Pod) { p.Status.Phase = corev1.PodPending }

func unrequested(p *corev1.Pod) { p.Spec.Containers[0].Resources.Requests = nil }

// samples are thousandths of a unit, of web-0 and so on, each measured a second before the
// last one.
func samples(milli ...int64) arithmetic.Reading {
	r := arithmetic.Reading{Pods: map[string]arithmetic.Sample{}}
	for n, m := range milli {
		r.Pods[fmt.Sprint("web-", n)] = arithmetic.Sample{Milli: m, Timestamp: noon.Add(-time.Duration(n+4) * time.Second), Window: time.Minute}
	}
	return r
}

func perPod(value string) autoscalingv2.MetricTarget {
	return autoscalingv2.MetricTarget{Type: autoscalingv2.AverageValueMetricType, AverageValue: ptr.To(resource.MustParse(value))}
}

func rate(target string) autoscalingv2.MetricSpec {
	return autoscalingv2.MetricSpec{Type: autoscalingv2.PodsMetricSourceType, Pods: &autoscalingv2.PodsMetricSource{
		Metric: autoscalingv2.MetricIdentifier{Name: "http_requests_per_second"}, Target: perPod(target),
	}}
}

func queue(target string) autoscalingv2.MetricSpec {
	return autoscalingv2.MetricSpec{Type: autoscalingv2.ExternalMetricSourceType, External: &autoscalingv2.ExternalMetricSource{
		Metric: autoscalingv2.MetricIdentifier{Name: "queue_depth", Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"queue": "mail"}}}, Target: perPod(target),
	}}
}

func cpu(percent int32) autoscalingv2.MetricSpec {
	return autoscalingv2.MetricSpec{Type: autoscalingv2.ResourceMetricSourceType, Resource: &autoscalingv2.ResourceMetricSource{
		Name: corev1.ResourceCPU, Target: autoscalingv2.MetricTarget{Type: autoscalingv2.UtilizationMetricType, AverageUtilization: &percent},
	}}
}

func condition(of autoscalingv2.HorizontalPodAutoscalerConditionType, status corev1.ConditionStatus, reason, message string) autoscalingv2.HorizontalPodAutoscalerCondition {
	return autoscalingv2.HorizontalPodAutoscalerCondition{Type: of, Status: status, Reason: reason, Message: message, LastTransitionTime: ago(3 * time.Minute)}
}

// input is an HPA of 2 to 10 replicas with metrics, of a target of size replicas, at rest.
func input(size int32, metrics ...autoscalingv2.MetricSpec) *chain.Input {
	in := &chain.Input{HPA: &autoscalingv2.HorizontalPodAutoscaler{}, Settings: arithmetic.DefaultSettings(), Now: noon}
	h := in.HPA
	h.Namespace, h.Name, h.Generation, h.CreationTimestamp = "shop", "web", 3, ago(24*time.Hour)
	h.Spec = autoscalingv2.HorizontalPodAutoscalerSpec{
		ScaleTargetRef: autoscalingv2.CrossVersionObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Name: "web"},
		MinReplicas:    ptr.To[int32](2), MaxReplicas: 10, Metrics: metrics,
	}
	h.Status = autoscalingv2.HorizontalPodAutoscalerStatus{
		ObservedGeneration: ptr.To[int64](3), LastScaleTime: ptr.To(ago(10 * time.Minute)), CurrentReplicas: size, DesiredReplicas: size,
		Conditions: []autoscalingv2.HorizontalPodAutoscalerCondition{
			condition(autoscalingv2.AbleToScale, corev1.ConditionTrue, "ReadyForNewScale", "recommended size matches current size"),
			condition(autoscalingv2.ScalingActive, corev1.ConditionTrue, "ValidMetricFound", "the HPA was able to successfully calculate a replica count"),
			condition(autoscalingv2.ScalingLimited, corev1.ConditionFalse, "DesiredWithinRange", "the desired count is within the acceptable range"),
		},
	}
	in.Scale = &autoscalingv1.Scale{Spec: autoscalingv1.ScaleSpec{Replicas: size}, Status: autoscalingv1.ScaleStatus{Replicas: size, Selector: "app=web"}}
	for n := range size {
		in.Pods = append(in.Pods, pod(int(n)))
	}
	return in
}

const asked = "/apis/custom.metrics.k8s.io/v1beta2/namespaces/shop/pods/*/http_requests_per_second?labelSelector=app%3Dweb"

func serving(milli ...int64) chain.Answer {
	return chain.Answer{Asked: asked, Reading: samples(milli...)}
}

// diagnosed is what the adapter says of the rate of pods of a target, which it asked for four
// seconds before.
func diagnosed(edit ...func(*diagnostics.Metric)) *chain.Diagnosis {
	at, sampled := ago(4*time.Second), ago(6*time.Second)
	m := &diagnostics.Metric{
		Time: metav1.NewTime(noon), API: diagnostics.CustomMetrics, Resource: "pods", Metric: "http_requests_per_second",
		Rule: &diagnostics.Rule{
			ID: "rules[0]", Section: "rules", Index: ptr.To[int32](0), Origin: diagnostics.OriginFile, Source: "default",
			SeriesQuery: `http_requests_total{namespace!="",pod!=""}`, Series: "http_requests_total", Template: "sum(rate(<<.Series>>{<<.LabelMatchers>>}[1m])) by (<<.GroupBy>>)",
		},
		Reads: []diagnostics.Read{{
			ObjectSelector: "app=web", HorizontalPodAutoscalers: []string{"web"}, Objects: ptr.To[int32](4),
			PromQL:   `sum(rate(http_requests_total{namespace="shop",pod=~"web-0|web-1|web-2|web-3"}[1m])) by (pod)`,
			Sharing:  &diagnostics.Sharing{OtherReads: 12, ToldApartBy: []string{"namespace", "pod"}},
			Interval: &metav1.Duration{Duration: 10 * time.Second}, Evaluated: &at, Attempted: &at,
			Values: []diagnostics.Value{
				{Object: "web-0", Value: ptr.To(resource.MustParse("30500m")), Timestamp: &sampled}, {Object: "web-1", Value: ptr.To(resource.MustParse("31")), Timestamp: &at},
				{Object: "web-2", Value: ptr.To(resource.MustParse("29250m")), Timestamp: &at},
				{Object: "web-3", Problem: &diagnostics.Problem{Reason: "duplicate", Message: "several samples"}},
			},
		}},
	}
	for _, f := range edit {
		f(m)
	}
	return &chain.Diagnosis{Metric: m, Read: &m.Reads[0]}
}

func depth(milli int64) chain.Answer {
	return chain.Answer{
		Asked:   "/apis/external.metrics.k8s.io/v1beta1/namespaces/shop/queue_depth?labelSelector=queue%3Dmail",
		Reading: arithmetic.Reading{Values: []int64{milli}},
		Series:  []chain.Sample{{Labels: map[string]string{"queue": "mail", "zone": "a\x1b[2J"}, Milli: milli, Timestamp: noon.Add(-7500 * time.Millisecond)}},
	}
}

func cases() map[string]func() *chain.Input {
	return map[string]func() *chain.Input{
		"rising": func() *chain.Input {
			in := input(4, rate("20"))
			in.Pods[3] = pod(3, pending)
			in.Answers = []chain.Answer{serving(30_500, 31_000, 29_250)}
			in.Answers[0].Diagnosis = diagnosed()
			in.HPA.Spec.MinReplicas = ptr.To[int32](3)
			in.HPA.Spec.Behavior = &autoscalingv2.HorizontalPodAutoscalerBehavior{
				ScaleUp:   &autoscalingv2.HPAScalingRules{StabilizationWindowSeconds: ptr.To[int32](0), Policies: []autoscalingv2.HPAScalingPolicy{{Type: autoscalingv2.PercentScalingPolicy, Value: 100, PeriodSeconds: 60}}},
				ScaleDown: &autoscalingv2.HPAScalingRules{StabilizationWindowSeconds: ptr.To[int32](300), Policies: []autoscalingv2.HPAScalingPolicy{{Type: autoscalingv2.PercentScalingPolicy, Value: 10, PeriodSeconds: 60}}},
			}
			in.HPA.Status.CurrentMetrics = []autoscalingv2.MetricStatus{{Type: autoscalingv2.PodsMetricSourceType, Pods: &autoscalingv2.PodsMetricStatus{
				Metric: in.HPA.Spec.Metrics[0].Pods.Metric, Current: autoscalingv2.MetricValueStatus{AverageValue: ptr.To(resource.MustParse("21500m"))},
			}}}
			in.Policy = &v1alpha1.AutoscalingPolicy{ObjectMeta: metav1.ObjectMeta{Name: "web"}}
			in.Policy.Spec.Replicas.Min = 2
			in.Policy.Status = v1alpha1.AutoscalingPolicyStatus{
				State:      "Enforced",
				Conditions: []metav1.Condition{{Type: v1alpha1.Ready, Status: metav1.ConditionTrue}},
				Floors:     []v1alpha1.Floor{{Owner: "schedule/morning", Value: 3, Reason: "by schedule morning", Since: ago(time.Hour), Expires: ago(-2 * time.Hour)}},
				Release:    &v1alpha1.Release{Value: 2, Reason: "rollout has ended", LastStep: ago(time.Minute)},
			}
			return in
		},
		"falling": func() *chain.Input {
			in := input(8, queue("10"), rate("20"))
			in.Answers = []chain.Answer{depth(15_000), serving(5_000, 5_000, 5_000, 5_000, 5_000, 5_000, 5_000, 5_000)}
			in.Answers[0].Diagnosis = diagnosed(func(m *diagnostics.Metric) {
				m.Resource, m.Rule = "", &diagnostics.Rule{Origin: diagnostics.OriginPolicy, Policy: "web", Query: "lag", Source: "far", Template: "sum(lag)"}
				r := &m.Reads[0]
				r.Objects, r.PromQL, r.Sharing = nil, "sum(lag)", &diagnostics.Sharing{Alone: "it is of one policy alone: sum(lag)"}
				r.Values = r.Values[:1]
				r.Failing = &diagnostics.Problem{Reason: "source-failed", Message: "source \"far\" timeout", Remedy: "see whether it answers"}
				r.Warnings = []string{"a part\nis \x1b[2Jmissing"}
			})
			in.Answers[1].Diagnosis = diagnosed()
			in.Answers[1].Diagnosis.Read = nil
			in.HPA.Status.LastScaleTime = ptr.To(ago(2 * time.Minute))
			return in
		},
		"broken": func() *chain.Input {
			in := input(3, cpu(60), rate("20"), queue("10"))
			in.Pods[1] = pod(1, unrequested)
			in.Answers = []chain.Answer{
				{Asked: "/apis/metrics.k8s.io/v1beta1/namespaces/shop/pods?labelSelector=app%3Dweb", Reading: samples(200, 300, 250)},
				{Broken: &chain.Break{Reason: "the cluster does not serve custom.metrics.k8s.io", Remedy: "install loadline-adapter"}},
				{Asked: "/apis/external.metrics.k8s.io/v1beta1/namespaces/shop/queue_depth?labelSelector=queue%3Dmail", Reading: arithmetic.Reading{Err: errors.New("the metrics API answered with an empty list")}},
			}
			in.Undiagnosed = &chain.Break{Reason: "the cluster does not serve diagnostics.loadline.dev", Remedy: "install loadline-adapter"}
			in.HPA.Status.Conditions[1] = condition(autoscalingv2.ScalingActive, corev1.ConditionFalse, "FailedGetPodsMetric", "the HPA was unable to compute the replica count: unable to get metric\nhttp_requests_per_second\x1b[2J")
			return in
		},
		"many pods": func() *chain.Input {
			in := input(25, cpu(60))
			in.HPA.Spec.MaxReplicas = 40
			in.Pods[24] = pod(24, pending)
			use := make([]int64, 23)
			for i := range use {
				use[i] = 310
			}
			in.Answers = []chain.Answer{{Asked: "/apis/metrics.k8s.io/v1beta1/namespaces/shop/pods?labelSelector=app%3Dweb", Reading: samples(use...)}}
			return in
		},
		"no target": func() *chain.Input {
			in := input(0, rate("20"), queue("10"))
			in.Scale, in.Pods = nil, nil
			in.Broken = []chain.Break{{At: "target", Reason: "Deployment web is not there", Remedy: "make it"}}
			in.Answers = []chain.Answer{{}, depth(15_000)}
			in.HPA.Status.Conditions = []autoscalingv2.HorizontalPodAutoscalerCondition{
				condition(autoscalingv2.AbleToScale, corev1.ConditionFalse, "FailedGetScale", "the HPA controller was unable to get the target's current scale"),
			}
			return in
		},
		"pods unread": func() *chain.Input {
			in := input(3, rate("20"))
			in.Pods, in.PodsUnread = nil, true
			in.Broken = []chain.Break{{At: "pods", Reason: "you may not", Remedy: "ask for a Role"}}
			in.Answers = []chain.Answer{serving(30_500, 31_000, 29_250)}
			return in
		},
		"rivals": func() *chain.Input {
			in := input(2, rate("20"))
			in.Answers = []chain.Answer{serving(20_000, 20_000)}
			in.Rivals = []string{"shop/other"}
			in.HPA.Status.Conditions[1] = condition(autoscalingv2.ScalingActive, corev1.ConditionFalse, "AmbiguousSelector", "pods by selector app=web are controlled by more than one HPA")
			return in
		},
		"at 0": func() *chain.Input {
			in := input(0, rate("20"))
			in.Answers = []chain.Answer{serving()}
			in.Answers[0].Diagnosis = diagnosed(func(m *diagnostics.Metric) {
				m.Rule, m.Problem = nil, &diagnostics.Problem{Reason: "undefined", Message: "no rule gives it", Remedy: "write one"}
				m.Reads = []diagnostics.Read{{ObjectSelector: "app=web", Problem: m.Problem}}
			})
			return in
		},
		"above the maximum": func() *chain.Input {
			in := input(12, rate("20"))
			in.Answers = []chain.Answer{serving(20_000)}
			return in
		},
		"no sync yet": func() *chain.Input {
			in := input(2, rate("20"))
			in.Answers = []chain.Answer{serving(20_000, 20_500)}
			in.HPA.Status = autoscalingv2.HorizontalPodAutoscalerStatus{}
			return in
		},
		"over, says the controller": func() *chain.Input {
			in := input(2, rate("20"))
			in.Answers = []chain.Answer{serving(20_000, 20_500)}
			in.HPA.Status.Conditions[1] = condition(autoscalingv2.ScalingActive, corev1.ConditionFalse, "FailedGetPodsMetric", "unable to get metric")
			return in
		},
	}
}

// What people and programs read of HPAs, in testdata.
func TestReport(t *testing.T) {
	for name, of := range cases() {
		t.Run(name, func(t *testing.T) {
			r := chain.New(of())
			var out bytes.Buffer
			if err := r.Text(&out); err != nil {
				t.Fatal(err)
			}
			data, err := json.MarshalIndent(r, "", "    ")
			if err != nil {
				t.Fatal(err)
			}
			base := filepath.Join("testdata", strings.NewReplacer(" ", "-", ",", "").Replace(name))
			golden(t, base+".txt", out.String())
			golden(t, base+".json", string(data)+"\n")
			lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
			if last := lines[len(lines)-1]; !strings.HasPrefix(last, "Decision: ") {
				t.Errorf("the last line is %q", last)
			}
			if i := strings.IndexFunc(out.String(), func(r rune) bool { return r < ' ' && r != '\n' }); i >= 0 {
				t.Errorf("a control character at %d", i)
			}
		})
	}
}

// golden compares with a file of testdata, or writes it.
func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s: %s", path, diff)
	}
}

// Which of them are whole: what the exit code says.
func TestWhole(t *testing.T) {
	whole := []string{}
	for name, of := range cases() {
		if chain.New(of()).Whole() {
			whole = append(whole, name)
		}
	}
	want := map[string]bool{"rising": true, "falling": true, "many pods": true, "above the maximum": true}
	got := map[string]bool{}
	for _, name := range whole {
		got[name] = true
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// What is proposed and decided is the arithmetic's, for every metric.
func TestSameArithmetic(t *testing.T) {
	for name, of := range cases() {
		t.Run(name, func(t *testing.T) {
			in := of()
			if in.Scale == nil || in.PodsUnread {
				return
			}
			s := &arithmetic.State{HPA: in.HPA, Scale: *in.Scale, Pods: in.Pods, Rivals: in.Rivals, Settings: in.Settings, Now: in.Now}
			for _, a := range in.Answers {
				if a.Broken != nil {
					a.Reading.Err = errors.New(a.Broken.Reason)
				}
				s.Readings = append(s.Readings, a.Reading)
			}
			d, r := arithmetic.Decide(s), chain.New(in)
			for i, m := range r.Metrics {
				var want *int32
				if i < len(d.Proposals) && d.Proposals[i].Failure == nil {
					want = &d.Proposals[i].Replicas
				}
				if diff := cmp.Diff(want, m.Replicas); diff != "" {
					t.Errorf("%s: %s", m.Name, diff)
				}
			}
			if diff := cmp.Diff(&chain.Range{Least: &d.Replicas.Least, Most: &d.Replicas.Most}, r.Decision.Replicas); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// The output in the documentation is this program's.
func TestDocumentation(t *testing.T) {
	want, err := os.ReadFile("testdata/rising.txt")
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile("../../docs/operate.md")
	if err != nil {
		t.Fatal(err)
	}
	var block strings.Builder
	for line := range strings.Lines(string(want)) {
		if line != "\n" {
			line = "    " + line
		}
		block.WriteString(line)
	}
	if !strings.Contains(string(page), block.String()) {
		t.Errorf("docs/operate.md lacks testdata/rising.txt, each line indented by four spaces:\n%s", block.String())
	}
}
