package webhook

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Bounds of what is said. The API server cuts warnings that are longer than 4 KiB
// together to 256 characters each.
const (
	maxText     = 1000 // bytes of a refusal
	maxWarning  = 500  // bytes of a warning
	maxWarnings = 8
)

// Verdict is what becomes of a write. The zero value lets it pass without a word.
type Verdict struct {
	// Refused says why it is not to be made, and what to do; empty where it may pass.
	Refused string
	// Warnings are shown to whoever writes, by kubectl for example.
	Warnings []string
}

// Judge judges one write. With an error it could not, and the write passes.
type Judge func(ctx context.Context, r *admissionv1.AdmissionRequest) (Verdict, error)

// response is what the API server is told.
func (v Verdict) response(r *admissionv1.AdmissionRequest) *admissionv1.AdmissionResponse {
	out := &admissionv1.AdmissionResponse{UID: r.UID, Allowed: v.Refused == ""}
	for i, w := range v.Warnings {
		if i == maxWarnings-1 && len(v.Warnings) > maxWarnings {
			out.Warnings = append(out.Warnings, fmt.Sprintf("and %d more", len(v.Warnings)-i))
			break
		}
		out.Warnings = append(out.Warnings, clip(w, maxWarning))
	}
	if !out.Allowed {
		// As a ValidatingAdmissionPolicy refuses.
		out.Result = &metav1.Status{
			Status: metav1.StatusFailure, Code: http.StatusUnprocessableEntity, Reason: metav1.StatusReasonInvalid,
			Message: clip(v.Refused, maxText),
		}
	}
	return out
}

// clip keeps what is said readable, and a header of HTTP on one line.
func clip(s string, most int) string {
	s = strings.Join(strings.Fields(s), " ")
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}
