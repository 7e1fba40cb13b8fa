package floor

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/loadline/loadline/policy/api/v1alpha1"
)

// bench is an input that keeps what Evaluate says, as a controller does.
type bench struct {
	t  *testing.T
	in Input
	r  Result
}

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{t: t, in: Input{
		Now: at, Min: 2, Max: 20, Status: &v1alpha1.AutoscalingPolicyStatus{ObservedGeneration: 1, HPA: &v1alpha1.AppliedHPA{Min: ptr.To(int32(2))}},
		Down: &autoscalingv2.HPAScalingRules{
			StabilizationWindowSeconds: ptr.To(int32(300)),
			Policies:                   []autoscalingv2.HPAScalingPolicy{{Type: autoscalingv2.PercentScalingPolicy, Value: 50, PeriodSeconds: 60}},
		},
		UnknownHold: time.Hour, Sync: 15 * time.Second,
	}}
	b.metrics(Good)
	b.in.Status.Conditions = []metav1.Condition{{Type: v1alpha1.MetricsAvailable, Status: metav1.ConditionTrue, LastTransitionTime: metav1.NewTime(at.Add(-time.Hour))}}
	return b
}

// metrics sets what the HPA says of its one metric from now on.
func (b *bench) metrics(s State) {
	min := ptr.To(int32(2))
	if b.in.Live != nil {
		min = b.in.Live.Spec.MinReplicas
	}
	one := []autoscalingv2.MetricSpec{rate}
	able := says(autoscalingv2.AbleToScale, corev1.ConditionTrue, "SucceededGetScale")
	active := says(autoscalingv2.ScalingActive, corev1.ConditionTrue, "ValidMetricFound")
	switch s {
	case Good:
		b.in.Live = hpaWith(one, []autoscalingv2.MetricStatus{read(rate)}, able, active)
	case Bad:
		active = says(autoscalingv2.ScalingActive, corev1.ConditionFalse, "FailedGetPodsMetric")
		active.LastTransitionTime = metav1.NewTime(b.in.Now)
		b.in.Live = hpaWith(one, []autoscalingv2.MetricStatus{unread}, able, active)
		b.in.Status.Conditions = nil
	default:
		b.in.Live = hpaWith(one, nil, able, active)
	}
	b.in.Live.Spec.MinReplicas = min
}

// after evaluates d later, and keeps the result.
func (b *bench) after(d time.Duration) Result {
	b.in.Now = b.in.Now.Add(d)
	b.r = Evaluate(b.in)
	b.in.Status = b.in.Status.DeepCopy()
	b.in.Status.Floors, b.in.Status.Fallback, b.in.Status.Rollout, b.in.Status.Release = b.r.Floors, b.r.Fallback, b.r.Rollout, b.r.Release
	b.in.Status.HPA.Min = &b.r.Min
	b.in.Live.Spec.MinReplicas = &b.r.Min
	if good := b.r.Health.State == Good; good && b.in.Status.Conditions == nil {
		b.in.Status.Conditions = []metav1.Condition{{Type: v1alpha1.MetricsAvailable, Status: metav1.ConditionTrue, LastTransitionTime: metav1.NewTime(b.in.Now)}}
	}
	return b.r
}

// A step of the fallback's machine: after some time in a state of the metrics, what it
// is in.
type step struct {
	after   time.Duration
	metrics State
	phase   v1alpha1.FallbackPhase
	min     int32
}

