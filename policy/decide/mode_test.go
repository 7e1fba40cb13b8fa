package decide

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/loadline/loadline/policy/api/v1alpha1"
	"github.com/loadline/loadline/policy/hpa"
)

// What makes a policy invalid, pending or otherwise than its owner thinks, and what he
// is told. With an HPA made before, that stays, and its floors go on.
func TestReady(t *testing.T) {
	query := func(expr string) func(*v1alpha1.AutoscalingPolicySpec) {
		return func(s *v1alpha1.AutoscalingPolicySpec) {
			s.Objectives = append(s.Objectives, v1alpha1.Objective{Query: &v1alpha1.Query{Name: "q", Expr: expr, PerPod: ptr.To(resource.MustParse("5"))}})
		}
	}
	for name, tc := range map[string]struct {
		edit   func(*v1alpha1.AutoscalingPolicySpec)
		target Target
		world  func(*world)
		ready  string
		state  string
		says   string
	}{
		"cron": {
			edit:  func(s *v1alpha1.AutoscalingPolicySpec) { s.Schedules[0].Start = "61 * * * *" },
			ready: "False InvalidSpec", state: StateInvalid, says: "spec.schedules[0].start: ",
		},
		"zone": {
			edit:  func(s *v1alpha1.AutoscalingPolicySpec) { s.Schedules[0].TimeZone = "Mars/Olympus" },
			ready: "False InvalidSpec", state: StateInvalid, says: "spec.schedules[0].timeZone: ",
		},
		"PromQL": {edit: query("bad"), ready: "False QueryRefused", state: StateInvalid, says: "spec.objectives[1].query.expr: parse error"},
		"no objective": {
			edit:  func(s *v1alpha1.AutoscalingPolicySpec) { s.Objectives = nil },
			ready: "False InvalidSpec", state: StateInvalid, says: "spec.objectives",
		},
		"min 0 on an old cluster": {
			edit: func(s *v1alpha1.AutoscalingPolicySpec) {
				s.Replicas.Min = 0
				s.Objectives = []v1alpha1.Objective{{Queue: &v1alpha1.Queue{Name: "q", PerPod: resource.MustParse("5")}}}
			},
			world: func(w *world) { w.caps, _ = hpa.Assume("1.34") },
			ready: "False ScaleToZeroUnsupported", state: StateInvalid, says: "HPAScaleToZero",
		},
		"an unknown kind":   {target: Target{State: TargetKindUnknown}, ready: "False TargetKindUnknown", state: StatePending, says: "no kind Deployment in apps/v1"},
		"an unscalable one": {target: Target{State: TargetNotScalable}, ready: "False TargetNotScalable", state: StateInvalid, says: "scale subresource"},
		"no target": {
			world: func(w *world) { w.metrics = noTarget },
			ready: "False TargetNotFound", state: StatePending, says: "there is no Deployment web",
		},
		"a person's zero": {
			world: func(w *world) { w.metrics = atZero },
			ready: "True TargetAtZero", state: StateEnforced, says: "kubectl scale deployment web --replicas=1",
		},
		"a warning": {
			edit:  func(s *v1alpha1.AutoscalingPolicySpec) { s.Schedules[0].Min = 1 },
			ready: "True Applied", state: StateEnforced, says: "min 1 changes nothing",
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, scheduled("0 5 * * *", time.Hour, 5))
			w.rest()
			before := w.live.Spec.DeepCopy()
			if tc.edit != nil {
				w.spec(tc.edit)
			}
			if tc.world != nil {
				tc.world(w)
			}
			w.target = tc.target
			w.rest()
			if w.condition(v1alpha1.Ready) != tc.ready || w.policy.Status.State != tc.state || !strings.Contains(w.message(v1alpha1.Ready), tc.says) {
				t.Errorf("%s, %s: %s", w.condition(v1alpha1.Ready), w.policy.Status.State, w.message(v1alpha1.Ready))
			}
			if tc.state != StateInvalid {
				return
			}
			if !w.happened(EventRefused) {
				t.Errorf("Events %v", w.events)
			}
			w.pass(3 * time.Hour)
			if w.min() != 2 {
				t.Errorf("min %d long after the schedule", w.min())
			}
			before.MinReplicas = w.live.Spec.MinReplicas
			if mine, foreign := hpa.Differences(&autoscalingv2.HorizontalPodAutoscaler{Spec: *before}, &autoscalingv2.HorizontalPodAutoscaler{Spec: w.live.Spec}); len(mine)+len(foreign) > 0 {
				t.Errorf("the last good HPA has changed: %v %v", mine, foreign)
			}
			n := len(w.writes)
			w.rest()
			if len(w.writes) != n {
				t.Errorf("writes while nothing changes: %v", w.writes[n:])
			}
		})
	}
}

