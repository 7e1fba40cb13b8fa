package cli

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/loadline/loadline/policy/decide"
)

// everything is a cluster with all there can be.
func everything(t *testing.T) inventory {
	t.Helper()
	_, live := sound(t)
	live.UID = "h"
	return inventory{
		deployments: []object{{kind: "Deployment", namespace: "loadline-system", name: "loadline-policy", uid: "d"}},
		pods:        1,
		hpas:        []autoscalingv2.HorizontalPodAutoscaler{*live},
		policies:    1,
		crd:         &object{kind: "CustomResourceDefinition", name: "autoscalingpolicies.loadline.dev", uid: "c"},
		others:      []object{{kind: "ClusterRole", name: "loadline-policy", uid: "r"}},
	}
}

// at is when the tests happen.
var at = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

// raised are HPAs with a floor of 6.
func raised(hpas []autoscalingv2.HorizontalPodAutoscaler) []autoscalingv2.HorizontalPodAutoscaler {
	h := hpas[0].DeepCopy()
	h.Spec.MinReplicas = ptr.To[int32](6)
	h.Status.Conditions = []autoscalingv2.HorizontalPodAutoscalerCondition{
		{Type: autoscalingv2.AbleToScale, Status: "True"}, {Type: autoscalingv2.ScalingActive, Status: "True", LastTransitionTime: metav1.NewTime(at.Add(-time.Hour))},
	}
	return []autoscalingv2.HorizontalPodAutoscaler{*h}
}

// querying are HPAs whose only metric is a query of their policy.
func querying(hpas []autoscalingv2.HorizontalPodAutoscaler) []autoscalingv2.HorizontalPodAutoscaler {
	h := hpas[0].DeepCopy()
	h.Spec.Metrics = []autoscalingv2.MetricSpec{{Type: autoscalingv2.ExternalMetricSourceType, External: &autoscalingv2.ExternalMetricSource{Metric: autoscalingv2.MetricIdentifier{Name: "loadline-query.web.load"}}}}
	return []autoscalingv2.HorizontalPodAutoscaler{*h}
}

