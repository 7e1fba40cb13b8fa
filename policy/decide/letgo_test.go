package decide

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/utils/ptr"

	"github.com/loadline/loadline/policy/api/v1alpha1"
	"github.com/loadline/loadline/policy/floor"
	"github.com/loadline/loadline/policy/hpa"
)

// departure is a world without a policy, to whose HPA things happen at random while it is
// being let go.
type departure struct {
	*world
	random *rand.Rand
	log    []string
	goal   int32
	// lowered is when the minimum was lowered last; zero where that does not count: the
	// clock has jumped, or somebody has set another minimum.
	lowered time.Time
}

// Whatever happens to an HPA that is being let go: no write of ours takes its minimum
// below that of its owner, by more than a step, twice in a period, or while its metrics
// cannot be read; none raises it; and when nothing happens any more it comes to rest at
// the owner's minimum, with nothing of ours on it.
func TestDepartures(t *testing.T) {
	n := uint64(200)
	if testing.Short() {
		n = 50
	}
	for seed := range n {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 5))
			profiles := []v1alpha1.Profile{v1alpha1.Balanced, v1alpha1.Steady, v1alpha1.Responsive}
			edits := []func(*v1alpha1.AutoscalingPolicy){scheduled("0 5 * * *", time.Hour, int32(3+r.IntN(60))), func(p *v1alpha1.AutoscalingPolicy) {
				p.Spec.Replicas = v1alpha1.Replicas{Min: int32(1 + r.IntN(5)), Max: 60}
				p.Spec.Profile, p.Spec.DeletionPolicy = profiles[r.IntN(3)], v1alpha1.Orphan
			}}
			if r.IntN(2) == 0 {
				edits = append(edits, withCPU)
			}
			d := &departure{world: newWorld(t, edits...), random: r}
			d.rest()
			if r.IntN(3) == 0 {
				d.spec(func(s *v1alpha1.AutoscalingPolicySpec) { s.Mode = v1alpha1.Paused })
				d.rest()
			}
			d.goal, d.policy, d.wrote = d.policy.Spec.Replicas.Min, nil, d.check
			t.Cleanup(func() {
				if t.Failed() {
					for _, l := range d.log {
						t.Log(l)
					}
				}
			})
			for range 40 {
				d.happen()
				d.rest()
			}
			d.end()
		})
	}
}

func (d *departure) note(format string, args ...any) {
	d.log = append(d.log, d.now.Format("01-02 15:04:05 ")+fmt.Sprintf(format, args...))
}

// happen has one thing happen.
func (d *departure) happen() {
	r := d.random
	d.fail = nil
	switch r.IntN(10) {
	case 0, 1, 2, 3:
		span := time.Duration(1+r.IntN(90)) * time.Second
		d.note("%s pass", span)
		d.pass(span)
	case 4:
		span := time.Duration(1+r.IntN(20)) * time.Minute
		d.note("%s pass", span)
		d.pass(span)
	case 5:
		jump := time.Duration(r.IntN(48*3600)-24*3600) * time.Second
		d.note("the clock jumps by %s", jump)
		d.now, d.lowered = d.now.Add(jump), time.Time{}
	case 6, 7:
		d.metrics = []state{good, good, allBad, someBad, oneGood, clamped, unseen, atZero, noTarget}[r.IntN(9)]
		d.note("metrics are %s", d.metrics)
	case 8:
		if !ours(d.snapshot()) {
			return
		}
		d.edit(func(h *autoscalingv2.HorizontalPodAutoscaler) {
			if r.IntN(3) == 0 {
				h.Annotations[StepAnnotation] = []string{"", "{", `{"min":7}`, `{"min":1e99}`, `{"min":9,"lastStep":"x"}`}[r.IntN(5)]
			} else {
				h.Spec.MinReplicas = ptr.To(d.goal + int32(r.IntN(int(61-d.goal))))
			}
			d.note("somebody sets min %d, note %s", *h.Spec.MinReplicas, h.Annotations[StepAnnotation])
		})
		d.lowered = time.Time{}
	case 9:
		at, answer := len(d.writes)+r.IntN(3), r.IntN(2) == 0
		d.note("write %d is lost, only the answer: %v", at, answer)
		d.fail = func(n int) (bool, bool) { return n == at && !answer, n == at && answer }
	}
}

