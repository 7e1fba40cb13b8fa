package decide

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/loadline/loadline/policy/api/v1alpha1"
	"github.com/loadline/loadline/policy/hpa"
)

// Who scales a target when another does, or wants to.
func TestRivals(t *testing.T) {
	older, younger := metav1.NewTime(at.Add(-48*time.Hour)), metav1.NewTime(at.Add(-time.Hour))
	const made, elsewhere = true, true
	for name, tc := range map[string]struct {
		rival Rival
		// made: our HPA is on the target already; elsewhere: it is on another one.
		made, elsewhere, adopted bool
		mode                     v1alpha1.Mode
		action                   Kind
		conflict                 string
		ready                    string
	}{
		"an older policy without an HPA":              {rival: Rival{Policy: "x", Created: older}, conflict: "True TwoPolicies", ready: "False TwoPolicies"},
		"an older policy without, idle":               {rival: Rival{Policy: "x", Created: older, Idle: true}, action: Apply, conflict: "False NoConflict", ready: "True Applied"},
		"a younger policy without an HPA":             {rival: Rival{Policy: "x", Created: younger}, action: Apply, conflict: "False NoConflict", ready: "True Applied"},
		"a younger policy that is taking the target":  {rival: Rival{Policy: "x", Created: younger, Claimed: true}, conflict: "True TwoPolicies", ready: "False TwoPolicies"},
		"a younger policy's HPA is there":             {rival: Rival{Policy: "x", HPA: "x", Created: younger}, conflict: "True TwoPolicies", ready: "False TwoPolicies"},
		"a younger policy's HPA, and ours on another": {rival: Rival{Policy: "x", HPA: "x", Created: younger}, elsewhere: elsewhere, conflict: "True TwoPolicies", ready: "False TwoPolicies"},
		"an older policy wants it, ours is there":     {rival: Rival{Policy: "x", Created: older}, made: made, conflict: "False NoConflict", ready: "True Applied"},
		"both HPAs are there, ours is older":          {rival: Rival{Policy: "x", HPA: "x", Created: younger}, made: made, conflict: "True TwoPolicies", ready: "True Applied"},
		"both HPAs are there, ours is younger":        {rival: Rival{Policy: "x", HPA: "x", Created: older}, made: made, action: DeleteLoser, conflict: "True TwoPolicies", ready: "False TwoPolicies"},
		"both are there, ours is younger, DryRun":     {rival: Rival{Policy: "x", HPA: "x", Created: older}, made: made, mode: v1alpha1.DryRun, conflict: "True TwoPolicies", ready: "False TwoPolicies"},
		"both are there, ours is younger, Paused":     {rival: Rival{Policy: "x", HPA: "x", Created: older}, made: made, mode: v1alpha1.Paused, action: Apply, conflict: "True TwoPolicies", ready: "False Paused"},
		"both are there, ours was adopted":            {rival: Rival{Policy: "x", HPA: "x", Created: older}, made: made, adopted: true, conflict: "True TwoPolicies", ready: "False TwoPolicies"},
		"as old, a smaller UID":                       {rival: Rival{Policy: "x", HPA: "x", Created: metav1.NewTime(at.Add(-24 * time.Hour)), PolicyUID: "a"}, made: made, action: DeleteLoser, conflict: "True TwoPolicies", ready: "False TwoPolicies"},
		"an edited HPA of an older policy on ours":    {rival: Rival{Policy: "x", HPA: "x", Created: older, Elsewhere: true}, made: made, conflict: "True TwoPolicies", ready: "True Applied"},
		"an edited HPA of one that is idle":           {rival: Rival{Policy: "x", HPA: "x", Created: older, Elsewhere: true, Idle: true}, made: made, conflict: "True TwoPolicies", ready: "True Applied"},
		"an HPA that is about to leave":               {rival: Rival{Policy: "x", HPA: "x", Created: younger, Elsewhere: true}, elsewhere: elsewhere, conflict: "True TwoPolicies", ready: "False TwoPolicies"},
		"a foreign HPA first":                         {rival: Rival{HPA: "theirs"}, conflict: "True ForeignHPA", ready: "False ForeignHPA"},
		"a foreign HPA later":                         {rival: Rival{HPA: "theirs"}, made: made, conflict: "True ForeignHPA", ready: "True Applied"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			if tc.made || tc.elsewhere {
				w.rest()
			}
			if tc.elsewhere {
				w.spec(func(s *v1alpha1.AutoscalingPolicySpec) { s.TargetRef.Name = "api" })
			}
			if tc.adopted {
				w.edit(func(h *autoscalingv2.HorizontalPodAutoscaler) { h.Annotations[SavedAnnotation] = "{}" })
			}
			if tc.mode != "" {
				w.spec(func(s *v1alpha1.AutoscalingPolicySpec) { s.Mode = tc.mode })
			}
			w.rivals = []Rival{tc.rival}
			p := w.turn()
			var kind Kind
			if p.Action != nil {
				kind = p.Action.Kind
			}
			if kind != tc.action || w.condition(v1alpha1.Conflict) != tc.conflict || w.condition(v1alpha1.Ready) != tc.ready {
				t.Errorf("action %q, %s, %s; want %q, %s, %s", kind, w.condition(v1alpha1.Conflict), w.condition(v1alpha1.Ready), tc.action, tc.conflict, tc.ready)
			}
			if strings.HasPrefix(tc.conflict, "True") && !w.happened(EventConflict) {
				t.Errorf("no Event Conflict in %v", w.events)
			}
			if tc.elsewhere && w.live.Spec.ScaleTargetRef.Name != "web" {
				t.Error("the HPA left its target for one that is taken")
			}
		})
	}
}

