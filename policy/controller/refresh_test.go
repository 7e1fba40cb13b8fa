package controller

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apimachinery/pkg/version"
	"k8s.io/client-go/discovery"
	fakediscovery "k8s.io/client-go/discovery/fake"
	clienttesting "k8s.io/client-go/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/loadline/loadline/policy/hpa"
)

// failing is an answer about the cluster that cannot be had.
func failing[T any](err error) *refreshed[T] {
	r := fixed(*new(T))
	r.load = func(context.Context) (T, error) { return *new(T), err }
	return r
}

// An answer is looked up once until it is old, sooner where something is missed in
// it, and stays where it cannot be looked up anew.
func TestRefreshed(t *testing.T) {
	now, loads, err := at, 0, error(nil)
	r := &refreshed[int]{
		load: func(context.Context) (int, error) { loads++; return loads, err }, every: time.Hour, limit: time.Second,
		now: func() time.Time { return now },
	}
	steps := []struct {
		what   string
		pass   time.Duration
		missed bool
		err    error
		want   int
	}{
		{"first", 0, false, nil, 1},
		{"again", time.Hour - 1, false, nil, 1},
		{"old", 1, false, nil, 2},
		{"missed too soon", retryAfter - 1, true, nil, 2},
		{"missed", 1, true, nil, 3},
		{"old, and it fails", time.Hour, false, errors.New("away"), 3},
		{"failed, too soon", retryAfter - 1, false, nil, 3},
		{"failed, again", 1, false, nil, 5},
		{"the clock was set back", -24 * time.Hour, false, nil, 6},
	}
	for _, s := range steps {
		now, err = now.Add(s.pass), s.err
		if got, known := r.get(t.Context(), s.missed); got != s.want || !known {
			t.Fatalf("%s: %d, known %t, want %d", s.what, got, known, s.want)
		}
	}
	if _, known := failing[int](errors.New("away")).get(t.Context(), false); known {
		t.Error("known without an answer")
	}
}

// One worker looks up; the others wait for the first answer, and later go on with
// the last one.
func TestRefreshedByOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var loads atomic.Int32
		answered := make(chan struct{})
		r := &refreshed[int32]{
			load: func(context.Context) (int32, error) { n := loads.Add(1); <-answered; return n, nil }, every: time.Hour, limit: time.Minute, now: time.Now,
		}
		got := make(chan int32, 10)
		for range 5 {
			go func() { n, _ := r.get(t.Context(), false); got <- n }()
		}
		answered <- struct{}{} // a second lookup would wait for ever
		for range 5 {
			if n := <-got; n != 1 {
				t.Errorf("answer %d", n)
			}
		}
		time.Sleep(time.Hour) // of the bubble's clock
		for range 3 {
			go func() { n, _ := r.get(t.Context(), false); got <- n }()
		}
		synctest.Wait()
		if len(got) != 2 || loads.Load() != 2 {
			t.Errorf("%d go on while one looks up, %d lookups", len(got), loads.Load())
		}
		answered <- struct{}{}
		synctest.Wait()
	})
}

// hanging is an API server that answers nothing.
type hanging struct {
	discovery.ServerResourcesInterfaceWithContext
}

