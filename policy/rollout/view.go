package rollout

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash/fnv"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
)

// RevisionAnnotation is where Strip keeps the revision of a pod template that it drops.
const RevisionAnnotation = "loadline.dev/template-revision"

// View is how far a workload's rollout is. It is comparable.
type View struct {
	UID types.UID
	// Revision tells pod templates apart. It is ours: a Deployment does not say the name
	// of its own before its controller has seen the template.
	Revision string
	// Size is spec.replicas.
	Size int32
	// Observed: the controller has seen the present spec. What follows is of an older one
	// otherwise.
	Observed bool
	// Updated are the pods of the newest revision, Old those of others, Terminating those
	// of any that are on their way out, where the cluster counts them. Available are those
	// that serve, of all revisions.
	Updated, Old, Terminating, Available int32
	// Waits is why it does not go on by itself, for people; empty where it does.
	Waits string
	// Failed: it is past its progress deadline.
	Failed bool
	// NoDeadline: nobody says when it takes too long.
	NoDeadline bool
}

// Complete says whether all pods that are wanted are there, of the newest revision, and
// serve, and no others are left.
func (v View) Complete() bool {
	return v.Observed && v.Old == 0 && v.Terminating == 0 && v.Updated >= v.Size && v.Available >= v.Size
}

// Progress is how far it is, for people.
func (v View) Progress() string {
	text := fmt.Sprintf("%d of %d pods are updated, %d serve", min(v.Updated, v.Size), v.Size, v.Available)
	switch {
	case !v.Observed:
		return "its controller has not begun"
	case v.Old > 0:
		text += fmt.Sprintf(", %d are old", v.Old)
	case v.Terminating > 0:
		text += fmt.Sprintf(", %d are terminating", v.Terminating)
	}
	if v.Waits != "" {
		text += "; " + v.Waits
	}
	return text
}

// OfDeployment is how kubectl rollout status reads one (DeploymentStatusViewer), with
// pods that are terminating where the cluster counts them (status.terminatingReplicas).
func OfDeployment(d *appsv1.Deployment) View {
	v := View{
		UID: d.UID, Revision: revision(d.Annotations, &d.Spec.Template), Size: ptr.Deref(d.Spec.Replicas, 1),
		Observed: d.Status.ObservedGeneration >= d.Generation,
		Updated:  d.Status.UpdatedReplicas, Old: d.Status.Replicas - d.Status.UpdatedReplicas,
		Terminating: ptr.Deref(d.Status.TerminatingReplicas, 0), Available: d.Status.AvailableReplicas,
	}
	if d.Spec.Paused {
		v.Waits = fmt.Sprintf("it is paused: kubectl rollout resume deployment %s", d.Name)
		return v
	}
	for _, c := range d.Status.Conditions {
		if c.Type == appsv1.DeploymentProgressing && c.Status == corev1.ConditionFalse && c.Reason == "ProgressDeadlineExceeded" {
			v.Failed = true
			v.Waits = fmt.Sprintf("it is past its progress deadline: see kubectl describe deployment %s, then mend the template or kubectl rollout undo deployment %s", d.Name, d.Name)
		}
	}
	return v
}

// OfStatefulSet is how far a StatefulSet is. Its updatedReplicas count the pods of the
// update revision whichever strategy it has; its currentRevision never follows under
// OnDelete (completeRollingUpdate in stateful_set_utils.go), so it says nothing here.
//
// A rollout that is undone halfway has the two revisions equal at once, while pods of the
// other one serve (getStatefulSetRevisions in stateful_set_control.go reuses it). They
// cannot be told from pods that end, which replicas count and updatedReplicas do not
// (computeReplicaStatus): Old is 0, and the rollout is complete once Updated is Size.
func OfStatefulSet(s *appsv1.StatefulSet) View {
	v := View{
		UID: s.UID, Revision: revision(s.Annotations, &s.Spec.Template), Size: ptr.Deref(s.Spec.Replicas, 1),
		Observed: s.Status.ObservedGeneration >= s.Generation,
		Updated:  s.Status.UpdatedReplicas, Available: s.Status.AvailableReplicas, NoDeadline: true,
	}
	if s.Status.UpdateRevision != s.Status.CurrentRevision {
		v.Old = s.Status.Replicas - s.Status.UpdatedReplicas
	}
	undone := v.Updated < v.Size && v.Available >= v.Size // none is away, so that the others are old
	switch roll := s.Spec.UpdateStrategy.RollingUpdate; {
	case v.Old <= 0 && !undone:
	case s.Spec.UpdateStrategy.Type == appsv1.OnDeleteStatefulSetStrategyType:
		v.Waits = "its strategy is OnDelete: it goes on as pods are deleted"
	case roll != nil && ptr.Deref(roll.Partition, 0) > 0 && v.Updated >= v.Size-*roll.Partition:
		v.Waits = fmt.Sprintf("it stands at its partition %d: lower that to go on", *roll.Partition)
	}
	return v
}

// OfReplicationController is one that never rolls out anything: what replaces its pods
// is another one in its place.
func OfReplicationController(c *corev1.ReplicationController) View {
	return View{
		UID: c.UID, Revision: noRevision, Size: ptr.Deref(c.Spec.Replicas, 1), Observed: c.Status.ObservedGeneration >= c.Generation,
		Updated: c.Status.Replicas, Available: c.Status.AvailableReplicas,
	}
}

// OfReplicaSet is as OfReplicationController, with pods that are terminating where the
// cluster counts them.
func OfReplicaSet(s *appsv1.ReplicaSet) View {
	return View{
		UID: s.UID, Revision: noRevision, Size: ptr.Deref(s.Spec.Replicas, 1), Observed: s.Status.ObservedGeneration >= s.Generation,
		Updated: s.Status.Replicas, Available: s.Status.AvailableReplicas, Terminating: ptr.Deref(s.Status.TerminatingReplicas, 0),
	}
}

// noRevision is that of all that has no others.
const noRevision = "-"

// revision tells pod templates apart, by the annotation of a stripped object or by the
// template itself.
func revision(annotations map[string]string, t *corev1.PodTemplateSpec) string {
	if r := annotations[RevisionAnnotation]; r != "" && len(t.Spec.Containers) == 0 {
		return r
	}
	data, err := json.Marshal(t)
	if err != nil {
		panic(fmt.Sprintf("a pod template of the API that is no JSON: %v", err))
	}
	h := fnv.New64a()
	h.Write(data) // which never fails
	return hex.EncodeToString(h.Sum(nil))
}