// An older policy that makes no HPA is not said to scale anything, and what it needs is said.
func TestOlderPolicyWithoutAnHPA(t *testing.T) {
	w := newWorld(t)
	w.rivals = []Rival{{Policy: "x", Created: metav1.NewTime(at.Add(-48 * time.Hour)), Unready: "spec.objectives: add one"}}
	p := w.rest()
	want := "the policy x, which is older, names the Deployment web, too, and comes first, although it has no HPA there yet (spec.objectives: add one): mend it, or delete one of the two"
	if diff := cmp.Diff(want, w.message(v1alpha1.Ready)); diff != "" || p.Next == 0 {
		t.Errorf("next %s\n%s", p.Next, diff)
	}
}

// foreign returns an HPA that somebody else made.
func foreign(managers ...metav1.ManagedFieldsEntry) *autoscalingv2.HorizontalPodAutoscaler {
	return &autoscalingv2.HorizontalPodAutoscaler{
		ObjectMeta: metav1.ObjectMeta{
			Name: "web", Namespace: "shop", UID: "u-theirs", ResourceVersion: "7", Generation: 1,
			Annotations: map[string]string{"team": "shop"}, ManagedFields: managers,
		},
		Spec: autoscalingv2.HorizontalPodAutoscalerSpec{
			ScaleTargetRef: autoscalingv2.CrossVersionObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Name: "web"},
			MinReplicas:    ptr.To(int32(6)), MaxReplicas: 9,
		},
	}
}