// What is not known of the cluster is no reason to refuse a policy or to change its HPA.
func TestFeaturesUnknown(t *testing.T) {
	queue := []v1alpha1.Objective{{Queue: &v1alpha1.Queue{Name: "q", PerPod: resource.MustParse("5")}}}
	for name, tc := range map[string]struct {
		edit    func(*v1alpha1.AutoscalingPolicySpec)
		depends bool
	}{
		"min 0": {func(s *v1alpha1.AutoscalingPolicySpec) { s.Replicas.Min, s.Objectives = 0, queue }, true},
		"a container": {func(s *v1alpha1.AutoscalingPolicySpec) {
			s.Objectives = []v1alpha1.Objective{{CPU: &v1alpha1.Resource{Container: "web", Utilization: ptr.To(int32(60))}}}
		}, true},
		"a tolerance": {func(s *v1alpha1.AutoscalingPolicySpec) {
			s.Behavior = &autoscalingv2.HorizontalPodAutoscalerBehavior{ScaleUp: &autoscalingv2.HPAScalingRules{Tolerance: ptr.To(resource.MustParse("0.2"))}}
		}, true},
		"none of it": {func(*v1alpha1.AutoscalingPolicySpec) {}, false},
	} {
		t.Run(name, func(t *testing.T) {
			ready, max := "Unknown FeaturesUnknown", int32(10)
			if !tc.depends {
				ready, max = "True Applied", 20
			}
			w := newWorld(t, func(p *v1alpha1.AutoscalingPolicy) { tc.edit(&p.Spec) })
			known := w.caps
			w.rest()
			before := w.live.Spec.DeepCopy()
			w.caps = hpa.Capabilities{}
			w.pass(time.Hour)
			if diff := cmp.Diff(*before, w.live.Spec); diff != "" || w.condition(v1alpha1.Ready) != ready || w.happened(EventRefused) {
				t.Errorf("%s, Events %v\n%s", w.condition(v1alpha1.Ready), w.events, diff)
			}
			w.spec(func(s *v1alpha1.AutoscalingPolicySpec) { s.Replicas.Max = 20 })
			if w.rest(); w.live.Spec.MaxReplicas != max {
				t.Errorf("max %d", w.live.Spec.MaxReplicas)
			}
			w.caps = known
			if w.rest(); w.condition(v1alpha1.Ready) != "True Applied" || w.live.Spec.MaxReplicas != 20 {
				t.Errorf("max %d, %s when it is known", w.live.Spec.MaxReplicas, w.condition(v1alpha1.Ready))
			}
			w.caps = hpa.Capabilities{}
			w.spec(func(s *v1alpha1.AutoscalingPolicySpec) { s.Replicas.Min = 30 })
			if w.rest(); w.condition(v1alpha1.Ready) != "False InvalidSpec" {
				t.Errorf("%s of what is wrong anywhere", w.condition(v1alpha1.Ready))
			}
		})
	}
}

// A policy that was never good has no HPA.
func TestInvalidFromTheStart(t *testing.T) {
	w := newWorld(t, func(p *v1alpha1.AutoscalingPolicy) { p.Spec.Objectives = nil })
	if w.rest(); w.live != nil || w.policy.Status.State != StateInvalid || len(w.writes) != 1 {
		t.Errorf("%+v, %s, %v", w.live, w.policy.Status.State, w.writes)
	}
}

