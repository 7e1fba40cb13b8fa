package decide

import (
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/loadline/loadline/policy/hpa"
)

// Annotations by which people ask for something, and the one in which an adopted HPA's
// own spec is kept.
const (
	// AdoptAnnotation on an HPA names the policy that may take it over.
	AdoptAnnotation = "loadline.dev/adopt"
	// ReleaseAnnotation on an HPA lets it go while its policy is paused or gone: with
	// the spec that it had before (ReleaseRestore), or with the present one without
	// floors (ReleaseKeep).
	ReleaseAnnotation = "loadline.dev/release"
	ReleaseRestore    = "restore"
	ReleaseKeep       = "keep"
	// SavedAnnotation has the spec that an HPA had before it was adopted.
	SavedAnnotation = "loadline.dev/saved-spec"
	// SavedManagerAnnotation has the value that its label app.kubernetes.io/managed-by had
	// before; without it, it had no such label.
	SavedManagerAnnotation = "loadline.dev/saved-managed-by"
	// StepAnnotation says how far an HPA is that is being let go: see LetGo.
	StepAnnotation = "loadline.dev/release-step"

	// annotationPrefix is that of all of ours.
	annotationPrefix = "loadline.dev/"
)

// FieldManager is the name under which we own fields.
const FieldManager = "loadline-policy"

// HPAController is the field manager of what the HPA controller writes: the name of its
// binary, by which client-go calls itself where nothing else is set.
const HPAController = "kube-controller-manager"

// ours says whether the HPA was made or taken over by us, for the policy of its name.
// One whose label somebody took away still is, by the policy's UID: an edit by hand is
// put right, and does not make it anybody else's.
func ours(s Snapshot) bool {
	if s.Live == nil {
		return false
	}
	uid := s.Live.Annotations[hpa.PolicyUIDAnnotation]
	return uid != "" && (s.Live.Labels[hpa.PolicyLabel] == s.Live.Name || s.Policy != nil && uid == string(s.Policy.UID))
}

// NeedsFields says whether the decision about an HPA needs its managedFields: whether
// one that is not ours asks to be adopted.
func NeedsFields(s Snapshot) bool {
	return s.Policy != nil && s.Live != nil && !ours(s) && s.Live.Annotations[AdoptAnnotation] == s.Policy.Name
}

// Disowned returns managedFields without what a manager owns, for an update of the object.
func Disowned(fields []metav1.ManagedFieldsEntry, manager string) []metav1.ManagedFieldsEntry {
	rest := slices.DeleteFunc(slices.Clone(fields), func(e metav1.ManagedFieldsEntry) bool { return e.Manager == manager })
	if len(rest) == 0 {
		// The API server's way to say none; an empty list leaves them as they are.
		return []metav1.ManagedFieldsEntry{{}}
	}
	return rest
}

// claim says why the HPA of the policy's name is not ours to write; nil if it is, if it
// is to be adopted, and if there is none.
func (d *decision) claim() *finding {
	if d.Live == nil || ours(d.Snapshot) {
		return nil
	}
	name := d.Live.Name
	if !NeedsFields(d.Snapshot) {
		return &finding{reason: ForeignHPA, state: StateConflict, conflict: true, message: fmt.Sprintf(
			"there is an HPA %s that Loadline did not make. To take it over: kubectl annotate hpa %s %s=%s. Otherwise delete it, or name the policy differently",
			name, name, AdoptAnnotation, name)}
	}
	writer, commands := "somebody: its managedFields are not known", []string(nil)
	if d.Whole {
		writer, commands = Continuing(&d.Live.ObjectMeta)
	}
	if writer != "" {
		f := &finding{reason: FieldOwner, state: StateConflict, conflict: true, message: fmt.Sprintf(
			"the HPA %s is written by %s, which would undo what Loadline writes: take the HPA out of there first, without having it deleted from the cluster", name, writer)}
		if len(commands) > 0 {
			f.message += ". Then remove what is left of it: " + clip(strings.Join(commands, "; "))
		}
		return f
	}
	saved, err := hpa.Save(d.Live.Spec)
	if err != nil {
		return &finding{reason: ForeignHPA, state: StateConflict, conflict: true, message: fmt.Sprintf(
			"the HPA %s is not taken over, as it could not be given back: %s. Make it shorter, or delete it", name, clip(err.Error()))}
	}
	d.adopt, d.saved = true, saved
	return nil
}

// carrySaved keeps what an adoption replaces in what is applied: an annotation
// that we own and leave out of an apply is removed by it.
func (d *decision) carrySaved() {
	switch {
	case d.adopt:
		// One write both saves and replaces: the resourceVersion sees to it that what is
		// replaced is what was saved.
		d.want.Annotations[SavedAnnotation] = d.saved
		if manager, ok := d.Live.Labels[hpa.ManagedByLabel]; ok {
			d.want.Annotations[SavedManagerAnnotation] = manager
		}
	case d.Live != nil:
		for _, key := range []string{SavedAnnotation, SavedManagerAnnotation} {
			if saved, ok := d.Live.Annotations[key]; ok {
				d.want.Annotations[key] = saved
			}
		}
	}
}

// pointers turns paths of fields into JSON pointers. None of them goes through a list.
func pointers(paths []string) []string {
	out := make([]string, 0, len(paths))
	for _, p := range paths {
		out = append(out, "/"+strings.ReplaceAll(p, ".", "/"))
	}
	return out
}