// An HPA of our name is taken over only if it says so and nobody goes on writing it.
func TestAdoption(t *testing.T) {
	entry := func(manager string, op metav1.ManagedFieldsOperationType) metav1.ManagedFieldsEntry {
		return metav1.ManagedFieldsEntry{Manager: manager, Operation: op}
	}
	people := entry("kubectl-client-side-apply", metav1.ManagedFieldsOperationUpdate)
	for name, tc := range map[string]struct {
		live    *autoscalingv2.HorizontalPodAutoscaler
		partial bool
		adopt   string
		label   string
		// manager is the value of its label managed-by.
		manager string
		owner   string
		reason  string
	}{
		"not asked":              {live: foreign(people), reason: ForeignHPA},
		"a copy of one of ours":  {live: foreign(people), adopt: "", label: hpa.PolicyLabel, reason: ForeignHPA},
		"for another policy":     {live: foreign(people), adopt: "other", reason: ForeignHPA},
		"made by people":         {live: foreign(people), adopt: "web", reason: Applied},
		"labelled by people":     {live: foreign(people), adopt: "web", manager: "shop-team", reason: Applied},
		"its status is":          {live: foreign(people, metav1.ManagedFieldsEntry{Manager: "x", Operation: metav1.ManagedFieldsOperationApply, Subresource: "status"}), adopt: "web", reason: Applied},
		"applied by a server":    {live: foreign(entry("kubectl", metav1.ManagedFieldsOperationApply)), adopt: "web", reason: FieldOwner},
		"updated by Helm":        {live: foreign(entry("helm", metav1.ManagedFieldsOperationUpdate)), adopt: "web", reason: FieldOwner},
		"updated by Argo CD":     {live: foreign(entry("argocd-controller", metav1.ManagedFieldsOperationUpdate)), adopt: "web", reason: FieldOwner},
		"marked by Argo CD":      {live: foreign(people), adopt: "web", label: "argocd.argoproj.io/instance", reason: FieldOwner},
		"another's":              {live: foreign(people), adopt: "web", owner: "ScaledObject", reason: FieldOwner},
		"its owners are unknown": {live: foreign(), partial: true, adopt: "web", reason: FieldOwner},
		"nobody is on record":    {live: foreign(), adopt: "web", reason: Applied},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.live, w.partial = tc.live, tc.partial
			before := *w.live.Spec.DeepCopy()
			if tc.adopt != "" {
				w.live.Annotations[AdoptAnnotation] = tc.adopt
			}
			if tc.owner != "" {
				w.live.OwnerReferences = []metav1.OwnerReference{{APIVersion: "keda.sh/v1alpha1", Kind: tc.owner, Name: "x", UID: "1", Controller: ptr.To(true)}}
			}
			if tc.label != "" {
				w.live.Labels = map[string]string{tc.label: "web"}
			}
			if tc.manager != "" {
				w.live.Labels = map[string]string{hpa.ManagedByLabel: tc.manager}
			}
			w.turn()
			if got := reasonOf(&w.policy.Status, v1alpha1.Ready); got != tc.reason {
				t.Fatalf("%s: %s; want %s", got, w.message(v1alpha1.Ready), tc.reason)
			}
			if tc.reason != Applied {
				if len(w.writes) != 1 || w.condition(v1alpha1.Conflict) != "True "+tc.reason {
					t.Errorf("writes %v, %s", w.writes, w.condition(v1alpha1.Conflict))
				}
				return
			}
			if manager, ok := w.live.Annotations[SavedManagerAnnotation]; ok != (tc.manager != "") || manager != tc.manager {
				t.Errorf("the label's value was %q: saved %q", tc.manager, manager)
			}
			if saved, err := hpa.Restore(w.live.Annotations[SavedAnnotation]); err != nil || *saved.MinReplicas != *before.MinReplicas || saved.MaxReplicas != before.MaxReplicas {
				t.Errorf("saved %+v, %v", saved, err)
			}
			if w.min() != 6 || w.live.UID != "u-theirs" || !w.happened(EventAdopted) {
				t.Errorf("min %d of %s, %v: it is to come down step by step", w.min(), w.live.UID, w.events)
			}
			w.pass(time.Hour)
			if w.min() != 2 || w.live.Annotations[SavedAnnotation] == "" || w.live.Annotations["team"] != "shop" {
				t.Errorf("min %d, annotations %v", w.min(), w.live.Annotations)
			}
		})
	}
}

// An HPA whose spec is too long to be kept is not taken over: it could not be given back.
func TestNoAdoptionWithoutASavedSpec(t *testing.T) {
	w := newWorld(t)
	w.live = foreign()
	w.live.Annotations[AdoptAnnotation] = "web"
	w.live.Spec.Metrics = []autoscalingv2.MetricSpec{{Type: autoscalingv2.ExternalMetricSourceType, External: &autoscalingv2.ExternalMetricSource{
		Metric: autoscalingv2.MetricIdentifier{Name: "x", Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"y": strings.Repeat("v", hpa.MaxSaved)}}},
	}}}
	if w.rest(); w.condition(v1alpha1.Ready) != "False ForeignHPA" || !strings.Contains(w.message(v1alpha1.Conflict), "could not be given back") || w.count(string(Apply), 0) > 0 {
		t.Errorf("%s: %s, writes %v", w.condition(v1alpha1.Ready), w.message(v1alpha1.Conflict), w.writes)
	}
}