func TestFallbackMachine(t *testing.T) {
	const none, suspect, engaged, recovering = v1alpha1.FallbackPhase(""), v1alpha1.Suspect, v1alpha1.Engaged, v1alpha1.Recovering
	const s, m = time.Second, time.Minute
	for name, steps := range map[string][]step{
		"an outage": {
			{0, Good, none, 2}, {0, Bad, suspect, 2}, {119 * s, Bad, suspect, 2}, {1 * s, Bad, engaged, 8}, {10 * time.Hour, Bad, engaged, 8},
			{0, Good, recovering, 8}, {5*m - s, Good, recovering, 8}, {1 * s, Good, none, 8}, {1 * m, Good, none, 4}, {1 * m, Good, none, 2},
		},
		"a short one":                  {{0, Bad, suspect, 2}, {10 * s, Good, suspect, 2}, {29 * s, Good, suspect, 2}, {1 * s, Good, none, 2}},
		"one good read is no recovery": {{0, Bad, suspect, 2}, {100 * s, Good, suspect, 2}, {15 * s, Bad, suspect, 2}, {5 * s, Bad, engaged, 8}},
		"a sync that tells nothing":    {{0, Bad, suspect, 2}, {60 * s, Unknown, suspect, 2}, {60 * s, Unknown, suspect, 2}, {0, Bad, engaged, 8}, {1 * s, Unknown, engaged, 8}, {1 * s, Good, recovering, 8}, {1 * m, Unknown, recovering, 8}},
		"bad again while recovering":   {{0, Bad, suspect, 2}, {2 * m, Bad, engaged, 8}, {1 * m, Good, recovering, 8}, {4 * m, Bad, engaged, 8}, {1 * m, Good, recovering, 8}, {5 * m, Good, none, 8}},
		"nothing known for an hour":    {{0, Bad, suspect, 2}, {2 * m, Bad, engaged, 8}, {59 * m, Unknown, engaged, 8}, {1 * m, Unknown, none, 8}, {time.Hour, Unknown, none, 4}},
		"the clock is put back":        {{0, Bad, suspect, 2}, {-5 * time.Hour, Bad, suspect, 2}, {2 * m, Bad, engaged, 8}, {-5 * time.Hour, Good, recovering, 8}, {5 * m, Good, none, 8}},
		"the clock is put forward":     {{0, Bad, suspect, 2}, {5 * time.Hour, Bad, engaged, 8}, {0, Good, recovering, 8}, {24 * time.Hour, Good, none, 8}, {24 * time.Hour, Good, none, 4}, {24 * time.Hour, Good, none, 2}},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.in.Fallback = &v1alpha1.Fallback{After: metav1.Duration{Duration: 2 * time.Minute}, Min: 8}
			last := Good
			for i, x := range steps {
				b.in.Now = b.in.Now.Add(x.after)
				if x.metrics != last || x.metrics == Unknown {
					b.metrics(x.metrics)
				}
				last = x.metrics
				r := b.after(0)
				phase := none
				if r.Fallback != nil {
					phase = r.Fallback.Phase
				}
				if phase != x.phase || r.Min != x.min {
					t.Fatalf("step %d: %q with min %d, want %q with %d", i, phase, r.Min, x.phase, x.min)
				}
				if !r.Next.IsZero() && !r.Next.After(b.in.Now) {
					t.Errorf("step %d: next at %s, now %s", i, r.Next, b.in.Now)
				}
			}
		})
	}
}

// What the HPA says about since when it cannot read its metrics counts, so that a
// restart or a lost status does not begin anew.
func TestFallbackSinceTheHPASaysSo(t *testing.T) {
	b := newBench(t)
	b.in.Fallback = &v1alpha1.Fallback{After: metav1.Duration{Duration: 2 * time.Minute}, Min: 8}
	b.metrics(Bad)
	b.in.Now = b.in.Now.Add(2 * time.Minute)
	if r := b.after(0); r.Min != 8 || r.Fallback.Phase != v1alpha1.Engaged {
		t.Errorf("min %d, %+v", r.Min, r.Fallback)
	}
}

// What the HPA says since a time at which the metrics were not its question is nothing
// about the metrics: a person had the target at 0 for hours.
func TestFallbackSinceItIsTheMetrics(t *testing.T) {
	b := newBench(t)
	b.in.Fallback = &v1alpha1.Fallback{After: metav1.Duration{Duration: 2 * time.Minute}, Min: 8}
	b.metrics(Bad)
	b.in.Status.Conditions = []metav1.Condition{{Type: v1alpha1.MetricsAvailable, Status: metav1.ConditionUnknown}}
	b.in.Now = b.in.Now.Add(3 * time.Hour)
	if r := b.after(0); r.Min == 8 || r.Fallback.Phase != v1alpha1.Suspect {
		t.Errorf("min %d, %+v", r.Min, r.Fallback)
	}
}