// Paused keeps the size whatever happens, and goes on from what explains its minimum.
func TestPaused(t *testing.T) {
	w := newWorld(t, scheduled("0 5 * * *", time.Hour, 8))
	w.rest()
	w.spec(func(s *v1alpha1.AutoscalingPolicySpec) { s.Mode = v1alpha1.Paused })
	w.rest()
	b := w.live.Spec.Behavior
	if *b.ScaleUp.SelectPolicy != autoscalingv2.DisabledPolicySelect || *b.ScaleDown.SelectPolicy != autoscalingv2.DisabledPolicySelect || w.condition(v1alpha1.Ready) != "False Paused" {
		t.Fatalf("%+v, %s", b, w.condition(v1alpha1.Ready))
	}
	n := len(w.writes)
	w.pass(5 * time.Hour)
	if w.min() != 8 || w.count(string(Apply), n) > 0 {
		t.Fatalf("min %d, writes %v", w.min(), w.writes[n:])
	}
	w.spec(func(s *v1alpha1.AutoscalingPolicySpec) { s.Mode = v1alpha1.Enforce })
	w.rest()
	if w.min() != 8 || w.condition(v1alpha1.Held) != "True Releasing" || *w.live.Spec.Behavior.ScaleUp.SelectPolicy != autoscalingv2.MaxChangePolicySelect {
		t.Errorf("min %d, %s", w.min(), w.condition(v1alpha1.Held))
	}
	none := newWorld(t, func(p *v1alpha1.AutoscalingPolicy) { p.Spec.Mode = v1alpha1.Paused })
	if none.rest(); none.live != nil {
		t.Error("a paused policy made an HPA")
	}
}

// DryRun says what would be written, asks the API server once for each spec, and
// leaves the HPA as it is.
func TestDryRun(t *testing.T) {
	w := newWorld(t, scheduled("0 5 * * *", time.Hour, 8), func(p *v1alpha1.AutoscalingPolicy) { p.Spec.Mode = v1alpha1.DryRun })
	w.rest()
	want := "create the HPA web for the Deployment web: min 8 (until 2026-03-04 06:00 UTC by schedule s), max 10, by http_requests_per_second"
	if got := w.policy.Status.Plan; w.live != nil || len(got) != 1 || got[0] != want || w.count(string(DryRun), 0) != 1 {
		t.Fatalf("%q, writes %v", got, w.writes)
	}
	w.spec(func(s *v1alpha1.AutoscalingPolicySpec) { s.Mode = v1alpha1.Enforce })
	w.rest()
	w.spec(func(s *v1alpha1.AutoscalingPolicySpec) { s.Mode, s.Replicas.Max = v1alpha1.DryRun, 20 })
	n := len(w.writes)
	w.pass(3 * time.Hour)
	if w.min() != 8 || w.live.Spec.MaxReplicas != 10 || w.count(string(Apply), n) > 0 || w.count(string(DryRun), n) != 1 {
		t.Fatalf("%+v, writes %v", w.live.Spec, w.writes[n:])
	}
	if got := strings.Join(w.policy.Status.Plan, "\n"); !strings.Contains(got, "change spec.maxReplicas from 10 to 20") {
		t.Errorf("plan %s", got)
	}
	// What the API server thinks of it stays with the spec.
	s := w.snapshot()
	s.Policy.Generation++
	s.Refused = &Refusal{Message: "spec.x: too much"}
	p := Decide(s)
	if got := p.Status.Plan[len(p.Status.Plan)-1]; got != "the API server refuses it: spec.x: too much" {
		t.Fatalf("plan %v", p.Status.Plan)
	}
	w.store(p.Status)
	w.policy.Generation = s.Policy.Generation
	s = w.snapshot()
	p = Decide(s)
	if got := p.Status.Plan[len(p.Status.Plan)-1]; p.Action != nil || got != "the API server refuses it: spec.x: too much" {
		t.Errorf("plan %v, action %+v", p.Status.Plan, p.Action)
	}
}

