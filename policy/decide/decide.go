package decide

import (
	"fmt"
	"slices"
	"strings"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	"k8s.io/utils/ptr"

	"github.com/loadline/loadline/policy/api/v1alpha1"
	"github.com/loadline/loadline/policy/floor"
	"github.com/loadline/loadline/policy/handoff"
	"github.com/loadline/loadline/policy/hpa"
)

// Decide says what to do about the policy of s.
func Decide(s Snapshot) Plan {
	switch {
	case s.Policy == nil:
		return abandoned(s)
	case s.Policy.DeletionTimestamp != nil:
		return Plan{} // garbage collection takes the HPA, or it is abandoned soon
	case ours(s) && s.Policy.Spec.Mode == v1alpha1.Paused && asked(s.Live) != "":
		return release(s)
	}
	d := begin(s)
	if s.Policy.Spec.Mode == v1alpha1.Enforce {
		d.follow()
	}
	stop := d.claim()
	switch {
	case stop == nil && s.Policy.Spec.Mode == v1alpha1.Paused:
		d.pause()
		return d.plan()
	case stop == nil:
		stop = d.rival()
	}
	if stop == nil {
		stop = d.invalid()
	}
	if stop == nil {
		stop = d.features()
	}
	if stop == nil {
		stop = d.target()
	}
	switch {
	case stop != nil:
		d.keep(stop)
	case s.Policy.Spec.Mode == v1alpha1.DryRun:
		d.dryRun()
	default:
		d.enforce()
	}
	if s.Policy.Spec.Mode == v1alpha1.DryRun {
		d.disown()
	}
	if wish := annotation(s, ReleaseAnnotation); wish != "" && ours(s) {
		text := fmt.Sprintf(". The HPA's annotation %s=%s does nothing in mode %s: to let the HPA go, set mode to Paused", ReleaseAnnotation, wish, s.Policy.Spec.Mode)
		d.ready.message = strings.TrimSuffix(d.ready.message, text) + text // it may be the stored one
	}
	return d.plan()
}

func annotation(s Snapshot, key string) string {
	if s.Live == nil {
		return ""
	}
	return s.Live.Annotations[key]
}

// decision is one call of Decide about a policy that is there.
type decision struct {
	Snapshot
	now    time.Time // in whole seconds, as times are stored
	stored *v1alpha1.AutoscalingPolicyStatus
	// schedules are compiled; plain is the HPA without floors, nil if the policy is
	// wrong; problems are of both.
	schedules []floor.Schedule
	plain     *autoscalingv2.HorizontalPodAutoscaler
	problems  []hpa.Problem
	depends   bool // on what nobody knows yet of the cluster

	adopt bool   // Live is another's, and is to become ours
	saved string // the spec of one that is adopted
	// floors as they are now; not evaluated in every mode.
	floors *floor.Result
	// want is what is applied; nil if the HPA stays as it is.
	want   *autoscalingv2.HorizontalPodAutoscaler
	action *Action
	// rewritten are what of want others have changed.
	rewritten []string
	// pauses: fields of the HPA that others keep writing are left alone; minLeft: its
	// minimum is one of them.
	pauses, minLeft bool
	ready           finding
	conflict        *finding
	letting         *Move    // of an HPA that is being let go
	lines           []string // of status.plan
	next            time.Time

	// switching is what was decided about two workloads that take turns; nil if nothing was.
	switching *handoff.Result
	handoff   *handoff.Action
	kept      string // why the predecessor is not scaled to 0
}

func begin(s Snapshot) *decision {
	d := &decision{Snapshot: s, now: s.Now.UTC().Truncate(time.Second), stored: &s.Policy.Status}
	d.compile()
	schedules, problems := floor.Compile(s.Policy.Spec.Schedules)
	d.schedules, d.problems = schedules, hpa.Merge(d.problems, problems)
	return d
}

// wake notes that the decision changes at t if nothing else does.
func (d *decision) wake(t time.Time) {
	if !t.IsZero() && (d.next.IsZero() || t.Before(d.next)) {
		d.next = t
	}
}

// evaluate computes the floors over a minimum. Where a minimum above 0 strands a target that
// is at 0, an HPA with min 0 has none of schedules and fallback: a policy that asks for both
// is refused, and its HPA stays as it was.
func (d *decision) evaluate(bounds v1alpha1.Replicas, down *autoscalingv2.HPAScalingRules) {
	schedules, fallback := d.schedules, d.Policy.Spec.Fallback
	if d.Capabilities.StrandsAtZero && bounds.Min == 0 {
		schedules, fallback = nil, nil
	}
	r := floor.Evaluate(floor.Input{
		Now: d.Now, Min: bounds.Min, Max: bounds.Max, Schedules: schedules, Fallback: fallback,
		Status: d.stored, Live: d.Live, Foreign: d.adopt, Down: down, UnknownHold: d.Settings.UnknownHold, Sync: d.Settings.Sync,
		Switch: d.switchFloor(), Replaced: d.replaced(), Gone: d.Predecessor.Gone(),
		Unmetered: d.Unmetered,
		Rollout:   d.Policy.Spec.Rollout, Target: d.Rollout, Outages: d.Settings.HoldOutages, MetricWindow: d.Settings.MetricWindow,
	})
	d.floors = &r
	d.wake(r.Next)
}

