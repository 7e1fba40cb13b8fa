package cli

import (
	"fmt"
	"io"
	"slices"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	"github.com/loadline/loadline/policy/decide"
	"github.com/loadline/loadline/policy/hpa"
)

// object is one that can be deleted.
type object struct {
	resource        schema.GroupVersionResource
	kind            string
	namespace, name string
	uid             types.UID
}

func (o object) String() string {
	if o.namespace == "" {
		return o.kind + " " + o.name
	}
	return o.kind + " " + o.namespace + "/" + o.name
}

// inventory is what there is of loadline-policy in a cluster.
type inventory struct {
	webhooks    []object
	deployments []object
	pods        int
	// leaders are the Leases that somebody holds, of whichever loadline-policy.
	leaders []lease
	// hpas are those that it made or took over, or that a policy owns.
	hpas     []autoscalingv2.HorizontalPodAutoscaler
	policies int
	crd      *object
	// others are its accounts, roles and the like.
	others []object
}

// step is one thing to do.
type step struct {
	verb   string
	object object
	// why says more about it.
	why string
}

// The verbs of a step.
const (
	doDelete  = "delete"
	doWait    = "wait for the end of"
	doDrain   = "wait for the end of all"
	doRelease = "release"
)

func (s step) String() string {
	text := s.verb + " " + s.object.String()
	if s.why != "" {
		text += ": " + s.why
	}
	return text
}

// phase is some steps after which the cluster is read again.
type phase struct {
	name  string
	steps []step
}

func (p phase) print(to io.Writer) {
	for _, s := range p.steps {
		fmt.Fprintln(to, s)
	}
}

// releasePhase is the name of the phase whose steps are carried out side by side.
const releasePhase = "release"

// planUninstall returns what is left to do, in an order in which no HPA goes: nobody
// writes HPAs any more, no HPA is owned any more, and only then the policies go.
func planUninstall(found inventory, o planOptions) []phase {
	stop := phase{name: "stop"}
	// What nobody answers any more is not to be asked.
	for _, d := range slices.Concat(found.webhooks, found.deployments) {
		stop.steps = append(stop.steps, step{verb: doDelete, object: d})
	}
	if len(found.deployments)+found.pods+len(found.leaders) > 0 {
		stop.steps = append(stop.steps, step{verb: doDrain, object: object{resource: podsResource(), kind: "pods of", name: "loadline-policy"}})
	}
	release := phase{name: releasePhase}
	for i := range found.hpas {
		h := &found.hpas[i]
		release.steps = append(release.steps, step{
			verb: doRelease, why: leaving(h, o),
			object: object{resource: hpasResource(), kind: "HorizontalPodAutoscaler", namespace: h.Namespace, name: h.Name, uid: h.UID},
		})
	}
	crd := phase{name: "crd"}
	if found.crd != nil && !o.keepCRD {
		crd.steps = append(crd.steps,
			step{verb: doDelete, object: *found.crd, why: fmt.Sprintf("and with it %d policies", found.policies)},
			step{verb: doWait, object: *found.crd})
	}
	rest := phase{name: "rest"}
	for _, o := range found.others {
		rest.steps = append(rest.steps, step{verb: doDelete, object: o})
	}
	return slices.DeleteFunc([]phase{stop, release, crd, rest}, func(p phase) bool { return len(p.steps) == 0 })
}

// planOptions are what a plan depends on besides the cluster.
type planOptions struct {
	keepCRD bool
	// atOnce: floors are taken away in one write.
	atOnce bool
	now    time.Time
}

// leaving says how an HPA leaves.
func leaving(h *autoscalingv2.HorizontalPodAutoscaler, o planOptions) string {
	_, why := decide.Free(h)
	if o.atOnce {
		return why
	}
	m := decide.LetGo(h, decide.Letting{Now: o.now, Settings: decide.Defaults()})
	if !floored(h, m) {
		return m.Why
	}
	text := fmt.Sprintf("its min %d comes down to %d step by step", ptr.Deref(h.Spec.MinReplicas, 1), m.Goal)
	if m.Stuck {
		text += ", when it can read its metrics"
	}
	if dying := decide.Dying(h.Spec); dying != "" {
		text += "; " + dying
	}
	return text
}

// floored says whether an HPA has a minimum above the one that it is to come to.
func floored(h *autoscalingv2.HorizontalPodAutoscaler, m decide.Move) bool {
	return ptr.Deref(h.Spec.MinReplicas, 1) > m.Goal
}

// cliffs counts the HPAs whose floors would be taken away at once.
func cliffs(found inventory, now time.Time) int {
	n := 0
	for i := range found.hpas {
		if h := &found.hpas[i]; floored(h, decide.LetGo(h, decide.Letting{Now: now, Settings: decide.Defaults()})) {
			n++
		}
	}
	return n
}

// concerns says whether an HPA is one to release: it bears our mark, is on its way, or
// has a policy as its owner, with which it would go.
func concerns(h *autoscalingv2.HorizontalPodAutoscaler) bool {
	return h.Annotations[hpa.PolicyUIDAnnotation] != "" || h.Annotations[decide.StepAnnotation] != "" || owned(h)
}

func owned(h *autoscalingv2.HorizontalPodAutoscaler) bool {
	return slices.ContainsFunc(h.OwnerReferences, hpa.IsPolicy)
}
