package floor

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/loadline/loadline/policy/api/v1alpha1"
	"github.com/loadline/loadline/policy/rollout"
)

// view is a target whose pods are all of revision, changed by edit.
func view(revision string, size int32, edit ...func(*rollout.View)) *rollout.View {
	v := &rollout.View{UID: "u", Revision: revision, Size: size, Observed: true, Updated: size, Available: size}
	for _, e := range edit {
		e(v)
	}
	return v
}

func old(n int32) func(*rollout.View) {
	return func(v *rollout.View) { v.Old, v.Updated = n, v.Size-n }
}

func unobserved(v *rollout.View)  { v.Observed = false }
func failing(v *rollout.View)     { v.Available = 0 }
func terminating(v *rollout.View) { v.Terminating = 1 }
func waiting(v *rollout.View)     { v.Waits = "it is paused" }
func another(v *rollout.View)     { v.UID = "another" }

func TestRolloutMachine(t *testing.T) {
	const rest, progressing, stalled, settling, givenUp = v1alpha1.RolloutPhase(""), v1alpha1.Progressing, v1alpha1.Stalled, v1alpha1.Settling, v1alpha1.GivenUp
	const s, m = time.Second, time.Minute
	type step struct {
		after  time.Duration
		target *rollout.View
		phase  v1alpha1.RolloutPhase
		min    int32
	}
	for name, steps := range map[string][]step{
		"first seen at rest":                     {{0, view("a", 6), rest, 2}, {m, view("a", 6), rest, 2}},
		"first seen while it starts":             {{0, view("a", 6, failing), rest, 2}, {0, view("a", 6), rest, 2}},
		"first seen in the middle":               {{0, view("b", 6, old(4)), progressing, 6}},
		"scaling is no rollout":                  {{0, view("a", 6), rest, 2}, {s, view("a", 9, unobserved, failing), rest, 2}, {s, view("a", 9), rest, 2}, {s, view("a", 4, unobserved), rest, 2}, {s, view("a", 4, terminating), rest, 2}},
		"failing pods are no rollout":            {{0, view("a", 6), rest, 2}, {s, view("a", 6, failing), rest, 2}},
		"a rollout":                              {{0, view("a", 6), rest, 2}, {s, view("b", 6, unobserved), progressing, 6}, {s, view("b", 6, old(6)), progressing, 6}, {5 * m, view("b", 6, old(2)), progressing, 6}, {s, view("b", 6, terminating), progressing, 6}, {s, view("b", 6), settling, 6}, {59 * s, view("b", 6), settling, 6}, {1 * s, view("b", 6), rest, 6}, {m, view("b", 6), rest, 3}, {m, view("b", 6), rest, 2}},
		"the size of its beginning":              {{0, view("a", 6), rest, 2}, {s, view("b", 6, unobserved), progressing, 6}, {s, view("b", 9, old(6)), progressing, 6}, {s, view("b", 4, old(2)), progressing, 6}},
		"Recreate has no old pods":               {{0, view("a", 6), rest, 2}, {s, view("b", 6, unobserved), progressing, 6}, {s, view("b", 6, failing), progressing, 6}, {s, view("b", 6), settling, 6}},
		"more than max":                          {{0, view("a", 30), rest, 2}, {s, view("b", 30, old(30)), progressing, 20}},
		"it waits":                               {{0, view("a", 6), rest, 2}, {s, view("b", 6, old(6), waiting), stalled, 6}, {10 * m, view("b", 6, old(6), waiting), stalled, 6}, {s, view("b", 6, old(5)), progressing, 6}},
		"it is undone":                           {{0, view("a", 6), rest, 2}, {s, view("b", 6, old(4)), progressing, 6}, {s, view("a", 8, unobserved, old(2)), progressing, 8}, {s, view("a", 8, old(2)), progressing, 8}, {s, view("a", 8), settling, 8}},
		"undone while nobody looked":             {{0, view("a", 6), rest, 2}, {s, view("a", 6, old(2)), progressing, 6}},
		"one more before the first is over":      {{0, view("a", 6), rest, 2}, {s, view("b", 6, old(4)), progressing, 6}, {50 * m, view("c", 4, old(4)), progressing, 6}, {50 * m, view("c", 4, old(4)), progressing, 6}, {10 * m, view("c", 4, old(4)), givenUp, 6}},
		"one more while it settles":              {{0, view("a", 6), rest, 2}, {s, view("b", 6, old(4)), progressing, 6}, {s, view("b", 6), settling, 6}, {s, view("c", 5, unobserved), progressing, 6}},
		"longer than maxHold":                    {{0, view("a", 6), rest, 2}, {s, view("b", 6, old(4)), progressing, 6}, {time.Hour, view("b", 6, old(4)), givenUp, 6}, {m, view("b", 6, old(4)), givenUp, 3}, {m, view("b", 6, old(4)), givenUp, 2}, {time.Hour, view("b", 6, old(4)), givenUp, 2}, {s, view("b", 6), rest, 2}, {s, view("b", 6), rest, 2}},
		"the next one after it was given up":     {{0, view("b", 6, old(4)), progressing, 6}, {time.Hour, view("b", 6, old(4)), givenUp, 6}, {10 * m, view("c", 4, old(4)), progressing, 4}},
		"pods that fail while it settles":        {{0, view("b", 6, old(4)), progressing, 6}, {s, view("b", 6), settling, 6}, {s, view("b", 6, failing), settling, 6}, {m, view("b", 6, failing), rest, 6}},
		"the target is away":                     {{0, view("b", 6, old(4)), progressing, 6}, {59 * m, nil, progressing, 6}, {m, nil, rest, 6}, {m, nil, rest, 3}},
		"made anew in the middle":                {{0, view("b", 6, old(4)), progressing, 6}, {s, view("b", 1, another), progressing, 6}, {m, view("b", 1, another), progressing, 6}, {s, view("b", 6, another, failing), progressing, 6}, {s, view("b", 6, another), settling, 6}},
		"made anew at rest":                      {{0, view("b", 4), rest, 2}, {s, view("b", 1, another), progressing, 4}, {s, view("b", 4, another), settling, 4}, {m, view("b", 4, another), rest, 4}, {m, view("b", 4, another), rest, 2}},
		"held below its floor":                   {{0, view("b", 6, old(4)), progressing, 6}, {s, view("b", 4), progressing, 6}, {s, view("b", 6), settling, 6}},
		"the clock is put back":                  {{0, view("b", 6, old(4)), progressing, 6}, {-5 * time.Hour, view("b", 6, old(4)), progressing, 6}, {59 * m, view("b", 6, old(4)), progressing, 6}, {m, view("b", 6, old(4)), givenUp, 6}},
		"the clock is put forward":               {{0, view("b", 6, old(4)), progressing, 6}, {5 * time.Hour, view("b", 6), settling, 6}, {5 * time.Hour, view("b", 6), rest, 6}, {5 * time.Hour, view("b", 6), rest, 3}},
		"nothing to hold at 0":                   {{0, view("a", 0), rest, 2}, {s, view("b", 0, unobserved), progressing, 2}, {s, view("b", 0), settling, 2}},
		"scaled up from 0 in the middle":         {{0, view("a", 0), rest, 2}, {s, view("b", 0, unobserved), progressing, 2}, {s, view("b", 3, old(1)), progressing, 3}},
		"less than the minimum holds nothing up": {{0, view("a", 1), rest, 2}, {s, view("b", 1, unobserved), progressing, 2}},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.in.MetricWindow = m
			for i, x := range steps {
				b.in.Target, b.in.Live.Status.CurrentReplicas = x.target, 4
				r := b.after(x.after)
				phase := rest
				if r.Rollout != nil {
					phase = r.Rollout.Phase
				}
				if phase != x.phase || r.Min != x.min {
					t.Fatalf("step %d: %q with min %d, want %q with %d", i, phase, r.Min, x.phase, x.min)
				}
				if again := Evaluate(b.in); again.Min != r.Min || again.Rollout != nil && again.Rollout.Phase != phase {
					t.Fatalf("step %d: a second look changes it: %+v", i, again.Rollout)
				}
				if r.Min > 2 && r.Next.IsZero() {
					t.Errorf("step %d: held, and nobody looks again", i)
				}
			}
		})
	}
}