// The plan has the values, and what a lower maximum takes away.
func TestPlanSaysTheValues(t *testing.T) {
	w := newWorld(t)
	w.size = 9
	w.rest()
	w.edit(func(h *autoscalingv2.HorizontalPodAutoscaler) {
		h.Spec.Behavior.ScaleDown.Tolerance = ptr.To(resource.MustParse("0.2"))
	})
	w.spec(func(s *v1alpha1.AutoscalingPolicySpec) {
		s.Mode, s.Replicas.Max, s.TargetRef.Kind = v1alpha1.DryRun, 5, "StatefulSet"
		s.Objectives = []v1alpha1.Objective{{RequestRate: &v1alpha1.RequestRate{PerPod: resource.MustParse("500m")}}}
		s.Profile = v1alpha1.Steady
	})
	w.rest()
	want := []string{
		"change spec.maxReplicas from 10 to 5, which cuts 9 pods to 5 at once, whatever the metrics ask for",
		"change spec.metrics[0].pods.target.averageValue from 50 to 500m",
		"change spec.scaleTargetRef.kind from Deployment to StatefulSet",
		"remove spec.behavior.scaleDown.tolerance",
	}
	var got []string
	for _, l := range w.policy.Status.Plan {
		if !strings.HasPrefix(l, "change spec.behavior") {
			got = append(got, l)
		} else if !strings.Contains(l, " to ") {
			t.Errorf("%q has no value", l)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// A write that the API server refuses is said once, however often it is tried.
func TestRefused(t *testing.T) {
	for name, tc := range map[string]struct {
		refusal         Refusal
		ready, conflict string
	}{
		"invalid":  {Refusal{Message: "no"}, "False ApplyRejected", "False NoConflict"},
		"conflict": {Refusal{Conflict: true, Message: "x owns it"}, "False ApplyConflict", "True FieldOwner"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, scheduled("0 5 * * *", time.Hour, 8))
			statuses := 0
			for range 5 {
				s := w.snapshot()
				first := Decide(s)
				if first.Action == nil {
					t.Fatal("it is not tried again")
				}
				if first.Intent != nil {
					statuses++
					w.store(*first.Intent)
				}
				s = w.snapshot()
				s.Refused = &tc.refusal
				p := Decide(s)
				if p.Action != nil || p.Next != 0 {
					t.Fatalf("%+v", p)
				}
				if p.Changed {
					statuses++
					w.store(p.Status)
				}
				w.now = w.now.Add(20 * time.Second)
			}
			if w.condition(v1alpha1.Ready) != tc.ready || w.condition(v1alpha1.Conflict) != tc.conflict || statuses != 2 {
				t.Errorf("%s, %s, %d writes of the status", w.condition(v1alpha1.Ready), w.condition(v1alpha1.Conflict), statuses)
			}
		})
	}
}

// Values are written at most once a minute, and a busy HPA writes nothing else.
func TestValues(t *testing.T) {
	w := newWorld(t)
	w.rest()
	w.pass(10 * time.Minute)
	if got := w.policy.Status.Metric; got != "42/50 requestRate" || *w.policy.Status.Replicas != 3 {
		t.Fatalf("%q, %d replicas", got, *w.policy.Status.Replicas)
	}
	n := len(w.writes)
	for i := range 40 {
		w.size = int32(3 + i%5)
		w.rest()
		w.now = w.now.Add(15 * time.Second)
	}
	if got := w.writes[n:]; len(got) < 9 || len(got) > 11 || w.count("status", n) != len(got) {
		t.Errorf("writes in 10 minutes: %v", got)
	}
	w.pass(2 * time.Minute)
	n = len(w.writes)
	w.pass(24 * time.Hour)
	if len(w.writes) != n {
		t.Errorf("writes while nothing changes: %v", w.writes[n:])
	}
}

// Near zero nothing is written that could strand the target, for a while.
func TestNearZero(t *testing.T) {
	for name, tc := range map[string]struct {
		size    int32
		toZero  bool
		metrics state
		edit    func(*v1alpha1.AutoscalingPolicySpec)
		waits   bool
	}{
		"one pod":                    {size: 1, waits: true},
		"two pods, paced":            {size: 2},
		"two pods, not paced":        {size: 2, waits: true, edit: func(s *v1alpha1.AutoscalingPolicySpec) { s.Behavior = &autoscalingv2.HorizontalPodAutoscalerBehavior{} }},
		"at rest at 0":               {size: 0, toZero: true},
		"on its way to 0":            {size: 0, waits: true},
		"a person's 0":               {size: 0, metrics: atZero},
		"one pod, and min is raised": {size: 1, edit: func(s *v1alpha1.AutoscalingPolicySpec) { s.Replicas.Min = 1 }},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, func(p *v1alpha1.AutoscalingPolicy) {
				p.Spec.Replicas.Min = 0
				p.Spec.Objectives = []v1alpha1.Objective{{Queue: &v1alpha1.Queue{Name: "q", PerPod: resource.MustParse("5")}}}
				if tc.edit != nil && tc.waits {
					tc.edit(&p.Spec) // the HPA has it already
				}
			})
			w.size = tc.size
			if tc.metrics != "" {
				w.metrics = tc.metrics
			}
			w.rest()
			w.pass(time.Hour)
			if tc.toZero {
				w.edit(func(h *autoscalingv2.HorizontalPodAutoscaler) {
					h.Status.Conditions = append(h.Status.Conditions, autoscalingv2.HorizontalPodAutoscalerCondition{Type: autoscalingv2.ScaledToZero, Status: "True"})
				})
			}
			w.spec(func(s *v1alpha1.AutoscalingPolicySpec) {
				s.Replicas.Max = 20
				if tc.edit != nil {
					tc.edit(s)
				}
			})
			w.rest()
			if waits := w.live.Spec.MaxReplicas != 20; waits != tc.waits || waits != (w.condition(v1alpha1.Ready) == "Unknown NearZero") {
				t.Fatalf("waits: %v, %s", waits, w.condition(v1alpha1.Ready))
			}
			w.pass(9 * time.Minute)
			if waits := w.live.Spec.MaxReplicas != 20; waits != tc.waits {
				t.Fatalf("waits after 9 minutes: %v", waits)
			}
			w.pass(time.Minute)
			if w.live.Spec.MaxReplicas != 20 || !strings.HasPrefix(w.condition(v1alpha1.Ready), "True ") {
				t.Errorf("max %d after 10 minutes, %s", w.live.Spec.MaxReplicas, w.condition(v1alpha1.Ready))
			}
		})
	}
}