// check sees each write of ours.
func (d *departure) check(before, after *autoscalingv2.HorizontalPodAutoscaler) {
	d.t.Helper()
	was, is := minOf(before), minOf(after)
	d.note("min %d → %d, %s", was, is, after.Annotations[StepAnnotation])
	if is > was || is < d.goal || hpa.Frozen(after) || len(after.OwnerReferences) > 0 {
		d.t.Errorf("%s: min %d → %d, the owner's is %d; frozen %v", d.now, was, is, d.goal, hpa.Frozen(after))
	}
	if !ours(Snapshot{Live: after}) {
		// A value that it sets would be a field that we own.
		if is != d.goal || is != was || !equality.Semantic.DeepEqual(before.Spec, after.Spec) {
			d.t.Errorf("%s: disowned with min %d → %d of %d", d.now, was, is, d.goal)
		}
	}
	if is == was {
		return
	}
	next, every := hpa.Step(was, scaleDown(after))
	if is < next && is > d.goal || is == d.goal && next > d.goal {
		d.t.Errorf("%s: min %d → %d, more than the step to %d", d.now, was, is, next)
	}
	if floor.Judge(before).State == floor.Bad {
		d.t.Errorf("%s: min %d → %d while metrics cannot be read", d.now, was, is)
	}
	if !d.lowered.IsZero() && d.now.Sub(d.lowered) < every {
		d.t.Errorf("%s: min %d → %d, %s after the last step, every %s", d.now, was, is, d.now.Sub(d.lowered), every)
	}
	d.lowered = d.now
}

// end has nothing happen any more, and sees the HPA go.
func (d *departure) end() {
	d.t.Helper()
	d.fail, d.metrics = nil, good
	d.note("the end")
	for range 400 {
		p := d.rest()
		if p.Next > 0 {
			d.now = d.now.Add(p.Next)
			continue
		}
		if d.min() != d.goal || len(d.live.Labels)+len(d.live.Annotations) > 0 {
			d.t.Errorf("at rest with min %d of %d, %+v", d.min(), d.goal, d.live.ObjectMeta)
		}
		return
	}
	d.t.Errorf("it is never let go: min %d of %d", d.min(), d.goal)
}

// What stands in the annotation is people's to spoil: it is read, or there is none.
func FuzzStepAnnotation(f *testing.F) {
	for _, text := range []string{"", "{", `{"min":8,"lastStep":"2026-03-04T05:06:07Z"}`, `{"min":8,"lastStep":"2026-03-04T05:06:07Z","goodSince":"2099-03-04T05:06:07Z"}`, `{"min":1e99}`, `null`} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		live := foreign()
		live.Spec.MinReplicas = ptr.To(int32(8))
		live.Annotations = map[string]string{StepAnnotation: text, hpa.MinAnnotation: "2"}
		s := stepsOf(live)
		if s != nil && s.Min != 8 {
			t.Fatalf("%q: min %d", text, s.Min)
		}
		is := s.next(live, floor.Judge(live), at)
		if is.Min != 8 || is.LastStep.After(at) || is.GoodSince != nil && is.GoodSince.After(at) {
			t.Fatalf("%q: %+v", text, is)
		}
		if _, err := json.Marshal(is); err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		if m := LetGo(live, Letting{Now: at, Settings: Defaults()}); m.Goal != 2 || m.Min < 2 || m.Min > 8 {
			t.Fatalf("%q: %+v", text, m)
		}
	})
}
