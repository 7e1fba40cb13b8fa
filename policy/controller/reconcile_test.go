package controller

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/loadline/loadline/policy/api/v1alpha1"
)

// An HPA wakes the policy of its name, where there is one or it is ours to let go, and
// those that scale the same target.
func TestPoliciesOfHPA(t *testing.T) {
	other := newPolicy(func(p *v1alpha1.AutoscalingPolicy) { p.Name = "other" })
	away := newPolicy(func(p *v1alpha1.AutoscalingPolicy) { p.Name, p.Spec.TargetRef.Name = "away", "elsewhere" })
	tests := map[string]struct {
		hpa  *autoscalingv2.HorizontalPodAutoscaler
		want []string
	}{
		"of a policy":            {deployment("web", "web", true), []string{"other", "web", "web"}},
		"foreign, of its name":   {deployment("away", "nowhere", false), []string{"away"}},
		"foreign, on its target": {deployment("mine", "elsewhere", false), []string{"away"}},
		"foreign":                {deployment("mine", "nowhere", false), nil},
		"ours, without a policy": {deployment("gone", "nowhere", true), []string{"gone"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, r := range newWorld(t, newPolicy(), other, away).policiesOfHPA(t.Context(), tt.hpa) {
				got = append(got, r.Name)
			}
			slices.Sort(got)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// A policy wakes those with the same target.
func TestRivalsOfPolicy(t *testing.T) {
	other := newPolicy(func(p *v1alpha1.AutoscalingPolicy) { p.Name = "other" })
	away := newPolicy(func(p *v1alpha1.AutoscalingPolicy) { p.Name, p.Spec.TargetRef.Name = "away", "elsewhere" })
	var got []string
	for _, r := range newWorld(t, newPolicy(), other, away).rivalsOfPolicy(t.Context(), newPolicy()) {
		got = append(got, r.Name)
	}
	slices.Sort(got)
	if diff := cmp.Diff([]string{"other", "web"}, got); diff != "" {
		t.Error(diff)
	}
}

// Who is overtaken again and again waits longer each time, and begins anew after a
// success.
func TestConflictsAreBackedOff(t *testing.T) {
	w := newWorld(t, newPolicy())
	broken := true
	w.fault = func(int, string) fault {
		if broken {
			return fault{err: apierrors.NewConflict(hpas, "web", errors.New("the object has been modified"))}
		}
		return fault{}
	}
	turn := func() time.Duration {
		t.Helper()
		r, err := w.Reconcile(t.Context(), reconcile.Request{NamespacedName: web})
		if err != nil {
			t.Fatal(err)
		}
		return r.RequeueAfter
	}
	for _, want := range []time.Duration{50, 100, 200, 400} {
		want *= time.Millisecond
		if got := turn(); got < want || got > want*11/10 {
			t.Errorf("%s, want %s and a tenth", got, want)
		}
	}
	broken = false
	turn()
	broken = true
	if err := w.client.Delete(t.Context(), w.hpa(t, "web")); err != nil {
		t.Fatal(err)
	}
	if got := turn(); got < firstConflictPause || got > firstConflictPause*11/10 {
		t.Errorf("after a success: %s", got)
	}
}

// A clock that is put forward is noticed: no policy that waits for a time rests for
// long, and many of them do not wake at once. One that waits for none is not woken.
func TestLookIn(t *testing.T) {
	seen := map[time.Duration]bool{}
	for range 1000 {
		got := lookIn(9 * time.Hour)
		if seen[got] = true; got > longestRest || got < longestRest*4/5 {
			t.Fatalf("%s", got)
		}
	}
	if len(seen) < 900 {
		t.Errorf("only %d different times", len(seen))
	}
	if got := lookIn(0); got != 0 {
		t.Errorf("%s for no time at all", got)
	}
	if got := lookIn(time.Minute); got < time.Minute || got > time.Minute+time.Second {
		t.Errorf("%s for a minute", got)
	}
}

// The next schedule is hours away; the policy is looked at before.
func TestAPolicyWithAScheduleIsLookedAt(t *testing.T) {
	w := newWorld(t, newPolicy(func(p *v1alpha1.AutoscalingPolicy) {
		p.Spec.Schedules = []v1alpha1.Schedule{{Name: "night", Start: "0 23 * * *", Duration: metav1.Duration{Duration: time.Hour}, Min: 4}}
	}))
	w.settle(t)
	w.made()
	r, err := w.Reconcile(t.Context(), reconcile.Request{NamespacedName: web})
	if err != nil || r.RequeueAfter == 0 || r.RequeueAfter > longestRest || len(w.made()) > 0 {
		t.Errorf("%s, %v", r.RequeueAfter, err)
	}
}

// A time is put off by a tenth at most, and by a second at most, and never brought
// forward.
func TestJitter(t *testing.T) {
	for d, most := range map[time.Duration]time.Duration{time.Second: 1100 * time.Millisecond, 9 * time.Hour: 9*time.Hour + time.Second} {
		for range 1000 {
			if got := jitter(d); got < d || got > most {
				t.Fatalf("%s for %s", got, d)
			}
		}
	}
	if got := jitter(0); got != 0 {
		t.Errorf("%s for no time at all", got)
	}
}
