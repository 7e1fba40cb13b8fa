package controller

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/version"
	"k8s.io/client-go/util/flowcontrol"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/loadline/loadline/policy/api/v1alpha1"
	"github.com/loadline/loadline/policy/decide"
	"github.com/loadline/loadline/policy/hpa"
)

// at is when the tests happen.
var at = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

// web is the policy that most tests are about.
var web = types.NamespacedName{Namespace: "shop", Name: "web"}

// world is an API server in memory, whose writes can go wrong, and a reconciler that
// works on it.
type world struct {
	*reconciler
	client client.Client // the API server itself, where nothing goes wrong
	events *sent
	now    time.Time

	mu     sync.Mutex
	writes []string
	fault  func(n int, write string) fault // of the n-th write, from 1
}

// fault is what goes wrong with a write: err is answered; the write is stored all the
// same where the answer is lost.
type fault struct {
	err  error
	lost bool
}

// newWorld has the objects in it.
func newWorld(t *testing.T, objects ...client.Object) *world {
	t.Helper()
	scheme, err := newScheme()
	if err != nil {
		t.Fatal(err)
	}
	w := &world{events: &sent{}, now: at}
	w.client = fake.NewClientBuilder().WithScheme(scheme).WithObjects(objects...).
		WithStatusSubresource(&v1alpha1.AutoscalingPolicy{}).WithReturnManagedFields().
		WithIndex(&v1alpha1.AutoscalingPolicy{}, byTarget, targetsOfPolicy).
		WithIndex(&v1alpha1.AutoscalingPolicy{}, byService, serviceOfPolicy).
		WithIndex(&autoscalingv2.HorizontalPodAutoscaler{}, byTarget, targetOfHPA).Build()
	faulty := client.WithFieldOwner(interceptor.NewClient(w.client.(client.WithWatch), w.faults()), Name)
	o := NewOptions()
	o.Now = func() time.Time { return w.now }
	w.reconciler = &reconciler{
		cached: faulty, direct: faulty, events: w.events, judge: decide.Decide, claims: &claims{},
		conflicts: flowcontrol.NewBackOff(firstConflictPause, lastConflictPause), values: flowcontrol.NewFakeAlwaysRateLimiter(),
		metrics: newMetrics(10, make(chan struct{})), opts: o,
		// What the cluster serves in apps is not known: nothing is read of targets.
		kinds:    &kinds{fixed(kindTable{failed: map[string]bool{"apps": true}})},
		features: &features{fixed(hpa.Capabilities{Tolerance: true, ContainerResource: true, Version: version.Info{GitVersion: "v1.37.2"}, Probed: at})},
	}
	return w
}

// fixed is an answer about the cluster that does not change.
func fixed[T any](value T) *refreshed[T] {
	return &refreshed[T]{
		load:  func(context.Context) (T, error) { return value, nil },
		every: time.Hour, limit: time.Second, now: func() time.Time { return at },
	}
}

