package controller

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/client-go/util/flowcontrol"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/loadline/loadline/policy/api/v1alpha1"
	"github.com/loadline/loadline/policy/decide"
	"github.com/loadline/loadline/policy/hpa"
)

var hpas = schema.GroupResource{Group: "autoscaling", Resource: "horizontalpodautoscalers"}

// A new policy costs two writes, and one at rest none.
func TestWritesOfAPolicy(t *testing.T) {
	w := newWorld(t, newPolicy())
	if _, err := w.turn(t.Context(), web); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"apply", "status"}, w.made()); diff != "" {
		t.Error(diff)
	}
	want, _ := hpa.Build(newPolicy(), nil, hpa.Capabilities{Tolerance: true, ContainerResource: true})
	if ours, foreign := hpa.Differences(want, w.hpa(t, "web")); len(ours)+len(foreign) > 0 {
		t.Errorf("ours %v, foreign %v", ours, foreign)
	}
	w.settle(t)
	if _, err := w.turn(t.Context(), web); err != nil || len(w.made()) > 0 {
		t.Errorf("at rest: %v, writes %v", err, w.made())
	}
}

// Whatever goes wrong with whichever write, once: the end is that of a run in which
// nothing did, and the pause is short only where another writer was faster.
func TestEachFaultOnce(t *testing.T) {
	unbroken := newWorld(t, newPolicy())
	unbroken.settle(t)
	conflict := apierrors.NewConflict(hpas, "web", errors.New("the object has been modified"))
	faults := map[string]struct {
		fault
		soon bool // tried again at once, as no error
	}{
		"conflict":         {fault{err: conflict}, true},
		"gone":             {fault{err: apierrors.NewNotFound(hpas, "web")}, true},
		"internal error":   {fault{err: apierrors.NewInternalError(errors.New("etcd is away"))}, false},
		"too many":         {fault{err: apierrors.NewTooManyRequests("later", 1)}, false},
		"invalid":          {fault{err: apierrors.NewInvalid(schema.GroupKind{Kind: "HorizontalPodAutoscaler"}, "web", field.ErrorList{field.Invalid(field.NewPath("spec"), 1, "no")})}, false},
		"connection":       {fault{err: errors.New("read: connection reset by peer")}, false},
		"lost answer":      {fault{err: errors.New("read: connection reset by peer"), lost: true}, false},
		"lost in time":     {fault{err: context.DeadlineExceeded, lost: true}, false},
		"lost to conflict": {fault{err: conflict, lost: true}, true},
	}
	for name, f := range faults {
		for n := 1; n <= 2; n++ {
			t.Run(fmt.Sprintf("%s at write %d", name, n), func(t *testing.T) {
				w := newWorld(t, newPolicy())
				w.fault = func(i int, _ string) fault {
					if i == n {
						return f.fault
					}
					return fault{}
				}
				result, err := w.Reconcile(t.Context(), reconcile.Request{NamespacedName: web})
				if soon := err == nil && result.RequeueAfter > 0 && result.RequeueAfter < time.Second; soon != f.soon {
					t.Errorf("requeued after %s, error %v", result.RequeueAfter, err)
				}
				w.fault = nil
				w.settle(t)
				if diff := cmp.Diff(unbroken.hpa(t, "web"), w.hpa(t, "web"), unstored); diff != "" {
					t.Errorf("the HPA:\n%s", diff)
				}
				if diff := cmp.Diff(unbroken.policy(t).Status, w.policy(t).Status, unstored); diff != "" {
					t.Errorf("the status:\n%s", diff)
				}
			})
		}
	}
}

// unstored leaves out what depends on the number of writes.
var unstored = cmp.Options{
	cmpopts.IgnoreFields(metav1.ObjectMeta{}, "ResourceVersion", "ManagedFields"),
	cmpopts.IgnoreFields(v1alpha1.AutoscalingPolicyStatus{}, "ValuesAt"),
	cmpopts.IgnoreFields(metav1.Condition{}, "Message"), // written with the values only
	cmpopts.EquateEmpty(),
}