// What the HPA says about limits is said in the policy's words.
func TestScalingLimited(t *testing.T) {
	for reason, want := range map[string]string{
		"TooManyReplicas": "True AtMax", "TooFewReplicas": "False NotLimited", "ScaleUpLimit": "True RateLimited", "ScaleDownLimit": "True RateLimited",
	} {
		t.Run(reason, func(t *testing.T) {
			w := newWorld(t)
			w.rest()
			w.pass(2 * time.Minute)
			w.edit(func(h *autoscalingv2.HorizontalPodAutoscaler) {
				h.Status.Conditions = append(h.Status.Conditions, autoscalingv2.HorizontalPodAutoscalerCondition{
					Type: autoscalingv2.ScalingLimited, Status: "True", Reason: reason, LastTransitionTime: metav1.NewTime(w.now),
				})
			})
			w.rest()
			if got := w.condition(v1alpha1.ScalingLimited); got != want {
				t.Errorf("%s, want %s", got, want)
			}
		})
	}
}

// In mode DryRun the HPA's owner reference follows deletionPolicy all the same, and
// nothing else of it: what is deleted with the policy cannot be said afterwards.
func TestOrphanInDryRun(t *testing.T) {
	w := newWorld(t)
	w.rest()
	before := w.live.Spec.DeepCopy()
	w.spec(func(s *v1alpha1.AutoscalingPolicySpec) {
		s.Mode, s.DeletionPolicy, s.Replicas.Max = v1alpha1.DryRun, v1alpha1.Orphan, 20
	})
	n := len(w.writes)
	w.pass(2 * time.Second)
	if got := len(w.live.OwnerReferences); got != 0 || w.count(string(Apply), n) != 1 || w.count(string(DryRun), n) != 1 {
		t.Errorf("%d owner references, writes %v", got, w.writes[n:])
	}
	if diff := cmp.Diff(*before, w.live.Spec); diff != "" {
		t.Error(diff)
	}
	if got := w.policy.Status.Plan; len(got) != 1 || got[0] != "change spec.maxReplicas from 10 to 20" || w.condition(v1alpha1.Ready) != "False DryRun" {
		t.Errorf("plan %q, %s", got, w.condition(v1alpha1.Ready))
	}
	w.spec(func(s *v1alpha1.AutoscalingPolicySpec) { s.DeletionPolicy, s.Objectives = v1alpha1.Delete, nil })
	if w.pass(2 * time.Second); len(w.live.OwnerReferences) != 1 || w.condition(v1alpha1.Ready) != "False InvalidSpec" {
		t.Errorf("%d owner references, %s", len(w.live.OwnerReferences), w.condition(v1alpha1.Ready))
	}
	w.metrics, w.size = unseen, 1
	w.edit(func(h *autoscalingv2.HorizontalPodAutoscaler) {
		h.Spec.MinReplicas, h.Status.CurrentReplicas = ptr.To(int32(0)), 1
	})
	w.spec(func(s *v1alpha1.AutoscalingPolicySpec) { s.DeletionPolicy = v1alpha1.Orphan })
	if w.pass(2 * time.Second); len(w.live.OwnerReferences) != 1 || w.condition(v1alpha1.Ready) != "Unknown NearZero" {
		t.Errorf("%d owner references, %s while the HPA is about to scale to 0", len(w.live.OwnerReferences), w.condition(v1alpha1.Ready))
	}
}

