package cli

import (
	"fmt"
	"io"
	"slices"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

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
	deployments []object
	pods        int
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

// planUninstall returns what is left to do, in an order in which no HPA goes: nobody
// writes HPAs any more, no HPA is owned any more, and only then the policies go.
func planUninstall(found inventory, keepCRD bool) []phase {
	stop := phase{name: "stop"}
	for _, d := range found.deployments {
		stop.steps = append(stop.steps, step{verb: doDelete, object: d})
	}
	if len(found.deployments) > 0 || found.pods > 0 {
		stop.steps = append(stop.steps, step{verb: doDrain, object: object{resource: podsResource(), kind: "pods of", name: "loadline-policy"}})
	}
	release := phase{name: "release"}
	for i := range found.hpas {
		h := &found.hpas[i]
		_, why := decide.Free(h)
		release.steps = append(release.steps, step{
			verb: doRelease, why: why,
			object: object{resource: hpasResource(), kind: "HorizontalPodAutoscaler", namespace: h.Namespace, name: h.Name, uid: h.UID},
		})
	}
	crd := phase{name: "crd"}
	if found.crd != nil && !keepCRD {
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

// concerns says whether an HPA is one to release: it bears our mark or has a policy as
// its owner, with which it would go.
func concerns(h *autoscalingv2.HorizontalPodAutoscaler) bool {
	return h.Annotations[hpa.PolicyUIDAnnotation] != "" || owned(h)
}

func owned(h *autoscalingv2.HorizontalPodAutoscaler) bool {
	return slices.ContainsFunc(h.OwnerReferences, hpa.IsPolicy)
}