// A write that is refused is said in the status by decide, and is tried again at the
// pace of errors; the status is not written again and again.
func TestRefused(t *testing.T) {
	w := newWorld(t, newPolicy())
	forbidden := apierrors.NewForbidden(hpas, "web", errors.New("not by you"))
	w.fault = func(_ int, write string) fault {
		if write == "apply" {
			return fault{err: forbidden}
		}
		return fault{}
	}
	var seen *decide.Refusal
	w.judge = func(s decide.Snapshot) decide.Plan {
		if s.Refused == nil {
			return decide.Decide(s)
		}
		seen = s.Refused
		p := decide.Plan{Status: *s.Policy.Status.DeepCopy(), Changed: s.Policy.Status.State != "Refused"}
		p.Status.State = "Refused"
		p.Events = []decide.Event{{Warning: true, Reason: "Refused", Message: s.Refused.Message}}
		return p
	}
	for range 3 {
		if _, err := w.turn(t.Context(), web); !errors.Is(err, errRefused) {
			t.Errorf("error %v", err)
		}
	}
	if diff := cmp.Diff([]string{"apply", "status", "apply", "apply"}, w.made()); diff != "" {
		t.Error(diff)
	}
	if seen == nil || seen.Conflict || !strings.Contains(seen.Message, "not by you") || w.policy(t).Status.State != "Refused" {
		t.Errorf("refusal %+v, status %+v", seen, w.policy(t).Status)
	}
}

// A policy whose HPA the API server refuses is one of the metrics' invalid ones, and not one
// that is in force.
func TestRefusedIsObserved(t *testing.T) {
	w := newWorld(t, newPolicy())
	w.fault = func(_ int, write string) fault {
		if write == "apply" {
			return fault{err: apierrors.NewForbidden(hpas, "web", errors.New("not by you"))}
		}
		return fault{}
	}
	if _, err := w.turn(t.Context(), web); !errors.Is(err, errRefused) {
		t.Fatalf("error %v", err)
	}
	if diff := cmp.Diff(map[string]int{decide.StateInvalid: 1}, w.metrics.observed.total().states); diff != "" {
		t.Error(diff)
	}
}

// The intent is stored before the HPA follows, and a status that cannot be stored
// keeps the HPA as it is.
func TestIntentComesFirst(t *testing.T) {
	judge := func(s decide.Snapshot) decide.Plan {
		want, _ := hpa.Build(s.Policy, nil, hpa.Capabilities{})
		want.Spec.MinReplicas = ptr.To[int32](4)
		intent := s.Policy.Status.DeepCopy()
		intent.Floors = []v1alpha1.Floor{{Owner: "schedule/morning", Value: 4}}
		done := intent.DeepCopy()
		done.EffectiveMin = ptr.To[int32](4)
		return decide.Plan{Intent: intent, Action: &decide.Action{Kind: decide.Apply, HPA: want}, Status: *done, Changed: true}
	}
	t.Run("stored", func(t *testing.T) {
		w := newWorld(t, newPolicy())
		w.judge = judge
		if _, err := w.turn(t.Context(), web); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"status", "apply", "status"}, w.made()); diff != "" {
			t.Error(diff)
		}
		if s := w.policy(t).Status; len(s.Floors) != 1 || *s.EffectiveMin != 4 {
			t.Errorf("%+v", s)
		}
	})
	t.Run("not stored", func(t *testing.T) {
		w := newWorld(t, newPolicy())
		w.judge = judge
		w.fault = func(int, string) fault { return fault{err: errors.New("etcd is away")} }
		if _, err := w.turn(t.Context(), web); err == nil {
			t.Error("no error")
		}
		if diff := cmp.Diff([]string{"status"}, w.made()); diff != "" {
			t.Error(diff)
		}
	})
}

// Events follow the status that records them, and none follows one that is not stored.
func TestEventsComeLast(t *testing.T) {
	for name, broken := range map[string]bool{"stored": false, "not stored": true} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, newPolicy())
			w.judge = func(s decide.Snapshot) decide.Plan {
				return decide.Plan{Status: s.Policy.Status, Changed: true, Events: []decide.Event{{Reason: "Applied", Message: "100 % of it"}}}
			}
			w.fault = func(int, string) fault {
				if broken {
					return fault{err: errors.New("etcd is away")}
				}
				return fault{}
			}
			_, err := w.turn(t.Context(), web)
			want := []string{"Normal Applied 100 % of it"}
			if broken {
				want = nil
			}
			if diff := cmp.Diff(want, w.events.all); diff != "" || (err != nil) != broken {
				t.Errorf("error %v, events:\n%s", err, diff)
			}
		})
	}
}