// What the message about another writer says to do leads to the adoption.
func TestAdoptionAfterAnotherWriter(t *testing.T) {
	w := newWorld(t)
	w.live = foreign(
		metav1.ManagedFieldsEntry{Manager: "argocd-controller", Operation: metav1.ManagedFieldsOperationApply},
		metav1.ManagedFieldsEntry{Manager: "helm", Operation: metav1.ManagedFieldsOperationUpdate},
	)
	w.live.Labels = map[string]string{hpa.ManagedByLabel: "Helm", "argocd.argoproj.io/instance": "shop", "team": "shop"}
	w.live.Annotations[AdoptAnnotation], w.live.Annotations["meta.helm.sh/release-name"] = "web", "shop"
	const (
		label    = "kubectl -n shop label hpa web app.kubernetes.io/managed-by- argocd.argoproj.io/instance-"
		annotate = "kubectl -n shop annotate hpa web meta.helm.sh/release-name-"
		patch    = `kubectl -n shop patch hpa web --type=merge -p '{"metadata":{"managedFields":[{}]}}'`
	)
	for _, step := range []struct {
		says string
		does func(*autoscalingv2.HorizontalPodAutoscaler)
	}{
		{label + "; " + annotate + "; " + patch, func(h *autoscalingv2.HorizontalPodAutoscaler) { h.Labels = map[string]string{"team": "shop"} }},
		{": " + annotate + "; " + patch, func(h *autoscalingv2.HorizontalPodAutoscaler) { delete(h.Annotations, "meta.helm.sh/release-name") }},
		{": " + patch, func(h *autoscalingv2.HorizontalPodAutoscaler) { h.ManagedFields = nil }},
	} {
		w.pass(2 * time.Minute) // words are written with the values
		if says := w.message(v1alpha1.Conflict); w.condition(v1alpha1.Conflict) != "True FieldOwner" || !strings.HasSuffix(says, step.says) {
			t.Fatalf("%s: %s\nwant %s", w.condition(v1alpha1.Conflict), says, step.says)
		}
		w.edit(step.does)
	}
	if w.rest(); !w.happened(EventAdopted) || w.condition(v1alpha1.Ready) != "True Applied" {
		t.Errorf("%s, Events %v", w.condition(v1alpha1.Ready), w.events)
	}
}

// A change of target is one write on the same HPA, floors included.
func TestRetarget(t *testing.T) {
	w := newWorld(t, scheduled("0 5 * * *", time.Hour, 5))
	w.rest()
	uid := w.live.UID
	w.spec(func(s *v1alpha1.AutoscalingPolicySpec) {
		s.TargetRef.Name, s.Objectives[0].RequestRate.Metric = "api", "api_requests"
	})
	n := len(w.writes)
	p := w.turn()
	if p.Action == nil || !p.Action.Retargets || p.Action.ResourceVersion == "" {
		t.Fatalf("%+v", p.Action)
	}
	w.rest()
	if w.count(string(Apply), n) != 1 || w.live.UID != uid || w.live.Spec.ScaleTargetRef.Name != "api" || w.min() != 5 ||
		w.live.Spec.Metrics[0].Pods.Metric.Name != "api_requests" {
		t.Errorf("writes %v, %s, %+v", w.writes[n:], w.live.UID, w.live.Spec)
	}
	if !slices.Contains(w.events, EventRetargeted) {
		t.Errorf("Events %v", w.events)
	}
}

// A saved spec that cannot be read is not thrown away: perhaps people can.
func TestAnUnreadableSavedSpecStays(t *testing.T) {
	live := foreign()
	live.Labels = map[string]string{hpa.PolicyLabel: live.Name}
	live.Annotations = map[string]string{ReleaseAnnotation: ReleaseRestore, SavedAnnotation: "{", hpa.PolicyUIDAnnotation: "u"}
	free, why := Free(live)
	if diff := cmp.Diff(map[string]string{SavedAnnotation: "{"}, free.Annotations); diff != "" {
		t.Error(diff)
	}
	if !strings.Contains(why, SavedAnnotation) {
		t.Errorf("nothing is said of it: %s", why)
	}
}