func (hanging) ServerVersionWithContext(ctx context.Context) (*version.Info, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func (hanging) ServerGroupsAndResourcesWithContext(ctx context.Context) ([]*metav1.APIGroup, []*metav1.APIResourceList, error) {
	<-ctx.Done()
	return nil, nil, ctx.Err()
}

// An API server that does not answer holds no worker up for longer than a call may take,
// and one that is to end not even so long.
func TestRefreshedWithoutAnAnswer(t *testing.T) {
	c := fake.NewClientBuilder().WithInterceptorFuncs(interceptor.Funcs{
		Create: func(ctx context.Context, _ client.WithWatch, _ client.Object, _ ...client.CreateOption) error {
			<-ctx.Done()
			return ctx.Err()
		},
	}).Build()
	synctest.Test(t, func(t *testing.T) {
		o := NewOptions()
		o.CallTimeout = time.Second
		f, k := newFeatures(c, hanging{}, o), newKinds(hanging{}, o)
		began := time.Now()
		through := make(chan time.Duration, 8)
		for range 3 {
			go func() { f.get(t.Context()); through <- time.Since(began) }()
			go func() { k.find(t.Context(), deployments); through <- time.Since(began) }()
		}
		synctest.Wait() // each has one who looks up
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		go func() { f.get(ctx); through <- time.Since(began) }()
		if took := <-through; took != time.Millisecond {
			t.Errorf("it ends after %s", took)
		}
		for range 6 {
			if took := <-through; took > 2*o.CallTimeout {
				t.Errorf("a worker is through after %s", took)
			}
		}
	})
}

func TestKindTable(t *testing.T) {
	lists := []*metav1.APIResourceList{
		{GroupVersion: "v1", APIResources: []metav1.APIResource{
			{Name: "replicationcontrollers", Kind: "ReplicationController"},
			{Name: "replicationcontrollers/scale", Group: "autoscaling", Version: "v1", Kind: "Scale"},
		}},
		{GroupVersion: "apps/v1", APIResources: []metav1.APIResource{
			{Name: "deployments/scale", Group: "autoscaling", Version: "v1", Kind: "Scale"}, {Name: "deployments", Kind: "Deployment"},
			{Name: "deployments/status", Kind: "Deployment"}, {Name: "daemonsets", Kind: "DaemonSet"},
		}},
		{GroupVersion: "apps/v1beta1", APIResources: []metav1.APIResource{
			{Name: "deployments", Kind: "Deployment"}, {Name: "deployments/scale", Kind: "Scale"}, {Name: "orphans/scale", Kind: "Scale"},
		}},
	}
	k := &kinds{fixed(newKindTable(lists, map[schema.GroupVersion]error{{Group: "example.com", Version: "v1"}: errors.New("away")}))}
	type answer struct {
		GVR           schema.GroupVersionResource
		Served, Known bool
	}
	want := map[schema.GroupKind]answer{
		{Kind: "ReplicationController"}:            {schema.GroupVersionResource{Version: "v1", Resource: "replicationcontrollers"}, true, true},
		deployments:                                {inApps, true, true},
		{Group: "apps", Kind: "DaemonSet"}:         {Served: true, Known: true},
		{Group: "apps", Kind: "Rocket"}:            {Known: true},
		{Group: "apps", Kind: "Scale"}:             {Known: true},
		{Group: "example.com", Kind: "Deployment"}: {},
	}
	got := map[schema.GroupKind]answer{}
	for gk := range want {
		gvr, served, known := k.find(t.Context(), gk)
		got[gk] = answer{gvr, served, known}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// What was found by trying stays when it cannot be tried any more: a webhook, or the API
// server, that fails for a while takes no feature away. That is no answer of a version.
func TestFeaturesOfATryStay(t *testing.T) {
	scheme, err := newScheme()
	if err != nil {
		t.Fatal(err)
	}
	fails := errors.New("a webhook does not answer")
	failing := fails
	c := fake.NewClientBuilder().WithScheme(scheme).WithInterceptorFuncs(interceptor.Funcs{
		Create: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.CreateOption) error {
			if failing != nil {
				return failing
			}
			return c.Create(ctx, o, opts...)
		},
	}).Build()
	now, o := at, NewOptions()
	o.Now = func() time.Time { return now }
	// A version at which nothing is supported by default.
	disco := &fakediscovery.FakeDiscovery{Fake: &clienttesting.Fake{}, FakedServerVersion: &version.Info{GitVersion: "v1.29.0"}}
	f := newFeatures(c, disco, o)
	for i, step := range []struct {
		fails error
		pass  time.Duration
		want  bool
	}{
		{fails, 0, false}, {nil, o.DiscoveryInterval, true}, {fails, o.DiscoveryInterval, true}, {fails, retryAfter, true}, {nil, retryAfter, true},
	} {
		failing, now = step.fails, now.Add(step.pass)
		if got := f.get(t.Context()); got.ScaleToZero != step.want || got.ContainerResource != step.want || !got.Known() {
			t.Errorf("step %d: %+v", i, got)
		}
	}
	o.CallTimeout = 2 * time.Second // a quarter of which is spent on it
	if got := newFeatures(c, hanging{}, o).get(t.Context()); !got.ScaleToZero || !got.Known() {
		t.Errorf("%+v without a version", got)
	}
}

// What the API server takes is found by trying, and nothing is stored.
func TestFeatures(t *testing.T) {
	invalid := apierrors.NewInvalid(schema.GroupKind{Kind: "HorizontalPodAutoscaler"}, "x", field.ErrorList{
		field.Invalid(field.NewPath("spec", "minReplicas"), 0, "must be greater than or equal to 1"),
	})
	byVersion, err := hpa.Assume("v1.37.2")
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		zero, more error
		drops      bool // fields whose gate is off
		version    string
		want       hpa.Capabilities
		assumed    bool
	}{
		"all":                  {want: hpa.Capabilities{ScaleToZero: true, Tolerance: true, ContainerResource: true}},
		"the gate before 1.37": {version: "v1.36.1", want: hpa.Capabilities{ScaleToZero: true, StrandsAtZero: true, Tolerance: true, ContainerResource: true}},
		"no zero":              {zero: invalid, want: hpa.Capabilities{Tolerance: true, ContainerResource: true}},
		"no tolerance":         {drops: true, want: hpa.Capabilities{ScaleToZero: true, ContainerResource: true}},
		"an old cluster":       {zero: invalid, more: invalid, want: hpa.Capabilities{}},
		"no right":             {zero: apierrors.NewForbidden(hpas, "", errors.New("no")), want: byVersion, assumed: true},
		"no dry run":           {more: apierrors.NewBadRequest("a webhook does not support dry run"), want: byVersion, assumed: true},
		"no such namespace":    {zero: apierrors.NewNotFound(schema.GroupResource{Resource: "namespaces"}, "x"), want: byVersion, assumed: true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			scheme, err := newScheme()
			if err != nil {
				t.Fatal(err)
			}
			c := fake.NewClientBuilder().WithScheme(scheme).WithInterceptorFuncs(interceptor.Funcs{
				Create: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.CreateOption) error {
					h := o.(*autoscalingv2.HorizontalPodAutoscaler)
					if err := tt.zero; err != nil && *h.Spec.MinReplicas == 0 {
						return err
					}
					if err := tt.more; err != nil && h.Spec.Behavior != nil {
						return err
					}
					if tt.drops && h.Spec.Behavior != nil {
						h.Spec.Behavior.ScaleUp.Tolerance = nil
					}
					return c.Create(ctx, o, opts...)
				},
			}).Build()
			o := NewOptions()
			o.Now = func() time.Time { return at }
			disco := &fakediscovery.FakeDiscovery{Fake: &clienttesting.Fake{}, FakedServerVersion: &version.Info{GitVersion: "v1.37.2"}}
			if tt.version != "" {
				disco.FakedServerVersion.GitVersion = tt.version
			}
			f := newFeatures(c, disco, o)
			if !tt.assumed {
				tt.want.Version, tt.want.Probed = *disco.FakedServerVersion, at
			}
			if diff := cmp.Diff(tt.want, f.get(t.Context())); diff != "" {
				t.Error(diff)
			}
			var stored autoscalingv2.HorizontalPodAutoscalerList
			if err := c.List(t.Context(), &stored); err != nil || len(stored.Items) > 0 {
				t.Errorf("%d stored, %v", len(stored.Items), err)
			}
		})
	}
}
