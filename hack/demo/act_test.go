package demo

import (
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/util/yaml"

	"github.com/loadline/loadline/policy/api/v1alpha1"
	"github.com/loadline/loadline/policy/hpa"
	"github.com/loadline/loadline/policy/schedule"
)

func TestNextMinute(t *testing.T) {
	at := func(hour, minute, second int) time.Time {
		return time.Date(2026, 11, 23, hour, minute, second, 5, time.UTC)
	}
	full := func(hour, minute int) time.Time { return at(hour, minute, 0).Truncate(time.Minute) }
	tests := map[string]struct{ now, want time.Time }{
		"within a minute":      {at(17, 42, 30), full(17, 43)},
		"just begun":           {at(17, 42, 0), full(17, 43)},
		"too late for reading": {at(17, 42, 58), full(17, 44)},
		"over the hour":        {at(17, 59, 30), full(18, 0)},
		"another zone":         {at(17, 42, 30).In(time.FixedZone("half", 1800)), full(17, 43)},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, nextMinute(test.now)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestScheduleAt: the schedule that the demo writes is in force from its minute on, until
// it has lasted, and neither before nor after.
func TestScheduleAt(t *testing.T) {
	for name, begins := range map[string]time.Time{
		"an evening": time.Date(2026, 11, 23, 17, 43, 0, 0, time.UTC),
		"midnight":   time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC),
	} {
		t.Run(name, func(t *testing.T) {
			s := scheduleAt(begins, 4)
			compiled, found := schedule.Compile(s.Start, s.Duration.Duration, s.TimeZone)
			if len(found) > 0 {
				t.Fatal(found)
			}
			want := map[time.Duration]bool{-time.Second: false, 0: true, rushLasts - time.Second: true, rushLasts: false}
			got := map[time.Duration]bool{}
			for at := range want {
				_, got[at] = compiled.Active(begins.Add(at))
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestScriptFitsPolicies: what the script expects of Remind Me's policies is what their
// manifest says.
func TestScriptFitsPolicies(t *testing.T) {
	file, err := os.Open("../../deploy/examples/remindme/manifests/policies.yaml")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	script := DefaultScript(0, 20*time.Second)
	decoder, seen := yaml.NewYAMLOrJSONDecoder(file, 4096), map[string]bool{}
	for {
		var p v1alpha1.AutoscalingPolicy
		if decoder.Decode(&p) != nil {
			break
		}
		seen[p.Name] = true
		if p.Name == script.Schedule.Policy && (p.Spec.Replicas.Min >= script.Schedule.Min || p.Spec.Replicas.Max < script.Schedule.Min) {
			t.Errorf("%s has %+v: a floor of %d would not show", p.Name, p.Spec.Replicas, script.Schedule.Min)
		}
		if p.Name == script.Fallback.Policy && (p.Spec.Fallback == nil || p.Spec.Fallback.Min != script.Fallback.Min || p.Spec.Replicas.Min >= script.Fallback.Min) {
			t.Errorf("%s has fallback %+v and %+v, want a floor of %d", p.Name, p.Spec.Fallback, p.Spec.Replicas, script.Fallback.Min)
		}
		down := hpa.Behavior(&p.Spec, hpa.Capabilities{}).ScaleDown
		if _, every := hpa.Step(script.Schedule.Min, down); every != pace {
			t.Errorf("%s is scaled in every %s, want %s", p.Name, every, pace)
		}
		if got := time.Duration(*down.StabilizationWindowSeconds) * time.Second; got != defaultDownscale {
			t.Errorf("%s has a window of %s, want %s", p.Name, got, defaultDownscale)
		}
	}
	for _, name := range []string{script.Schedule.Policy, script.Fallback.Policy} {
		if !seen[name] {
			t.Errorf("there is no policy %s", name)
		}
	}
}