// What the policy says about rollouts is done.
func TestRolloutAsThePolicySays(t *testing.T) {
	b := newBench(t)
	b.in.Target = view("b", 6, old(4))
	b.in.Rollout = &v1alpha1.Rollout{ScaleIn: v1alpha1.Allow}
	if r := b.after(0); r.Min != 2 || r.Rollout != nil {
		t.Errorf("scaleIn Allow: min %d, %+v", r.Min, r.Rollout)
	}
	b.in.Rollout = &v1alpha1.Rollout{ScaleIn: v1alpha1.Hold, MaxHold: &metav1.Duration{Duration: 10 * time.Minute}}
	if r := b.after(0); r.Min != 6 || !r.Floors[0].Expires.Equal(new(metav1.NewTime(at.Add(10*time.Minute)))) {
		t.Errorf("maxHold 10m: min %d, %+v", r.Min, r.Floors)
	}
	if r := b.after(10 * time.Minute); r.Rollout.Phase != v1alpha1.GivenUp {
		t.Errorf("after maxHold: %+v", r.Rollout)
	}
	b.in.Rollout.ScaleIn = v1alpha1.Allow
	if r := b.after(10 * time.Minute); r.Rollout != nil {
		t.Errorf("scaleIn Allow in the middle: %+v", r.Rollout)
	}
}