// What others put on our HPA is taken away, and nothing else, and only from the HPA
// that was read.
func TestRemoveFields(t *testing.T) {
	w := newWorld(t, newPolicy())
	w.settle(t)
	h := w.hpa(t, "web")
	h.Spec.Behavior.ScaleUp.Tolerance = ptr.To(newPolicy().Spec.Objectives[0].RequestRate.PerPod.DeepCopy())
	if err := w.client.Update(t.Context(), h); err != nil {
		t.Fatal(err)
	}
	a := &decide.Action{Kind: decide.RemoveFields, HPA: h, ResourceVersion: h.ResourceVersion + "0", Paths: []string{"/spec/behavior/scaleUp/tolerance"}}
	if _, err := w.carryOut(t.Context(), a); !errors.Is(err, errOvertaken) {
		t.Errorf("of one that was read too long ago: %v", err)
	}
	a.ResourceVersion = h.ResourceVersion
	if _, err := w.carryOut(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	got := w.hpa(t, "web")
	h.Spec.Behavior.ScaleUp.Tolerance = nil
	if diff := cmp.Diff(h.Spec, got.Spec); diff != "" {
		t.Error(diff)
	}
}

// An HPA that is let go is as the action says, and nobody's: our entries in
// managedFields are gone, those of others stay.
func TestDisown(t *testing.T) {
	for name, others := range map[string]bool{"beside others": true, "alone": false} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, newPolicy())
			w.settle(t)
			h := w.hpa(t, "web")
			if others {
				h.Spec.MaxReplicas = 7
				if err := w.client.Update(t.Context(), h); err != nil {
					t.Fatal(err)
				}
			}
			free := h.DeepCopy()
			free.Labels, free.Annotations, free.OwnerReferences, free.ManagedFields = nil, nil, nil, nil
			a := &decide.Action{Kind: decide.Disown, HPA: free, ResourceVersion: h.ResourceVersion + "0"}
			if _, err := w.carryOut(t.Context(), a); !errors.Is(err, errOvertaken) {
				t.Errorf("of one that was read too long ago: %v", err)
			}
			a.ResourceVersion = h.ResourceVersion
			if _, err := w.carryOut(t.Context(), a); err != nil {
				t.Fatal(err)
			}
			got := w.hpa(t, "web")
			if diff := cmp.Diff(free, got, unstored, cmpopts.IgnoreFields(metav1.TypeMeta{}, "Kind", "APIVersion")); diff != "" {
				t.Error(diff)
			}
			if i := slices.IndexFunc(got.ManagedFields, func(e metav1.ManagedFieldsEntry) bool { return e.Manager == Name }); i >= 0 {
				t.Errorf("still ours: %v", got.ManagedFields[i])
			}
			if others != (len(got.ManagedFields) > 0) {
				t.Errorf("managedFields %v", got.ManagedFields)
			}
		})
	}
}

// The loser of two HPAs on a target is deleted as it was read: not one that was made
// under its name since, and not one that was changed.
func TestDeleteLoser(t *testing.T) {
	w := newWorld(t, newPolicy(), &autoscalingv2.HorizontalPodAutoscaler{
		ObjectMeta: metav1.ObjectMeta{Namespace: web.Namespace, Name: "loser", UID: "new"},
	})
	a := &decide.Action{Kind: decide.DeleteLoser, HPA: w.hpa(t, "loser").DeepCopy()}
	a.HPA.UID = "old"
	if _, err := w.carryOut(t.Context(), a); !errors.Is(err, errOvertaken) {
		t.Errorf("another one: %v", err)
	}
	a.HPA.UID, a.ResourceVersion = "new", a.HPA.ResourceVersion+"0"
	if _, err := w.carryOut(t.Context(), a); !errors.Is(err, errOvertaken) {
		t.Errorf("one that was written to since: %v", err)
	}
	a.ResourceVersion = a.HPA.ResourceVersion
	if _, err := w.carryOut(t.Context(), a); err != nil {
		t.Error(err)
	}
}

// behind is a cache that has a policy as it was.
type behind struct {
	client.Client
	policy *v1alpha1.AutoscalingPolicy
}

func (b *behind) Get(ctx context.Context, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
	if p, ok := o.(*v1alpha1.AutoscalingPolicy); ok {
		b.policy.DeepCopyInto(p)
		return nil
	}
	return b.Client.Get(ctx, key, o, opts...)
}