// enforce makes the HPA what the policy says.
func (d *decision) enforce() {
	d.build()
	d.ready = d.applied()
	if d.nearZero() {
		return
	}
	d.write("the HPA is not what the policy says")
	d.hand()
}

// build makes the HPA with the floors in force. That the policy is valid is known.
func (d *decision) build() {
	d.evaluate(d.Policy.Spec.Replicas, d.plain.Spec.Behavior.ScaleDown)
	d.want = d.plain.DeepCopy()
	d.want.Spec.MinReplicas = ptr.To(d.floors.Min) // the only thing that floors change
	d.carrySaved()
}

// keep leaves the last good HPA in place and only moves its minimum: a mistake in the
// policy must not cost a floor that can still be computed.
func (d *decision) keep(stop *finding) {
	d.ready = *stop
	if stop.conflict {
		d.conflict = stop
	}
	if stop.loses && d.Policy.Spec.Mode == v1alpha1.Enforce {
		d.action = &Action{Kind: DeleteLoser, HPA: d.Live, ResourceVersion: d.Live.ResourceVersion, Why: stop.message}
		return
	}
	if !ours(d.Snapshot) || stop.loses || d.Policy.Spec.Mode != v1alpha1.Enforce {
		return
	}
	d.evaluate(d.liveBounds(), behaviorOf(d.Live))
	d.asItIs(d.Live.DeepCopy())
	d.want.Spec.MinReplicas = ptr.To(d.floors.Min)
	if !d.nearZero() {
		d.write("a floor of the HPA has changed")
	}
}

// liveBounds are those that the HPA was made with, floors aside.
func (d *decision) liveBounds() v1alpha1.Replicas {
	return v1alpha1.Replicas{Min: hpa.WrittenMin(d.Live, d.Policy.Spec.Replicas.Min), Max: d.Live.Spec.MaxReplicas}
}

// pause freezes the HPA at its size. The floors stay as they are in the status: they
// are what explains its minimum when it goes on.
func (d *decision) pause() {
	if f := d.rival(); f != nil {
		d.conflict = f // to be reported; the HPA is frozen all the same
	}
	d.ready = finding{reason: Paused, state: StatePaused, message: "no metric changes the size; kubectl scale does, within the bounds. Set mode to Enforce to go on"}
	if d.Live == nil {
		d.ready.message = "there is no HPA, and none is made. Set mode to Enforce to go on"
		return
	}
	if wrong := d.Live.Annotations[ReleaseAnnotation]; wrong != "" && !d.adopt {
		d.ready.message = fmt.Sprintf("the HPA's annotation %s=%s says neither %s nor %s; ", ReleaseAnnotation, wrong, ReleaseKeep, ReleaseRestore) + d.ready.message
	}
	if d.adopt {
		d.ready.message = "the HPA is taken over when mode is Enforce; until then it goes on as it is"
		return
	}
	frozen := hpa.Freeze(d.Live)
	if _, known := frozen.Annotations[hpa.FrozenAnnotation]; !known {
		hpa.RecordFrozen(frozen, hpa.Behavior(&d.Policy.Spec, d.Capabilities)) // the best there is
	}
	if d.asItIs(frozen); !d.nearZero() {
		d.write("the policy is paused")
	}
}

// asItIs makes what is applied from an HPA whose spec is to stay.
func (d *decision) asItIs(live *autoscalingv2.HorizontalPodAutoscaler) {
	want := &autoscalingv2.HorizontalPodAutoscaler{ObjectMeta: hpa.Metadata(d.Policy), Spec: live.Spec}
	want.TypeMeta.APIVersion, want.TypeMeta.Kind = autoscalingv2.SchemeGroupVersion.String(), "HorizontalPodAutoscaler"
	// The owner's minimum that this spec was made of, and the behavior that it goes on with.
	for _, key := range []string{hpa.MinAnnotation, hpa.FrozenAnnotation} {
		if value, ok := live.Annotations[key]; ok {
			want.Annotations[key] = value
		}
	}
	d.want = want
	d.carrySaved()
}

// write has want applied where the HPA differs from it, or what others have added to
// it taken away.
func (d *decision) write(why string) {
	switch {
	case d.Refused != nil:
		d.refuse()
		return
	case d.Live == nil:
		d.action = &Action{Kind: Apply, HPA: d.want, Retargets: true, Why: "there is no HPA"}
		return
	}
	mine, foreign := hpa.Differences(d.want, d.Live)
	if d.fight(slices.Concat(mine, foreign)); d.pauses {
		mine, foreign = hpa.Differences(d.want, d.Live)
	}
	d.rewritten = d.foreignTo(slices.Concat(mine, foreign))
	switch {
	case len(mine) > 0:
		d.action = &Action{
			Kind: Apply, HPA: d.want, ResourceVersion: d.Live.ResourceVersion, Paths: mine, Why: why,
			Retargets: !sameTarget(d.want.Spec.ScaleTargetRef, d.Live.Spec.ScaleTargetRef),
		}
	case len(foreign) > 0:
		d.action = &Action{
			Kind: RemoveFields, HPA: d.Live, ResourceVersion: d.Live.ResourceVersion, Paths: pointers(foreign),
			Why: "somebody else added fields to the HPA",
		}
	}
}