// Whatever there is, HPAs are let go after their writer is gone and before their
// policies are; and what is done once is not in the next plan.
func TestPlanUninstall(t *testing.T) {
	for name, tc := range map[string]struct {
		edit            func(*inventory)
		keepCRD, atOnce bool
		want            []string
	}{
		"all of it": {func(*inventory) {}, false, false, []string{
			"stop: delete Deployment loadline-system/loadline-policy",
			"stop: wait for the end of all pods of loadline-policy",
			"release: release HorizontalPodAutoscaler shop/web: it keeps its spec, with min 2",
			"crd: delete CustomResourceDefinition autoscalingpolicies.loadline.dev: and with it 1 policies",
			"crd: wait for the end of CustomResourceDefinition autoscalingpolicies.loadline.dev",
			"rest: delete ClusterRole loadline-policy",
		}},
		"broken off while pods end": {func(i *inventory) { i.deployments = nil }, false, false, []string{
			"stop: wait for the end of all pods of loadline-policy",
			"release: release HorizontalPodAutoscaler shop/web: it keeps its spec, with min 2",
			"crd: delete CustomResourceDefinition autoscalingpolicies.loadline.dev: and with it 1 policies",
			"crd: wait for the end of CustomResourceDefinition autoscalingpolicies.loadline.dev",
			"rest: delete ClusterRole loadline-policy",
		}},
		"with a webhook": {func(i *inventory) {
			*i = inventory{deployments: i.deployments, webhooks: []object{{kind: "ValidatingWebhookConfiguration", name: "loadline-policy", uid: "w"}}}
		}, false, false, []string{
			"stop: delete ValidatingWebhookConfiguration loadline-policy",
			"stop: delete Deployment loadline-system/loadline-policy",
			"stop: wait for the end of all pods of loadline-policy",
		}},
		"the CRD is kept": {func(i *inventory) { i.pods = 0 }, true, false, []string{
			"stop: delete Deployment loadline-system/loadline-policy",
			"stop: wait for the end of all pods of loadline-policy",
			"release: release HorizontalPodAutoscaler shop/web: it keeps its spec, with min 2",
			"rest: delete ClusterRole loadline-policy",
		}},
		"broken off after the HPAs": {func(i *inventory) { i.deployments, i.pods, i.hpas = nil, 0, nil }, false, false, []string{
			"crd: delete CustomResourceDefinition autoscalingpolicies.loadline.dev: and with it 1 policies",
			"crd: wait for the end of CustomResourceDefinition autoscalingpolicies.loadline.dev",
			"rest: delete ClusterRole loadline-policy",
		}},
		"a loadline-policy of another label": {func(i *inventory) { *i = inventory{leaders: []lease{{}}} }, false, false, []string{
			"stop: wait for the end of all pods of loadline-policy",
		}},
		"with a floor": {func(i *inventory) { *i = inventory{hpas: raised(i.hpas)} }, false, false, []string{
			"release: release HorizontalPodAutoscaler shop/web: its min 6 comes down to 2 step by step",
		}},
		"with a floor and without metrics": {func(i *inventory) {
			*i = inventory{hpas: raised(i.hpas)}
			i.hpas[0].Status = autoscalingv2.HorizontalPodAutoscalerStatus{Conditions: []autoscalingv2.HorizontalPodAutoscalerCondition{
				{Type: autoscalingv2.ScalingActive, Status: "False", Reason: "FailedGetPodsMetric", Message: "no"},
			}}
		}, false, false, []string{
			"release: release HorizontalPodAutoscaler shop/web: its min 6 comes down to 2 step by step, when it can read its metrics",
		}},
		"with a query": {func(i *inventory) { *i = inventory{hpas: querying(i.hpas)} }, false, false, []string{
			"release: release HorizontalPodAutoscaler shop/web: it keeps its spec, with min 2; loadline-query.web.load is served only while the policy is in the cluster: without it the HPA keeps its size, so give it another metric",
		}},
		"with a query and a floor": {func(i *inventory) { *i = inventory{hpas: querying(raised(i.hpas))} }, false, false, []string{
			"release: release HorizontalPodAutoscaler shop/web: its min 6 comes down to 2 step by step; loadline-query.web.load is served only while the policy is in the cluster: without it the HPA keeps its size, so give it another metric",
		}},
		"with a floor, at once": {func(i *inventory) { *i = inventory{hpas: raised(i.hpas)} }, false, true, []string{
			"release: release HorizontalPodAutoscaler shop/web: it keeps its spec, with min 2 without the floors",
		}},
		"nothing is left":              {func(i *inventory) { *i = inventory{} }, false, false, nil},
		"only the CRD, and it is kept": {func(i *inventory) { *i = inventory{crd: i.crd} }, true, false, nil},
	} {
		t.Run(name, func(t *testing.T) {
			found := everything(t)
			tc.edit(&found)
			var got []string
			for _, p := range planUninstall(found, planOptions{keepCRD: tc.keepCRD, atOnce: tc.atOnce, now: at}) {
				for _, s := range p.steps {
					got = append(got, p.name+": "+s.String())
				}
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// An HPA is ours by our mark, or by an owner with which it would go.
func TestConcerns(t *testing.T) {
	owner := func(apiVersion, kind string) func(*autoscalingv2.HorizontalPodAutoscaler) {
		return func(h *autoscalingv2.HorizontalPodAutoscaler) {
			h.ObjectMeta = metav1.ObjectMeta{OwnerReferences: []metav1.OwnerReference{{APIVersion: apiVersion, Kind: kind, Name: "web", UID: "u"}}}
		}
	}
	for name, tc := range map[string]struct {
		edit func(*autoscalingv2.HorizontalPodAutoscaler)
		want bool
	}{
		"marked and owned":                 {func(*autoscalingv2.HorizontalPodAutoscaler) {}, true},
		"marked":                           {func(h *autoscalingv2.HorizontalPodAutoscaler) { h.OwnerReferences = nil }, true},
		"without its label":                {func(h *autoscalingv2.HorizontalPodAutoscaler) { h.Labels, h.OwnerReferences = nil, nil }, true},
		"owned":                            {owner("loadline.dev/v1alpha1", "AutoscalingPolicy"), true},
		"owned by a policy of later times": {owner("loadline.dev/v9", "AutoscalingPolicy"), true},
		"another's":                        {owner("keda.sh/v1alpha1", "ScaledObject"), false},
		"another's kind of the same name":  {owner("example.org/v1", "AutoscalingPolicy"), false},
		"nobody's":                         {func(h *autoscalingv2.HorizontalPodAutoscaler) { h.ObjectMeta = metav1.ObjectMeta{} }, false},
		"asked for and not taken over": {func(h *autoscalingv2.HorizontalPodAutoscaler) {
			h.ObjectMeta = metav1.ObjectMeta{Annotations: map[string]string{decide.AdoptAnnotation: "web"}}
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			_, h := sound(t)
			tc.edit(h)
			if got := concerns(h); got != tc.want {
				t.Errorf("%t", got)
			}
		})
	}
}

// The write that lets an HPA go is refused if the HPA has changed, takes everything of
// ours and leaves what is others'.
func TestReleasePatch(t *testing.T) {
	_, h := sound(t)
	h.ResourceVersion = "77"
	h.Labels["team"], h.Annotations["note"] = "a", "b"
	h.Spec.MinReplicas = ptr.To[int32](4) // a floor
	h.Status.Conditions = []autoscalingv2.HorizontalPodAutoscalerCondition{
		{Type: autoscalingv2.AbleToScale, Status: "True"}, {Type: autoscalingv2.ScalingActive, Status: "True"},
	}
	h.ManagedFields = []metav1.ManagedFieldsEntry{
		{Manager: decide.FieldManager, Operation: metav1.ManagedFieldsOperationApply},
		{Manager: "kube-controller-manager", Operation: metav1.ManagedFieldsOperationUpdate, Subresource: "status"},
	}
	before := h.DeepCopy()
	free, _ := decide.Free(h)
	data, err := releasePatch(h, free)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, h); diff != "" {
		t.Errorf("it changes the HPA that it is given: %s", diff)
	}
	var got map[string]any
	if err := json.Unmarshal(data, &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"metadata": map[string]any{
			"resourceVersion": "77",
			"labels":          map[string]any{"app.kubernetes.io/managed-by": nil, "loadline.dev/policy": nil},
			"annotations":     map[string]any{"loadline.dev/min": nil, "loadline.dev/policy-uid": nil},
			"ownerReferences": nil,
			"managedFields":   []any{map[string]any{"manager": "kube-controller-manager", "operation": "Update", "subresource": "status"}},
		},
		"spec": map[string]any{"minReplicas": 2.0},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}

	h.ManagedFields = h.ManagedFields[:1]
	free, _ = decide.Free(h)
	if data, err = releasePatch(h, free); err != nil || !strings.Contains(string(data), `"managedFields":[{}]`) {
		t.Errorf("%v: %s: an empty list would leave them as they are", err, data)
	}
}

// Phases come one by one, each from a new look; a failure ends it all, and so does what
// is there again after it was done away with.
func TestCarryOut(t *testing.T) {
	one := func(name string) phase {
		return phase{name: name, steps: []step{{verb: doDelete, object: object{kind: name, name: "x"}}}}
	}
	for name, tc := range map[string]struct {
		looks [][]phase // what each look finds
		fail  string    // the kind whose deletion fails
		done  []string
		err   string
	}{
		"in order":           {[][]phase{{one("A"), one("B")}, {one("B")}, nil}, "", []string{"A", "B"}, ""},
		"nothing to do":      {[][]phase{nil}, "", nil, ""},
		"a failure":          {[][]phase{{one("A"), one("B")}}, "A", []string{"A"}, "delete A x: no"},
		"it is there again":  {[][]phase{{one("A"), one("B")}, {one("A"), one("B")}}, "", []string{"A"}, "there is something to delete A x again"},
		"it comes back late": {[][]phase{{one("A"), one("B")}, {one("B")}, {one("A")}}, "", []string{"A", "B"}, "there is something to delete A x again"},
	} {
		t.Run(name, func(t *testing.T) {
			var done []string
			look := 0
			err := carryOut(t.Context(), func(context.Context) ([]phase, error) {
				look++
				return tc.looks[look-1], nil
			}, func(ctx context.Context, p phase) error {
				return inTurn(ctx, io.Discard, p, func(_ context.Context, s step) error {
					done = append(done, s.object.kind)
					if s.object.kind == tc.fail {
						return errors.New("no")
					}
					return nil
				})
			})
			if diff := cmp.Diff(tc.done, done); diff != "" {
				t.Error(diff)
			}
			if (err == nil) != (tc.err == "") || err != nil && !strings.HasPrefix(err.Error(), tc.err) {
				t.Errorf("%v, want %q", err, tc.err)
			}
		})
	}
}

// Whoever is asked and says nothing has said no.
func TestConfirm(t *testing.T) {
	for answer, want := range map[string]bool{"y\n": true, " YES \n": true, "n\n": false, "\n": false, "": false, "yesterday\n": false} {
		var out strings.Builder
		if got := confirm(strings.NewReader(answer), &out); got != want {
			t.Errorf("%q: %t", answer, got)
		}
	}
}