// The owner reference that --cascade=orphan takes away is not put back while the cache
// does not know yet that the policy is being deleted; one that somebody took away is.
func TestOwnerReferenceOfADeletedPolicy(t *testing.T) {
	for name, deleted := range map[string]bool{"deleted": true, "edited by hand": false} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, newPolicy(func(p *v1alpha1.AutoscalingPolicy) { p.Finalizers = []string{metav1.FinalizerOrphanDependents} }))
			w.settle(t)
			stale := w.policy(t)
			if deleted {
				if err := w.client.Delete(t.Context(), w.policy(t)); err != nil {
					t.Fatal(err)
				}
			}
			w.cached = &behind{Client: w.cached, policy: stale}
			h := w.hpa(t, "web")
			h.OwnerReferences = nil
			if err := w.client.Update(t.Context(), h); err != nil {
				t.Fatal(err)
			}
			_, err := w.turn(t.Context(), web)
			if errors.Is(err, errOvertaken) != deleted {
				t.Errorf("error %v", err)
			}
			if got := len(w.hpa(t, "web").OwnerReferences); (got == 0) != deleted {
				t.Errorf("%d owner references", got)
			}
		})
	}
}

// An API server that does not answer is given up after the time of a call.
func TestNoAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		began := time.Now()
		err := w.call(t.Context(), func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() })
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != w.opts.CallTimeout || reason(err) != "timeout" {
			t.Errorf("%v after %s", err, time.Since(began))
		}
	})
}

// Values wait for their turn; what is more than values does not.
func TestValuesWait(t *testing.T) {
	for name, only := range map[string]bool{"values": true, "more": false} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, newPolicy())
			w.values = flowcontrol.NewFakeNeverRateLimiter()
			w.judge = func(s decide.Snapshot) decide.Plan {
				return decide.Plan{Status: s.Policy.Status, Changed: true, ValuesOnly: only}
			}
			next, err := w.turn(t.Context(), web)
			if err != nil {
				t.Fatal(err)
			}
			if wrote := len(w.made()) > 0; wrote == only || (next > 0) != only {
				t.Errorf("wrote %t, next %s", wrote, next)
			}
		})
	}
}

// What had no room together comes back one by one, or most would have none again.
func TestValuesComeBackApart(t *testing.T) {
	const many, every = 1000, time.Minute
	perSecond := map[time.Duration]int{}
	for range many {
		d := putOff(every)
		if d < every/2 || d > every*3/2 {
			t.Fatalf("back after %s", d)
		}
		perSecond[d.Truncate(time.Second)]++
	}
	// 17 a second are to be expected; 60 of a thousand would be ten standard deviations.
	for second, n := range perSecond {
		if n > 60 {
			t.Errorf("%d of %d come back in the second after %s", n, many, second)
		}
	}
}

// An HPA that came to be since the cache was read is not taken over, although one that
// was read may be.
func TestNoForceOnCreation(t *testing.T) {
	foreign := deployment("web", "web", false)
	foreign.Spec.MaxReplicas = 99
	w := newWorld(t, newPolicy())
	if err := w.client.Create(t.Context(), foreign, client.FieldOwner("somebody")); err != nil {
		t.Fatal(err)
	}
	want, _ := hpa.Build(newPolicy(), nil, hpa.Capabilities{})
	_, err := w.carryOut(t.Context(), &decide.Action{Kind: decide.Apply, HPA: want})
	if r := refused(err); r == nil || !r.Conflict || !strings.Contains(r.Message, "maxReplicas") || w.hpa(t, "web").Spec.MaxReplicas != 99 {
		t.Errorf("%+v of %v", r, err)
	}
	_, err = w.carryOut(t.Context(), &decide.Action{Kind: decide.Apply, HPA: want, ResourceVersion: w.hpa(t, "web").ResourceVersion})
	if err != nil || w.hpa(t, "web").Spec.MaxReplicas != 6 {
		t.Errorf("of one that was read: %v", err)
	}
}

// In mode DryRun the API server is asked once for each spec, and nothing is stored but
// the status, which has its words.
func TestDryRun(t *testing.T) {
	for name, refusal := range map[string]error{"taken": nil, "refused": apierrors.NewForbidden(hpas, "web", errors.New("not by you"))} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, newPolicy(func(p *v1alpha1.AutoscalingPolicy) { p.Spec.Mode = v1alpha1.DryRun }))
			asked := 0
			w.fault = func(_ int, write string) fault {
				if write != "try" {
					return fault{}
				}
				asked++
				return fault{err: refusal}
			}
			w.settle(t)
			var stored autoscalingv2.HorizontalPodAutoscalerList
			if err := w.client.List(t.Context(), &stored); err != nil || len(stored.Items) > 0 || asked != 1 {
				t.Errorf("%d HPAs stored, the API server asked %d times, %v", len(stored.Items), asked, err)
			}
			plan := strings.Join(w.policy(t).Status.Plan, "\n")
			if !strings.Contains(plan, "create the HPA web") || strings.Contains(plan, "not by you") != (refusal != nil) {
				t.Errorf("plan:\n%s", plan)
			}
		})
	}
}
