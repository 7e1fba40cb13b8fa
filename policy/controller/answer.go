package controller

import (
	"context"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/loadline/loadline/policy/decide"
)

// errOvertaken says that what the decision was made from is no longer so.
var errOvertaken = errors.New("overtaken")

// errRefused is the API server's no to a write.
var errRefused = errors.New("the API server refuses the HPA")

// overtaken makes errOvertaken of a conflict about the resourceVersion or the UID, and
// of an object that is gone. A conflict about who owns a field is a refusal.
func overtaken(err error) error {
	if apierrors.IsConflict(err) && !apierrors.HasStatusCause(err, metav1.CauseTypeFieldManagerConflict) || apierrors.IsNotFound(err) {
		return fmt.Errorf("%w: %w", errOvertaken, err)
	}
	return err
}

// refused is the API server's no to a write, or nil where there was none. What may
// pass, such as a time-out or too many requests, is none.
func refused(err error) *decide.Refusal {
	switch {
	case apierrors.HasStatusCause(err, metav1.CauseTypeFieldManagerConflict):
		return &decide.Refusal{Conflict: true, Message: err.Error()}
	case apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause):
		return nil // garbage collection is about to take the policy, too
	case apierrors.IsInvalid(err), apierrors.IsForbidden(err), apierrors.IsBadRequest(err):
		return &decide.Refusal{Message: err.Error()}
	}
	return nil
}

// reason is a word of few for the metric of errors.
func reason(err error) string {
	if errors.Is(err, errRefused) {
		return "refused"
	}
	if errors.Is(err, context.DeadlineExceeded) || apierrors.IsTimeout(err) || apierrors.IsServerTimeout(err) {
		return "timeout"
	}
	if status := apierrors.APIStatus(nil); errors.As(err, &status) {
		return "answer"
	}
	return "connection"
}
