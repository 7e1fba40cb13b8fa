package webhook

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"time"

	admissionv1 "k8s.io/api/admission/v1"
	"k8s.io/klog/v2"
)

// The paths at which the API server asks.
const (
	PoliciesPath = "/autoscalingpolicies"
	ServicesPath = "/services"
	// AllServicesPath is for namespaces that want warnings about every Service.
	AllServicesPath = "/services/all"
)

// maxBody is more than a request of the API server's can be: of an object it takes 3 MiB,
// and an update comes with the object as it was.
const maxBody = 8 << 20

// limit is how long one answer may take. The API server waits for 2 s, the way there and
// back included.
const limit = 1500 * time.Millisecond

// The outcomes of a question.
const (
	Allowed = "allowed" // without a word
	Warned  = "warned"
	Refused = "refused"
	Failed  = "failed" // it could not be judged, and passed
	BadCall = "bad"    // it was no question
)

// NewHandler answers at each path by its judge. observe is told the outcome and how long
// it took.
func NewHandler(judges map[string]Judge, observe func(path, outcome string, took time.Duration)) http.Handler {
	mux := http.NewServeMux()
	for path, judge := range judges {
		mux.HandleFunc("POST "+path, func(w http.ResponseWriter, r *http.Request) {
			began := time.Now()
			outcome := answer(w, r, judge)
			observe(path, outcome, time.Since(began))
		})
	}
	return mux
}

// answer answers one question, and says how.
func answer(w http.ResponseWriter, r *http.Request, judge Judge) string {
	ctx, cancel := context.WithTimeoutCause(r.Context(), limit, fmt.Errorf("no answer within %s", limit))
	defer cancel()
	request, status, err := read(w, r)
	if err != nil {
		http.Error(w, err.Error(), status)
		return BadCall
	}
	v, err := judge(ctx, request)
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = fmt.Errorf("%w: %w", cause, err)
		}
		klog.FromContext(ctx).Error(err, "Cannot judge, so it passes", "resource", request.Resource.Resource, "namespace", request.Namespace, "name", request.Name)
		v = Verdict{Warnings: []string{"loadline-policy could not look at this, so it passes: " + err.Error()}}
	}
	body, bad := writeReview(v.response(request))
	if bad != nil {
		http.Error(w, bad.Error(), http.StatusInternalServerError)
		return Failed
	}
	w.Header().Set("Content-Type", "application/json")
	if _, err := w.Write(body); err != nil { // the API server no longer waits
		return Failed
	}
	return outcomeOf(v, err)
}

func outcomeOf(v Verdict, err error) string {
	switch {
	case err != nil:
		return Failed
	case v.Refused != "":
		return Refused
	case len(v.Warnings) > 0:
		return Warned
	}
	return Allowed
}

// read reads a question, or says with which status it is turned away.
func read(w http.ResponseWriter, r *http.Request) (*admissionv1.AdmissionRequest, int, error) {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return nil, http.StatusUnsupportedMediaType, errors.New("send application/json")
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		if _, large := errors.AsType[*http.MaxBytesError](err); large {
			return nil, http.StatusRequestEntityTooLarge, fmt.Errorf("the body has more than %d bytes", maxBody)
		}
		return nil, http.StatusBadRequest, fmt.Errorf("read the body: %w", err)
	}
	request, err := readReview(body)
	return request, http.StatusBadRequest, err
}