// Nor is an HPA written to near zero that is to be frozen or let go.
func TestNearZeroOutsideEnforce(t *testing.T) {
	done := map[string]func(*world) bool{
		"paused": func(w *world) bool { return hpa.Frozen(w.live) },
		"let go": func(w *world) bool { return len(w.live.Labels) == 0 },
	}
	pause := func(w *world) { w.spec(func(s *v1alpha1.AutoscalingPolicySpec) { s.Mode = v1alpha1.Paused }) }
	for name, tc := range map[string]struct {
		begin func(*world)
		done  string
		size  int32
		ready string // while it waits, where there is a policy
		waits bool
	}{
		"Paused":                    {begin: pause, done: "paused", size: 1, ready: "Unknown NearZero", waits: true},
		"Paused with two pods":      {begin: pause, done: "paused", size: 2},
		"Orphan":                    {begin: func(w *world) { w.policy = nil }, done: "let go", size: 1, waits: true},
		"Orphan with two pods":      {begin: func(w *world) { w.policy = nil }, done: "let go", size: 2},
		"Orphan, long at this size": {begin: func(w *world) { w.now = w.now.Add(zeroWait); w.policy = nil }, done: "let go", size: 1},
		"paused, and asked for": {
			begin: func(w *world) {
				pause(w)
				w.size = 2 // for the freeze
				w.rest()
				w.size = 1
				w.edit(func(h *autoscalingv2.HorizontalPodAutoscaler) { h.Annotations[ReleaseAnnotation] = ReleaseKeep })
			},
			done: "let go", size: 1, ready: "False LettingGo", waits: true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, func(p *v1alpha1.AutoscalingPolicy) {
				p.Spec.Replicas.Min, p.Spec.DeletionPolicy = 0, v1alpha1.Orphan
				p.Spec.Objectives = []v1alpha1.Objective{{Queue: &v1alpha1.Queue{Name: "q", PerPod: resource.MustParse("5")}}}
			})
			w.size = tc.size
			w.rest()
			w.pass(time.Hour)
			w.edit(func(h *autoscalingv2.HorizontalPodAutoscaler) { h.Status.LastScaleTime = ptr.To(metav1.NewTime(w.now)) })
			tc.begin(w)
			w.rest()
			if waits := !done[tc.done](w); waits != tc.waits {
				t.Fatalf("waits: %v, writes %v", waits, w.writes)
			}
			if tc.waits && tc.ready != "" && w.condition(v1alpha1.Ready) != tc.ready {
				t.Errorf("%s: %s", w.condition(v1alpha1.Ready), w.message(v1alpha1.Ready))
			}
			if w.pass(zeroWait - time.Second); done[tc.done](w) == tc.waits {
				t.Fatalf("after nearly ten minutes writes %v", w.writes)
			}
			if w.pass(2 * time.Second); !done[tc.done](w) {
				t.Errorf("after ten minutes writes %v", w.writes)
			}
		})
	}
}

// Before 1.37 a policy with min 0 and a schedule is refused, and its HPA stays at 0: also while
// the schedule is in force, whose minimum would switch off the HPA of a target that is at 0.
func TestMinZeroWithASchedule(t *testing.T) {
	for version, want := range map[string]struct {
		min   int32
		ready string
	}{
		"1.36": {0, "False ScaleToZeroUnsupported"},
		"1.37": {5, "True Applied"},
	} {
		t.Run(version, func(t *testing.T) {
			w := newWorld(t, func(p *v1alpha1.AutoscalingPolicy) {
				p.Spec.Replicas.Min = 0
				p.Spec.Objectives = []v1alpha1.Objective{{Queue: &v1alpha1.Queue{Name: "q", PerPod: resource.MustParse("5")}}}
			})
			var err error
			if w.caps, err = hpa.Assume(version); err != nil {
				t.Fatal(err)
			}
			w.caps.ScaleToZero = true
			w.rest()
			if w.min() != 0 {
				t.Fatalf("min %d at first", w.min())
			}
			began := w.now.UTC().Add(-time.Minute)
			w.spec(func(s *v1alpha1.AutoscalingPolicySpec) {
				s.Schedules = []v1alpha1.Schedule{{Name: "s", Start: began.Format("4 15 * * *"), Duration: metav1.Duration{Duration: time.Hour}, Min: 5}}
			})
			w.rest()
			if ready := w.condition(v1alpha1.Ready); w.min() != want.min || ready != want.ready {
				t.Errorf("min %d and %s, want %d and %s", w.min(), ready, want.min, want.ready)
			}
		})
	}
}
