package controller

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/version"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/loadline/loadline/policy/api/v1alpha1"
	"github.com/loadline/loadline/policy/decide"
	"github.com/loadline/loadline/policy/hpa"
)

// deployment is an HPA on a Deployment, of the policy of its name if ours.
func deployment(name, target string, ours bool) *autoscalingv2.HorizontalPodAutoscaler {
	h := &autoscalingv2.HorizontalPodAutoscaler{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name, UID: types.UID("h-" + name), CreationTimestamp: metav1.NewTime(at.Add(-time.Minute).Local())},
		Spec:       autoscalingv2.HorizontalPodAutoscalerSpec{ScaleTargetRef: autoscalingv2.CrossVersionObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Name: target}},
	}
	if ours {
		h.Labels = map[string]string{hpa.PolicyLabel: name}
	}
	return h
}

// Rivals are whoever scales the same target or means to: by its HPA, by its spec, or
// by a write that is under way.
func TestRivals(t *testing.T) {
	created := newPolicy().CreationTimestamp
	other := func(name, target string) *v1alpha1.AutoscalingPolicy {
		return newPolicy(func(p *v1alpha1.AutoscalingPolicy) { p.Name, p.UID, p.Spec.TargetRef.Name = name, "u-other", target })
	}
	invalid := other("api", "web")
	invalid.Status.Conditions = []metav1.Condition{
		{Type: v1alpha1.Ready, Status: metav1.ConditionFalse, Reason: decide.InvalidSpec, Message: "no such metric"},
	}
	unlabelled := deployment("api", "web", false)
	unlabelled.Annotations = map[string]string{hpa.PolicyUIDAnnotation: "u-other"}
	tests := map[string]struct {
		objects []client.Object
		claim   string
		want    []decide.Rival
	}{
		"nobody":            {[]client.Object{deployment("web", "web", true), deployment("api", "api", false), other("api", "api")}, "", nil},
		"a foreign HPA":     {[]client.Object{deployment("own", "web", false)}, "", []decide.Rival{{HPA: "own", Created: metav1.NewTime(at.Add(-time.Minute).Local())}}},
		"a policy":          {[]client.Object{other("api", "web")}, "", []decide.Rival{{Policy: "api", PolicyUID: "u-other", Created: created}}},
		"an invalid policy": {[]client.Object{invalid}, "", []decide.Rival{{Policy: "api", PolicyUID: "u-other", Created: created, Unready: "no such metric"}}},
		"with its HPA":      {[]client.Object{other("api", "web"), deployment("api", "web", true)}, "", []decide.Rival{{Policy: "api", PolicyUID: "u-other", Created: created, HPA: "api"}}},
		"about to leave":    {[]client.Object{other("api", "elsewhere"), deployment("api", "web", true)}, "", []decide.Rival{{Policy: "api", PolicyUID: "u-other", Created: created, HPA: "api", Elsewhere: true}}},
		"its label is gone": {[]client.Object{other("api", "elsewhere"), unlabelled}, "", []decide.Rival{{Policy: "api", PolicyUID: "u-other", Created: created, HPA: "api", Elsewhere: true}}},
		"left by a policy":  {[]client.Object{deployment("api", "web", true)}, "", []decide.Rival{{HPA: "api", Created: metav1.NewTime(at.Add(-time.Minute).Local())}}},
		"a claim":           {[]client.Object{other("api", "web")}, "api", []decide.Rival{{Policy: "api", PolicyUID: "u-other", Created: created, Claimed: true}}},
		"its own claim":     {nil, "web", nil},
		"another kind":      {[]client.Object{newPolicy(func(p *v1alpha1.AutoscalingPolicy) { p.Name, p.Spec.TargetRef.Kind = "set", "StatefulSet" })}, "", nil},
		"another version":   {[]client.Object{newPolicy(func(p *v1alpha1.AutoscalingPolicy) { p.Name, p.Spec.TargetRef.APIVersion = "old", "apps/v1beta1" })}, "", []decide.Rival{{Policy: "old", PolicyUID: "u-web", Created: created}}},
		"another namespace": {[]client.Object{newPolicy(func(p *v1alpha1.AutoscalingPolicy) { p.Name, p.Namespace = "api", "bank" })}, "", nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, append(tt.objects, newPolicy())...)
			if tt.claim != "" {
				key := web
				key.Name = tt.claim
				w.claims.take(policyTarget(newPolicy()), key)
			}
			s, err := w.gather(t.Context(), web, nil)
			if err != nil {
				t.Fatal(err)
			}
			if len(s.Rivals) == 0 {
				s.Rivals = nil
			}
			if diff := cmp.Diff(tt.want, s.Rivals); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// An HPA that somebody edits onto another policy's target is put back, and costs that
// policy nothing: its HPA, with all its history, stays.
func TestAnEditOfOneHPACostsNoOther(t *testing.T) {
	api := types.NamespacedName{Namespace: web.Namespace, Name: "api"}
	w := newWorld(t, newPolicy(), newPolicy(func(p *v1alpha1.AutoscalingPolicy) {
		p.Name, p.UID, p.Spec.TargetRef.Name = "api", "u-api", "api"
		p.CreationTimestamp = metav1.NewTime(at.Add(-48 * time.Hour))
	}))
	w.settle(t)
	for range 3 {
		if _, err := w.turn(t.Context(), api); err != nil {
			t.Fatal(err)
		}
	}
	before := w.hpa(t, "web")
	edited := w.hpa(t, "api")
	edited.Spec.ScaleTargetRef.Name = "web"
	if err := w.client.Update(t.Context(), edited); err != nil {
		t.Fatal(err)
	}
	for _, key := range []types.NamespacedName{web, api, web} {
		w.made()
		if _, err := w.turn(t.Context(), key); err != nil {
			t.Fatal(err)
		}
		if made := w.made(); slices.Contains(made, "delete") {
			t.Errorf("%s wrote %v", key.Name, made)
		}
	}
	if got := w.hpa(t, "api").Spec.ScaleTargetRef.Name; got != "api" {
		t.Errorf("the edited HPA scales %s", got)
	}
	if diff := cmp.Diff(before.Spec, w.hpa(t, "web").Spec); diff != "" {
		t.Error(diff)
	}
}

var (
	deployments = schema.GroupKind{Group: "apps", Kind: "Deployment"}
	inApps      = schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "deployments"}
)

// The target is told by its kind, and its scale where the HPA cannot tell it yet.
func TestTarget(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		switch r.URL.Path {
		case "/apis/apps/v1/namespaces/shop/deployments/web/scale":
			w.Write([]byte(`{"kind":"Scale","apiVersion":"autoscaling/v1","spec":{"replicas":3}}`))
		case "/apis/apps/v1/namespaces/shop/deployments/later/scale":
			w.WriteHeader(http.StatusNotFound)
			w.Write([]byte(`{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"NotFound","code":404,"message":"deployments \"later\" not found"}`))
		default:
			w.WriteHeader(http.StatusForbidden)
			w.Write([]byte(`{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Forbidden","code":403,"message":"no right"}`))
		}
	}))
	defer server.Close()
	clientset, err := kubernetes.NewForConfig(&rest.Config{Host: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	defer clientset.RESTClient().(*rest.RESTClient).Client.CloseIdleConnections()
	apps := kindTable{
		served: map[schema.GroupKind]bool{deployments: true, {Group: "apps", Kind: "DaemonSet"}: true},
		scale:  map[schema.GroupKind]schema.GroupVersionResource{deployments: inApps},
	}
	known := deployment("web", "web", true)
	tests := map[string]struct {
		kind, name string
		observed   int64
		live       *autoscalingv2.HorizontalPodAutoscaler
		table      error
		want       decide.Target
	}{
		"found":          {kind: "Deployment", name: "web", want: decide.Target{State: decide.TargetFound, Replicas: 3}},
		"with an HPA":    {kind: "Deployment", name: "web", live: known, observed: 1, want: decide.Target{}},
		"a new spec":     {kind: "Deployment", name: "web", live: known, want: decide.Target{State: decide.TargetFound, Replicas: 3}},
		"not there":      {kind: "Deployment", name: "later", want: decide.Target{State: decide.TargetNotFound}},
		"not to be read": {kind: "Deployment", name: "hidden"},
		"no such kind":   {kind: "Rocket", name: "web", want: decide.Target{State: decide.TargetKindUnknown}},
		"no scale":       {kind: "DaemonSet", name: "web", want: decide.Target{State: decide.TargetNotScalable}},
		"nothing known":  {kind: "Deployment", name: "web", table: errors.New("no discovery")},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.scales = clientset.CoreV1().RESTClient()
			w.kinds = &kinds{fixed(apps)}
			if tt.table != nil {
				w.kinds = &kinds{failing[kindTable](tt.table)}
			}
			p := newPolicy(func(p *v1alpha1.AutoscalingPolicy) {
				p.Spec.TargetRef.Kind, p.Spec.TargetRef.Name, p.Status.ObservedGeneration = tt.kind, tt.name, tt.observed
			})
			if diff := cmp.Diff(tt.want, w.target(t.Context(), decide.Snapshot{Policy: p, Live: tt.live})); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// What a decision waits for and nobody watches is looked at again.
func TestLookAgain(t *testing.T) {
	probed := hpa.Capabilities{Version: version.Info{GitVersion: "v1.37.2"}}
	zero := newPolicy(func(p *v1alpha1.AutoscalingPolicy) { p.Spec.Replicas.Min = 0 })
	tests := map[string]struct {
		s    decide.Snapshot
		next time.Duration
		want time.Duration
	}{
		"nothing to wait for":     {decide.Snapshot{Policy: newPolicy(), Capabilities: probed}, 0, 0},
		"a time":                  {decide.Snapshot{Policy: newPolicy(), Capabilities: probed}, time.Hour, time.Hour},
		"a kind":                  {decide.Snapshot{Policy: newPolicy(), Capabilities: probed, Target: decide.Target{State: decide.TargetKindUnknown}}, 0, retryAfter},
		"a kind, or a later time": {decide.Snapshot{Policy: newPolicy(), Capabilities: probed, Target: decide.Target{State: decide.TargetKindUnknown}}, time.Hour, retryAfter},
		"a kind, or a time":       {decide.Snapshot{Policy: newPolicy(), Capabilities: probed, Target: decide.Target{State: decide.TargetNotScalable}}, time.Second, time.Second},
		"features":                {decide.Snapshot{Policy: newPolicy()}, 0, retryAfter},
		"scale to zero":           {decide.Snapshot{Policy: zero, Capabilities: probed}, 0, 10 * time.Minute},
		"no policy":               {decide.Snapshot{}, 0, 0},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := newWorld(t).lookAgain(tt.s, tt.next); got != tt.want {
				t.Errorf("%s, want %s", got, tt.want)
			}
		})
	}
}

// A query that the adapter is going to refuse is said in the policy's status at once.
func TestQueryIsChecked(t *testing.T) {
	w := newWorld(t, newPolicy(func(p *v1alpha1.AutoscalingPolicy) {
		p.Spec.Objectives = []v1alpha1.Objective{{Query: &v1alpha1.Query{Name: "all", Expr: "sum(up @ 0)", PerPod: ptr.To(resource.MustParse("1"))}}}
	}))
	if _, err := w.turn(t.Context(), web); err != nil {
		t.Fatal(err)
	}
	if got := w.policy(t).Status; got.State != decide.StateInvalid || got.Conditions[0].Reason != decide.QueryRefused || !strings.Contains(got.Conditions[0].Message, "spec.objectives[0].query.expr") {
		t.Errorf("%+v", got)
	}
	if diff := cmp.Diff([]string{"status"}, w.made()); diff != "" {
		t.Error(diff)
	}
}

// An HPA that a policy with deletionPolicy Orphan leaves is let go, and the Event is
// about the HPA.
func TestOrphan(t *testing.T) {
	w := newWorld(t, newPolicy(func(p *v1alpha1.AutoscalingPolicy) { p.Spec.DeletionPolicy = v1alpha1.Orphan }))
	w.settle(t)
	w.events.all = nil
	if err := w.client.Delete(t.Context(), w.policy(t)); err != nil {
		t.Fatal(err)
	}
	w.settle(t)
	h := w.hpa(t, "web")
	if len(h.Labels)+len(h.Annotations)+len(h.OwnerReferences) > 0 || *h.Spec.MinReplicas != 2 {
		t.Errorf("%+v", h)
	}
	if len(w.events.all) != 1 || !strings.HasPrefix(w.events.all[0], "Normal Released the HPA web") {
		t.Errorf("Events %q", w.events.all)
	}
}

// One whose floor is in force is taken down in steps first, by whichever process runs
// then, and is told of when that begins and when it ends.
func TestOrphanWithAFloor(t *testing.T) {
	w := newWorld(t, newPolicy(func(p *v1alpha1.AutoscalingPolicy) {
		p.Spec.DeletionPolicy, p.Spec.Replicas.Max = v1alpha1.Orphan, 8
		p.Spec.Schedules = []v1alpha1.Schedule{{Name: "s", Start: "0 5 * * *", Duration: metav1.Duration{Duration: time.Hour}, Min: 8}}
	}))
	w.settle(t)
	h := w.hpa(t, "web")
	if *h.Spec.MinReplicas != 8 {
		t.Fatalf("min %d", *h.Spec.MinReplicas)
	}
	sync := func() { // the fake drops the status of what is applied
		h := w.hpa(t, "web")
		h.Status.Conditions = []autoscalingv2.HorizontalPodAutoscalerCondition{
			{Type: autoscalingv2.AbleToScale, Status: "True"},
			{Type: autoscalingv2.ScalingActive, Status: "True", Reason: "ValidMetricFound", LastTransitionTime: metav1.NewTime(at.Add(-time.Hour))},
		}
		m := h.Spec.Metrics[0].Pods.Metric
		h.Status.CurrentMetrics = []autoscalingv2.MetricStatus{{Type: autoscalingv2.PodsMetricSourceType, Pods: &autoscalingv2.PodsMetricStatus{Metric: m}}}
		if err := w.client.Update(t.Context(), h); err != nil {
			t.Fatal(err)
		}
	}
	w.events.all = nil
	if err := w.client.Delete(t.Context(), w.policy(t)); err != nil {
		t.Fatal(err)
	}
	var seen []int32
	began := w.now
	for range 6 {
		sync()
		next, err := w.turn(t.Context(), web)
		if err != nil {
			t.Fatal(err)
		}
		seen = append(seen, *w.hpa(t, "web").Spec.MinReplicas)
		w.now = w.now.Add(next)
	}
	// A quarter each 30 s, as the profile Balanced has it.
	if diff := cmp.Diff([]int32{8, 6, 4, 3, 2, 2}, seen); diff != "" || w.now.Sub(began) != 2*time.Minute+time.Second {
		t.Errorf("%safter %s", diff, w.now.Sub(began))
	}
	h = w.hpa(t, "web")
	if len(h.Labels)+len(h.Annotations) > 0 || slices.ContainsFunc(h.ManagedFields, func(e metav1.ManagedFieldsEntry) bool { return e.Manager == Name }) {
		t.Errorf("left of ours: %+v", h.ObjectMeta)
	}
	if len(w.events.all) != 2 || !strings.HasPrefix(w.events.all[0], "Normal Releasing the HPA web is being let go: min 8 goes to 2") ||
		!strings.HasPrefix(w.events.all[1], "Normal Released the HPA web is no longer Loadline's") {
		t.Errorf("Events %q", w.events.all)
	}
}
