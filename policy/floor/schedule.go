package floor

import (
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/loadline/loadline/policy/api/v1alpha1"
	"github.com/loadline/loadline/policy/hpa"
	"github.com/loadline/loadline/policy/schedule"
)

// Schedule is a schedule of a policy, compiled.
type Schedule struct {
	v1alpha1.Schedule
	spec schedule.Spec
	// broken: it does not compile, and only what is held for it already counts.
	broken bool
}

// Compile compiles the schedules of a policy. The problems name the field and are all
// errors; a schedule that has one never begins, and what is held for it ends when it was
// going to.
func Compile(all []v1alpha1.Schedule) ([]Schedule, []hpa.Problem) {
	compiled := make([]Schedule, 0, len(all))
	var problems []hpa.Problem
	for i, s := range all {
		spec, found := schedule.Compile(s.Start, s.Duration.Duration, s.TimeZone)
		compiled = append(compiled, Schedule{Schedule: s, spec: spec, broken: len(found) > 0})
		at := field.NewPath("spec", "schedules").Index(i)
		for _, p := range found {
			problems = append(problems, hpa.Problem{Level: hpa.Error, Field: at.Child(p.Field).String(), Message: p.Text})
		}
	}
	return compiled, problems
}

// schedules returns the floors of those in force now.
func (e *evaluation) schedules() []v1alpha1.Floor {
	var floors []v1alpha1.Floor
	for _, s := range e.Schedules {
		if f := e.schedule(s); f != nil {
			floors = append(floors, *f)
		}
	}
	return floors
}

func (e *evaluation) schedule(s Schedule) *v1alpha1.Floor {
	was := e.stored(ScheduleOwner + s.Name)
	if s.broken {
		if was == nil || !was.Expires.After(e.now) {
			return nil
		}
		e.wake(was.Expires.Time)
		return was
	}
	latest, active := s.spec.Active(e.now)
	if !active {
		e.wake(s.spec.Next(e.now))
		return nil
	}
	// Not the end of the latest start: of a schedule that starts again before it ends, each
	// start would be a write.
	until, endless := s.spec.Lasts(e.now)
	f := v1alpha1.Floor{
		Owner:   ScheduleOwner + s.Name,
		Reason:  fmt.Sprintf("until %s by schedule %s", Local(until), s.Name),
		Value:   s.Min,
		Since:   metav1.NewTime(latest.Add(-s.Duration.Duration).UTC()),
		Expires: metav1.NewTime(until.UTC()),
	}
	if endless {
		f.Reason = fmt.Sprintf("by schedule %s, which starts again before it ends", s.Name)
		until = until.AddDate(0, -1, 0) // when more of it is known, before it expires
	}
	e.wake(until)
	if was != nil && was.Expires.After(f.Since.Time) { // it has not ended in between
		f.Since = e.past(was.Since)
	}
	return &f
}

// Local writes a time in its zone, with the zone's name.
func Local(t time.Time) string {
	return t.Format("2006-01-02 15:04") + " " + t.Location().String()
}

// Active says whether the schedule is in force.
func (s Schedule) Active(now time.Time) bool {
	_, active := s.spec.Active(now)
	return active
}