// faults counts the writes and has them go wrong.
func (w *world) faults() interceptor.Funcs {
	write := func(what string, do func() error) error {
		w.mu.Lock()
		w.writes = append(w.writes, what)
		var f fault
		if w.fault != nil {
			f = w.fault(len(w.writes), what)
		}
		w.mu.Unlock()
		if f.err != nil && !f.lost {
			return f.err
		}
		if err := do(); err != nil {
			return err
		}
		return f.err
	}
	return interceptor.Funcs{
		Apply: func(ctx context.Context, c client.WithWatch, o runtime.ApplyConfiguration, opts ...client.ApplyOption) error {
			if o := (&client.ApplyOptions{}).ApplyOptions(opts); len(o.DryRun) > 0 { // which the fake does not look at
				return write("try", func() error { return nil })
			}
			return write("apply", func() error { return c.Apply(ctx, o, opts...) })
		},
		Patch: func(ctx context.Context, c client.WithWatch, o client.Object, p client.Patch, opts ...client.PatchOption) error {
			return write("patch", func() error { return c.Patch(ctx, o, p, opts...) })
		},
		Update: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.UpdateOption) error {
			return write("update", func() error { return c.Update(ctx, o, opts...) })
		},
		Delete: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.DeleteOption) error {
			return write("delete", func() error {
				// What the fake does not look at.
				stored := &autoscalingv2.HorizontalPodAutoscaler{}
				if err := c.Get(ctx, client.ObjectKeyFromObject(o), stored); err != nil {
					return err
				}
				p := (&client.DeleteOptions{}).ApplyOptions(opts).Preconditions
				if p != nil && p.UID != nil && *p.UID != stored.UID {
					return apierrors.NewConflict(hpas, o.GetName(), fmt.Errorf("UID %s, not %s", stored.UID, *p.UID))
				}
				if p != nil && p.ResourceVersion != nil && *p.ResourceVersion != stored.ResourceVersion {
					return apierrors.NewConflict(hpas, o.GetName(), fmt.Errorf("resourceVersion %s, not %s", stored.ResourceVersion, *p.ResourceVersion))
				}
				return c.Delete(ctx, o, opts...)
			})
		},
		SubResourceUpdate: func(ctx context.Context, c client.Client, sub string, o client.Object, opts ...client.SubResourceUpdateOption) error {
			return write(sub, func() error { return c.SubResource(sub).Update(ctx, o, opts...) })
		},
	}
}

// made returns the writes since it was asked last.
func (w *world) made() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := w.writes
	w.writes = nil
	return out
}

func (w *world) hpa(t *testing.T, name string) *autoscalingv2.HorizontalPodAutoscaler {
	t.Helper()
	h := &autoscalingv2.HorizontalPodAutoscaler{}
	if err := w.client.Get(t.Context(), types.NamespacedName{Namespace: web.Namespace, Name: name}, h); err != nil {
		t.Fatal(err)
	}
	return h
}

func (w *world) policy(t *testing.T) *v1alpha1.AutoscalingPolicy {
	t.Helper()
	p := &v1alpha1.AutoscalingPolicy{}
	if err := w.client.Get(t.Context(), web, p); err != nil {
		t.Fatal(err)
	}
	return p
}

// settle takes turns until one does nothing, and again two minutes later, when the
// values that waited are written.
func (w *world) settle(t *testing.T) {
	t.Helper()
	for range 2 {
		for turns := 0; ; turns++ {
			if turns == 20 {
				t.Fatal("20 turns did not lead to rest")
			}
			w.made()
			if _, err := w.turn(t.Context(), web); err == nil && len(w.made()) == 0 {
				break
			}
		}
		w.now = w.now.Add(2 * time.Minute)
	}
}

// sent records Events.
type sent struct {
	mu  sync.Mutex
	all []string
}

func (s *sent) Eventf(_, _ runtime.Object, kind, reason, _, note string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all = append(s.all, kind+" "+reason+" "+fmt.Sprintf(note, args...))
}

// newPolicy is a policy with a request rate.
func newPolicy(edit ...func(*v1alpha1.AutoscalingPolicy)) *v1alpha1.AutoscalingPolicy {
	p := &v1alpha1.AutoscalingPolicy{
		ObjectMeta: metav1.ObjectMeta{Namespace: web.Namespace, Name: web.Name, UID: "u-web", Generation: 1, CreationTimestamp: metav1.NewTime(at.Add(-time.Hour))},
		Spec: v1alpha1.AutoscalingPolicySpec{
			TargetRef:  v1alpha1.TargetReference{APIVersion: "apps/v1", Kind: "Deployment", Name: "web"},
			Replicas:   v1alpha1.Replicas{Min: 2, Max: 6},
			Objectives: []v1alpha1.Objective{{RequestRate: &v1alpha1.RequestRate{PerPod: resource.MustParse("50")}}},
			Mode:       v1alpha1.Enforce, DeletionPolicy: v1alpha1.Delete,
		},
	}
	for _, e := range edit {
		e(p)
	}
	return p
}
