package provider

import (
	"errors"
	"net/http"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/loadline/loadline/provider/metric"
)

// maxMessage bounds what reaches a condition of an HPA, in bytes.
const maxMessage = 1024

// statusError turns an error into the answer of an API server. None carries
// Retry-After: client-go would retry up to ten times and hold a worker of the
// HPA controller meanwhile.
func statusError(err error) error {
	code, reason := http.StatusInternalServerError, metav1.StatusReasonInternalError
	switch metric.ReasonOf(err) {
	case metric.Undefined, metric.NoObject, metric.Absent:
		code, reason = http.StatusNotFound, metav1.StatusReasonNotFound
	case metric.Invalid:
		code, reason = http.StatusBadRequest, metav1.StatusReasonBadRequest
	case metric.LimitReached:
		// As for a quota: the request is understood and not granted.
		code, reason = http.StatusForbidden, metav1.StatusReasonForbidden
	case metric.SourceFailed, metric.Stale, metric.Pending, metric.ObjectsUnknown:
		code, reason = http.StatusServiceUnavailable, metav1.StatusReasonServiceUnavailable
	}
	var typed *metric.Error
	if !errors.As(err, &typed) {
		return apierrors.NewInternalError(err)
	}
	message := err.Error()
	if len(message) > maxMessage {
		message = strings.ToValidUTF8(message[:maxMessage], "") + "…"
	}
	return &apierrors.StatusError{ErrStatus: metav1.Status{
		Status: metav1.StatusFailure, Code: int32(code), Reason: reason, Message: message,
	}}
}