// A floor that has ended goes down by the scaleDown rules, and not before it is safe.
func TestRelease(t *testing.T) {
	disabled := autoscalingv2.DisabledPolicySelect
	for name, tc := range map[string]struct {
		edit func(*bench)
		// minima after each minute from the end on, the first at the end itself.
		want []int32
	}{
		"metrics were good":             {func(*bench) {}, []int32{12, 6, 3, 2, 2}},
		"metrics are good for a minute": {func(b *bench) { b.in.Status.Conditions[0].LastTransitionTime = metav1.NewTime(at.Add(-time.Minute)) }, []int32{12, 12, 12, 12, 6, 3, 2}},
		"metrics are bad":               {func(b *bench) { b.metrics(Bad) }, []int32{12, 12, 12, 12, 12, 12, 12, 12}},
		"nothing is known":              {func(b *bench) { b.metrics(Unknown) }, []int32{12, 12, 12, 12, 12, 12, 12, 12}},
		"not to scale in at all":        {func(b *bench) { b.in.Down.SelectPolicy = &disabled }, []int32{2}},
		"not paced":                     {func(b *bench) { b.in.Down.Policies[0].Value = 100 }, []int32{12, 2}},
		"max is lower":                  {func(b *bench) { b.in.Max = 7 }, []int32{7, 3, 2}},
		"the owner's minimum is higher": {func(b *bench) { b.in.Min = 5 }, []int32{12, 6, 5, 5}},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.in.Status.Floors = []v1alpha1.Floor{{Owner: "schedule/x", Value: 12}}
			b.in.Live.Spec.MinReplicas, b.in.Status.HPA.Min = ptr.To(int32(12)), ptr.To(int32(12))
			tc.edit(b)
			var got []int32
			for i := range tc.want {
				d := time.Minute
				if i == 0 {
					d = 0
				}
				got = append(got, b.after(d).Min)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// However far the clock jumps, one evaluation takes one step.
func TestReleaseAndTheClock(t *testing.T) {
	b := newBench(t)
	b.in.Status.Floors = []v1alpha1.Floor{{Owner: "schedule/x", Value: 16}}
	b.in.Live.Spec.MinReplicas, b.in.Status.HPA.Min = ptr.To(int32(16)), ptr.To(int32(16))
	var got []int32
	for _, d := range []time.Duration{0, 1000 * time.Hour, 0, -2000 * time.Hour, 59 * time.Second, time.Second} {
		got = append(got, b.after(d).Min)
	}
	// After the clock is put back, a window passes first: nobody knows how long the
	// metrics have been good.
	if diff := cmp.Diff([]int32{16, 8, 8, 8, 8, 8}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	b.in.Status.Conditions = []metav1.Condition{{Type: v1alpha1.MetricsAvailable, Status: metav1.ConditionTrue, LastTransitionTime: metav1.NewTime(b.in.Now)}}
	if got := b.after(5 * time.Minute).Min; got != 4 {
		t.Errorf("min %d a window later, want 4", got)
	}
}

// Schedules are in force by the clock alone; a broken one keeps what it held.
func TestSchedules(t *testing.T) {
	berlin := v1alpha1.Schedule{Name: "morning", Start: "0 7 * * *", Duration: metav1.Duration{Duration: 3 * time.Hour}, TimeZone: "Europe/Berlin", Min: 4}
	noon := v1alpha1.Schedule{Name: "noon", Start: "0 9 * * *", Duration: metav1.Duration{Duration: time.Hour}, TimeZone: "Europe/Berlin", Min: 6}
	compiled, problems := Compile([]v1alpha1.Schedule{berlin, noon})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	b := newBench(t)
	b.in.Schedules = compiled
	// 2026-03-29: clocks are put forward at 2:00, so that 7:00 is 5:00 UTC.
	b.in.Now = time.Date(2026, 3, 29, 4, 59, 59, 0, time.UTC)
	if r := b.after(0); r.Min != 2 || !r.Next.Equal(b.in.Now.Add(time.Second)) {
		t.Errorf("min %d, next %s", r.Min, r.Next)
	}
	r := b.after(time.Second)
	want := []v1alpha1.Floor{{
		Owner: "schedule/morning", Reason: "until 2026-03-29 10:00 Europe/Berlin by schedule morning", Value: 4,
		Since: metav1.NewTime(b.in.Now), Expires: metav1.NewTime(b.in.Now.Add(3 * time.Hour)),
	}}
	if diff := cmp.Diff(want, r.Floors); diff != "" || r.Min != 4 {
		t.Errorf("min %d (-want +got):\n%s", r.Min, diff)
	}
	if r := b.after(2 * time.Hour); r.Min != 6 || len(r.Floors) != 2 {
		t.Errorf("where two overlap: min %d, %+v", r.Min, r.Floors)
	}
	broken := berlin
	broken.TimeZone = "Mars"
	b.in.Schedules, problems = Compile([]v1alpha1.Schedule{broken})
	if len(problems) != 1 || problems[0].Field != "spec.schedules[0].timeZone" || !strings.Contains(problems[0].Message, "Mars") {
		t.Errorf("problems %v", problems)
	}
	if r := b.after(0); r.Min != 6 || len(r.Floors) != 1 { // of the other one's release
		t.Errorf("once broken: min %d, %+v", r.Min, r.Floors)
	}
	if r := b.after(59 * time.Minute); r.Min != 4 {
		t.Errorf("a minute before its end: min %d", r.Min)
	}
	b.after(time.Minute)
	if r := b.after(2 * time.Minute); r.Min != 2 || len(r.Floors) > 0 {
		t.Errorf("after its end: min %d, %+v", r.Min, r.Floors)
	}
}

// A minimum that the status does not explain is kept where the status was lost, comes
// down in steps where it was not, and is nothing where it was the owner's own.
func TestUnexplained(t *testing.T) {
	for name, tc := range map[string]struct {
		lost, foreign bool
		annotation    string
		owner         string
		release       string
	}{
		"the status was lost":           {lost: true, annotation: "2", owner: UnknownOwner},
		"lost, no annotation":           {lost: true, owner: UnknownOwner},
		"lost, it was the owner's":      {lost: true, annotation: "9"},
		"edited by hand":                {annotation: "2", release: ByHand},
		"the owner has lowered his own": {annotation: "9"},
		"adopted":                       {lost: true, foreign: true, release: "the HPA had it when it was adopted"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.in.Foreign = tc.foreign
			b.in.Live.Spec.MinReplicas = ptr.To(int32(9))
			if tc.annotation != "" {
				b.in.Live.Annotations = map[string]string{"loadline.dev/min": tc.annotation}
			}
			if tc.lost {
				b.in.Status = &v1alpha1.AutoscalingPolicyStatus{HPA: &v1alpha1.AppliedHPA{}}
			}
			r := Evaluate(b.in)
			owner, release := "", ""
			if len(r.Floors) > 0 {
				owner = r.Floors[0].Owner
			}
			if r.Release != nil {
				release = r.Release.Reason
			}
			if owner != tc.owner || release != tc.release {
				t.Fatalf("floor %q, release %q", owner, release)
			}
			if held := owner != "" || release != ""; held != (r.Min == 9) {
				t.Errorf("min %d", r.Min)
			}
			if owner == UnknownOwner && !r.Next.Equal(at.Add(time.Hour)) {
				t.Errorf("next %s", r.Next)
			}
		})
	}
}

// An hour's floor is renewed twice an hour, and only while somebody can see that it is
// needed.
func TestRenewal(t *testing.T) {
	b := newBench(t)
	b.in.Fallback = &v1alpha1.Fallback{After: metav1.Duration{Duration: time.Minute}, Min: 8}
	b.metrics(Bad)
	b.after(0)
	b.after(time.Minute)
	expires := map[string]bool{}
	for range 120 {
		for _, f := range b.after(time.Minute).Floors {
			expires[fmt.Sprint(f.Expires)] = true
			if left := f.Expires.Sub(b.in.Now); left < 29*time.Minute || left > time.Hour {
				t.Fatalf("%s left", left)
			}
		}
	}
	if n := len(expires); n < 4 || n > 5 {
		t.Errorf("%d times in two hours", n)
	}
}

// A step that the HPA has not taken yet is not followed by another.
// Who made a step and was killed before it was stored is not corrected: the minimum would go
// up and down again.
func TestReleaseStepThatWasNotStored(t *testing.T) {
	for name, tt := range map[string]struct {
		release, live int32
		want          int32 // of what is released; 0 for nothing any more
	}{
		"the step":         {12, 6, 6},
		"the last one":     {4, 2, 0},
		"an edit by hand":  {12, 5, 12},
		"none was written": {12, 12, 12},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.metrics(Unknown) // of an HPA whose controller has yet to see its spec
			b.in.Live.Spec.MinReplicas = &tt.live
			b.in.Status.Release = &v1alpha1.Release{Value: tt.release, Reason: "it has ended", LastStep: metav1.NewTime(at.Add(-2 * time.Minute))}
			got := int32(0)
			if r := Evaluate(b.in).Release; r != nil {
				got = r.Value
			}
			if got != tt.want {
				t.Errorf("%d, not %d", got, tt.want)
			}
		})
	}
}

func TestReleaseWaitsForTheHPA(t *testing.T) {
	b := newBench(t)
	b.in.Status.Floors = []v1alpha1.Floor{{Owner: "schedule/x", Value: 12}}
	b.in.Status.HPA.Min = ptr.To(int32(12))
	b.after(0)
	b.after(time.Minute)
	for range 5 {
		b.in.Live.Spec.MinReplicas, b.in.Status.HPA.Min = ptr.To(int32(12)), ptr.To(int32(12)) // the write failed
		if r := b.after(time.Minute); r.Min != 6 {
			t.Fatalf("min %d while the HPA still has 12", r.Min)
		}
	}
	if r := b.after(time.Minute); r.Min != 3 {
		t.Errorf("min %d once it has 6", r.Min)
	}
}

// The moment from which a floor may go down does not move while nothing happens, though
// the condition that says since when metrics are good may come late.
func TestNotBeforeStays(t *testing.T) {
	b := newBench(t)
	b.in.Status.Floors = []v1alpha1.Floor{{Owner: "schedule/x", Value: 12}}
	b.in.Live.Spec.MinReplicas, b.in.Status.HPA.Min = ptr.To(int32(12)), ptr.To(int32(12))
	b.in.Status.Conditions = nil
	first := Evaluate(b.in)
	b.in.Status.Floors, b.in.Status.Release = nil, first.Release
	b.in.Now = b.in.Now.Add(20 * time.Second)
	if diff := cmp.Diff(first.Release, Evaluate(b.in).Release); diff != "" || !first.Release.NotBefore.Equal(ptr.To(metav1.NewTime(at.Add(5*time.Minute)))) {
		t.Errorf("not before %s (-first +second):\n%s", first.Release.NotBefore, diff)
	}
}

// A target that a person has set to 0 has no outage to be held for.
func TestNoFallbackAtAPersonsZero(t *testing.T) {
	b := newBench(t)
	b.in.Fallback = &v1alpha1.Fallback{After: metav1.Duration{Duration: time.Minute}, Min: 8}
	b.metrics(Bad)
	b.after(0)
	b.after(time.Minute)
	b.in.Live.Status.Conditions[1].Reason = "ScalingDisabled"
	if r := b.after(time.Minute); r.Fallback != nil || len(r.Floors) > 0 {
		t.Errorf("%+v, %+v", r.Fallback, r.Floors)
	}
}

// Which metric is missing stays known through a sync that only moves the size.
func TestMissingMetricsStayKnown(t *testing.T) {
	b := newBench(t)
	b.in.Fallback = &v1alpha1.Fallback{After: metav1.Duration{Duration: time.Minute}, Min: 8}
	b.metrics(Bad)
	b.in.Live.Spec.Metrics = []autoscalingv2.MetricSpec{rate, cpu}
	b.in.Live.Status.CurrentMetrics = []autoscalingv2.MetricStatus{unread, read(cpu)}
	b.after(0)
	b.in.Live.Status.CurrentMetrics = nil
	if diff := cmp.Diff([]string{"rate"}, b.after(time.Second).Fallback.Metrics); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// A schedule that begins anew is not the one that was in force when we looked last.
func TestScheduleBeginsAnew(t *testing.T) {
	compiled, _ := Compile([]v1alpha1.Schedule{{Name: "x", Start: "0 5 * * *", Duration: metav1.Duration{Duration: time.Hour * 2}, Min: 4}})
	b := newBench(t)
	b.in.Schedules = compiled
	b.after(0)
	if got := b.after(24 * time.Hour).Floors[0].Since; !got.Equal(ptr.To(metav1.NewTime(at.Add(24 * time.Hour).Truncate(time.Hour)))) {
		t.Errorf("since %s", got)
	}
}

// A schedule that starts again before it ends changes the status once a month, whatever
// of it is looked at.
func TestScheduleThatOverlapsItself(t *testing.T) {
	for start, d := range map[string]time.Duration{"* * * * *": time.Hour, "0 * * * *": time.Hour, "*/5 * * * *": 7 * time.Minute, "0 0 * * *": 25 * time.Hour} {
		t.Run(start, func(t *testing.T) {
			compiled, _ := Compile([]v1alpha1.Schedule{{Name: "x", Start: start, Duration: metav1.Duration{Duration: d}, TimeZone: "Europe/Berlin", Min: 4}})
			b := newBench(t)
			b.in.Schedules = compiled
			b.in.Now = time.Date(2026, 10, 20, 12, 0, 0, 0, time.UTC)
			before, begun, writes := b.after(0).Floors, b.r.Floors[0].Since, 0
			for range 20 * 24 * 12 { // over the end of summer time and that of the month
				if b.r.Next.IsZero() || b.r.Next.After(before[0].Expires.Time) {
					t.Fatalf("next at %s, expires %s", b.r.Next, before[0].Expires)
				}
				if r := b.after(3 * time.Minute); cmp.Diff(before, r.Floors) != "" {
					writes++
					before = r.Floors
				}
				if b.r.Min != 4 || !b.r.Floors[0].Since.Equal(&begun) {
					t.Fatalf("at %s min %d, %+v", b.in.Now, b.r.Min, b.r.Floors)
				}
			}
			if writes != 1 {
				t.Errorf("%d changes of the status, want 1", writes)
			}
			if want := "by schedule x, which starts again before it ends"; before[0].Reason != want {
				t.Errorf("reason %q", before[0].Reason)
			}
		})
	}
}