// Where the HPA may be about to scale to 0, one pod is not worth a write.
func TestRolloutNearZero(t *testing.T) {
	b := newBench(t)
	b.in.Min = 0
	b.in.Target = view("b", 1, old(1))
	if r := b.after(0); r.Min != 0 || len(r.Floors) != 0 {
		t.Errorf("held at 1: min %d, %+v", r.Min, r.Floors)
	}
	b.in.Target = view("b", 3, old(1))
	if r := b.after(0); r.Min != 3 {
		t.Errorf("held at 3: min %d", r.Min)
	}
}

func TestOutageMachine(t *testing.T) {
	const s, m = time.Second, time.Minute
	type step struct {
		after   time.Duration
		metrics State
		min     int32
	}
	for name, steps := range map[string][]step{
		// The scaleDown window is 5 minutes, the steps 50 % a minute.
		"a short one":        {{0, Bad, 2}, {149 * s, Bad, 2}, {0, Good, 2}, {10 * m, Good, 2}},
		"a long one":         {{0, Bad, 2}, {150 * s, Bad, 8}, {30 * m, Bad, 8}, {0, Good, 8}, {5*m - s, Good, 8}, {1 * s, Good, 4}, {m, Good, 2}},
		"bad again":          {{0, Bad, 2}, {150 * s, Bad, 8}, {s, Good, 8}, {m, Bad, 8}, {10 * m, Bad, 8}},
		"unknown for a time": {{0, Bad, 2}, {150 * s, Bad, 8}, {59 * m, Unknown, 8}, {0, Bad, 8}},
		"for days":           {{0, Bad, 2}, {150 * s, Bad, 8}, {24*time.Hour - 151*s, Bad, 8}, {s, Bad, 8}, {time.Hour - s, Bad, 8}, {s, Bad, 4}, {time.Hour, Bad, 2}, {24 * time.Hour, Bad, 2}},
		"unknown for long":   {{0, Bad, 2}, {150 * s, Bad, 8}, {61 * m, Unknown, 8}, {time.Hour, Unknown, 4}, {time.Hour, Unknown, 2}},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.in.Outages, b.in.Target = true, view("a", 8)
			b.after(0)
			last := Good
			for i, x := range steps {
				b.in.Now = b.in.Now.Add(x.after)
				if x.metrics != last || x.metrics == Unknown {
					b.metrics(x.metrics)
				}
				if x.metrics == Bad && last != Bad { // as the controller notes it
					b.in.Status.Conditions = []metav1.Condition{{Type: v1alpha1.MetricsAvailable, Status: metav1.ConditionFalse, LastTransitionTime: metav1.NewTime(b.in.Now)}}
				}
				if x.metrics == Good && last != Good {
					b.in.Status.Conditions = nil
				}
				last = x.metrics
				if r := b.after(0); r.Min != x.min {
					t.Fatalf("step %d: min %d, want %d: %+v %+v", i, r.Min, x.min, r.Floors, r.Release)
				}
			}
		})
	}
}

// A metric that was never there holds for an hour, however long it stays away.
func TestOutageOfWhatNeverWas(t *testing.T) {
	b := newBench(t)
	b.in.Outages, b.in.Target = true, view("a", 8)
	b.metrics(Bad)
	b.in.Status.Conditions = []metav1.Condition{{Type: v1alpha1.MetricsAvailable, Status: metav1.ConditionFalse, Reason: NeverAvailable, LastTransitionTime: metav1.NewTime(at)}}
	var got []int32
	for _, d := range []time.Duration{3 * time.Minute, 56 * time.Minute, time.Minute, time.Hour, time.Hour, 24 * time.Hour} {
		got = append(got, b.after(d).Min)
	}
	if diff := cmp.Diff([]int32{8, 8, 8, 4, 2, 2}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Where nothing is to be held, nothing is.
func TestNoOutageHold(t *testing.T) {
	for name, edit := range map[string]func(*Input){
		"turned off":               func(in *Input) { in.Outages = false },
		"no scaleDown window":      func(in *Input) { in.Down.StabilizationWindowSeconds = new(int32) },
		"about to be adopted":      func(in *Input) { in.Foreign = true },
		"nothing to hold":          func(in *Input) { in.Target = view("a", 0) },
		"one pod that may go to 0": func(in *Input) { in.Min, in.Target = 0, view("a", 1) },
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.in.Outages, b.in.Target = true, view("a", 8)
			edit(&b.in)
			b.metrics(Bad)
			b.in.Status.Conditions = []metav1.Condition{{Type: v1alpha1.MetricsAvailable, Status: metav1.ConditionFalse, LastTransitionTime: metav1.NewTime(at)}}
			for _, f := range b.after(10 * time.Minute).Floors {
				if f.Owner == OutageOwner {
					t.Errorf("held: %+v", f)
				}
			}
		})
	}
}

