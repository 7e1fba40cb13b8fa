package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	jsonpatch "gopkg.in/evanphx/json-patch.v4"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/loadline/loadline/policy/decide"
)

func (u *uninstaller) do(ctx context.Context, s step) error {
	switch s.verb {
	case doDelete:
		return u.delete(ctx, s.object)
	case doWait:
		return u.until(ctx, func(ctx context.Context) (bool, error) {
			now, err := u.one(ctx, kind{s.object.resource, s.object.kind}, s.object.namespace, s.object.name)
			return now == nil || now.uid != s.object.uid, err
		})
	case doDrain:
		return u.drain(ctx)
	}
	return fmt.Errorf("nobody knows how to %s", s.verb)
}

// delete deletes an object, unless another of its name has taken its place.
func (u *uninstaller) delete(ctx context.Context, o object) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	// The pods of a Deployment go, too.
	background := metav1.DeletePropagationBackground
	err := u.client.Resource(o.resource).Namespace(o.namespace).Delete(ctx, o.name, metav1.DeleteOptions{
		PropagationPolicy: &background, Preconditions: &metav1.Preconditions{UID: &o.uid},
	})
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

// until waits until what was deleted is gone.
func (u *uninstaller) until(ctx context.Context, gone wait.ConditionWithContextFunc) error {
	err := wait.PollUntilContextTimeout(ctx, 500*time.Millisecond, u.timeout, true, gone)
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("it is still there after %s; call this again when it is gone", u.timeout)
	}
	return err
}

// apply writes an HPA that is on its way as loadline-policy does, which therefore finds
// nothing that is not its own where it is installed again meanwhile.
func (u *uninstaller) apply(ctx context.Context, next *autoscalingv2.HorizontalPodAutoscaler, resourceVersion string) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	tree, err := runtime.DefaultUnstructuredConverter.ToUnstructured(next)
	if err != nil {
		return err
	}
	delete(tree, "status")
	fields := &unstructured.Unstructured{Object: tree}
	unstructured.RemoveNestedField(tree, "metadata", "creationTimestamp")
	fields.SetResourceVersion(resourceVersion)
	_, err = u.client.Resource(hpasResource()).Namespace(next.Namespace).Apply(ctx, next.Name, fields, metav1.ApplyOptions{FieldManager: decide.FieldManager, Force: true})
	return err
}

// releaseAttempts is how often an HPA is read again that has changed meanwhile: its
// controller writes the status of each at most once in a sync.
const releaseAttempts = 5

// free lets an HPA go in one write, which is refused if it has changed since it was
// read.
func (u *uninstaller) free(ctx context.Context, h *autoscalingv2.HorizontalPodAutoscaler, atOnce bool) error {
	for attempt := 1; ; attempt++ {
		err := u.tryFree(ctx, h.Namespace, h.Name, atOnce)
		if !apierrors.IsConflict(err) || attempt == releaseAttempts {
			return err
		}
	}
}

func (u *uninstaller) tryFree(ctx context.Context, namespace, name string, atOnce bool) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	hpas := u.client.Resource(hpasResource()).Namespace(namespace)
	live, err := hpas.Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	var h autoscalingv2.HorizontalPodAutoscaler
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(live.Object, &h); err != nil {
		return err
	}
	if !concerns(&h) {
		return nil
	}
	free, _ := decide.Free(&h)
	if !atOnce {
		m := decide.LetGo(&h, decide.Letting{Now: u.now(), Settings: decide.Defaults()})
		if !m.Done {
			return nil // its minimum was raised, or it came to one pod, meanwhile: the next round sees to it
		}
		free = m.HPA
	}
	patch, err := releasePatch(&h, free)
	if err != nil {
		return err
	}
	_, err = hpas.Patch(ctx, name, types.MergePatchType, patch, metav1.PatchOptions{FieldManager: "kubectl-loadline"})
	return err
}

// releasePatch is what makes an HPA free: as a patch it leaves alone what this program
// does not know about.
func releasePatch(h, free *autoscalingv2.HorizontalPodAutoscaler) ([]byte, error) {
	freed := free.DeepCopy()
	freed.ManagedFields = decide.Disowned(freed.ManagedFields, decide.FieldManager)
	// As a part of the patch it is a condition: what has changed since is refused.
	known := h.DeepCopy()
	known.ResourceVersion = ""
	before, err := json.Marshal(known)
	if err != nil {
		return nil, err
	}
	after, err := json.Marshal(freed)
	if err != nil {
		return nil, err
	}
	return jsonpatch.CreateMergePatch(before, after)
}