// A revision whose pods have no metric is not over when all of them serve, but for
// maxHold; an answer that is not there changes nothing.
func TestUnmeteredRollout(t *testing.T) {
	b := newBench(t)
	b.in.MetricWindow = time.Minute
	for i, x := range []struct {
		after     time.Duration
		target    *rollout.View
		unmetered []string
		phase     v1alpha1.RolloutPhase
		known     int
	}{
		{0, view("a", 6), nil, "", 0},
		{time.Second, view("b", 6, old(4)), []string{"m"}, v1alpha1.Progressing, 0}, // of the one before
		{time.Second, view("b", 6), []string{"m"}, v1alpha1.Progressing, 1},
		{time.Minute, view("b", 6), nil, v1alpha1.Progressing, 1},
		{time.Minute, view("b", 6), []string{}, v1alpha1.Settling, 0},
		{time.Second, view("c", 6, old(4)), []string{"m"}, v1alpha1.Progressing, 0}, // of the one before
		{time.Second, view("c", 6, old(2)), []string{"m"}, v1alpha1.Progressing, 1},
		{time.Hour, view("c", 6), []string{"m"}, v1alpha1.Settling, 1},
	} {
		b.in.Target, b.in.Unmetered, b.in.Live.Status.CurrentReplicas = x.target, x.unmetered, 4
		r := b.after(x.after)
		if r.Rollout.Phase != x.phase || len(r.Rollout.Unmetered) != x.known {
			t.Fatalf("step %d: %q without %v, want %q", i, r.Rollout.Phase, r.Rollout.Unmetered, x.phase)
		}
	}
}

// Where nobody has a deadline, a rollout that stands still for ten minutes is stalled, and
// goes on when a pod follows.
func TestStandsStill(t *testing.T) {
	endless := func(v *rollout.View) { v.NoDeadline = true }
	b := newBench(t)
	for i, x := range []struct {
		after  time.Duration
		target *rollout.View
		phase  v1alpha1.RolloutPhase
	}{
		{0, view("a", 6, endless), ""},
		{time.Second, view("b", 6, old(6), endless), v1alpha1.Progressing},
		{9 * time.Minute, view("b", 6, old(5), endless), v1alpha1.Progressing},
		{9 * time.Minute, view("b", 6, old(5), endless), v1alpha1.Progressing},
		{time.Minute, view("b", 6, old(5), endless), v1alpha1.Stalled},
		{time.Minute, view("b", 6, old(4), endless), v1alpha1.Progressing},
		{time.Minute, view("b", 6, endless), v1alpha1.Settling},
	} {
		b.in.Target, b.in.Live.Status.CurrentReplicas = x.target, 4
		if r := b.after(x.after); r.Rollout.Phase != x.phase {
			t.Fatalf("step %d: %q, want %q", i, r.Rollout.Phase, x.phase)
		}
	}
}

// What has ended does not come down while the target's controller has yet to look at it: a
// rollout that began and was undone while nobody looked would be seen too late.
func TestReleaseWaitsForTheTarget(t *testing.T) {
	b := newBench(t)
	b.in.MetricWindow, b.in.Rollout = time.Minute, &v1alpha1.Rollout{}
	b.in.Switch = &v1alpha1.Floor{Value: 6, Expires: metav1.NewTime(b.in.Now.Add(time.Hour))}
	for i, x := range []struct {
		after  time.Duration
		target *rollout.View
		held   bool
		min    int32
	}{
		{0, view("a", 6), true, 6},
		{10 * time.Minute, view("a", 6, unobserved), false, 6},
		{10 * time.Minute, view("a", 6, unobserved), false, 6},
		{time.Minute, view("a", 6), false, 3},
	} {
		if !x.held {
			b.in.Switch = nil
		}
		b.in.Target, b.in.Live.Status.CurrentReplicas = x.target, 6
		if r := b.after(x.after); r.Min != x.min {
			t.Fatalf("step %d: min %d, want %d", i, r.Min, x.min)
		}
	}
}
