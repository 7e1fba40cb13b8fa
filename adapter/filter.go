package adapter

import (
	"net/http"
	"strings"
	"sync/atomic"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/endpoints/handlers/responsewriters"
	genericapiserver "k8s.io/apiserver/pkg/server"
	cmprovider "sigs.k8s.io/custom-metrics-apiserver/pkg/provider"
)

// maxInFlight bounds the requests under way. Each ends within requestTimeout.
// Probes and metrics have as many again for themselves, so that a replica at its
// limit is neither taken for stuck nor blind.
const maxInFlight = 1000

// handlerChain returns what makes the generic API server's filters, with changes
// at both ends; see withRoom, withoutRetry, limitInFlight, plainReads and checkSelector. The
// server is about to stop when stopping is closed. What is nil is not served.
func handlerChain(stopping <-chan struct{}, custom cmprovider.CustomMetricsProvider, external cmprovider.ExternalMetricsProvider) func(http.Handler, *genericapiserver.Config) http.Handler {
	return func(api http.Handler, c *genericapiserver.Config) http.Handler {
		// The library's own limits answer 429 with Retry-After.
		c.MaxRequestsInFlight, c.MaxMutatingRequestsInFlight = 0, 0
		c.FlowControl = nil // the same, in its newer form
		inner := newPlainReads(checkSelector(api, c.Serializer), c.Serializer, custom, external)
		h := genericapiserver.DefaultBuildHandlerChain(inner, c)
		// Outside of authentication and authorization: when their reviews are slow,
		// that is where requests pile up.
		return withRoom(withoutRetry(limitInFlight(h, c.Serializer, maxInFlight), stopping))
	}
}

// limitInFlight answers 503 to what exceeds limit requests at once.
func limitInFlight(next http.Handler, s runtime.NegotiatedSerializer, limit int64) http.Handler {
	var readers, watchers atomic.Int64
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		inFlight := &readers
		if watches(r) {
			inFlight = &watchers
		}
		defer inFlight.Add(-1)
		if inFlight.Add(1) > limit {
			err := &apierrors.StatusError{ErrStatus: metav1.Status{
				Status: metav1.StatusFailure, Code: http.StatusServiceUnavailable, Reason: metav1.StatusReasonServiceUnavailable,
				Message: "too many requests are under way; try again at the next sync",
			}}
			responsewriters.ErrorNegotiated(err, s, schema.GroupVersion{}, w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// watches says whether a request is about the server itself: a probe or a scrape.
func watches(r *http.Request) bool {
	first, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	switch first {
	case "livez", "readyz", "healthz", "metrics":
		return true
	}
	return false
}

// checkSelector answers 400 to a metricLabelSelector that does not parse: it is the
// reader's mistake, and the library says 500.
func checkSelector(next http.Handler, s runtime.NegotiatedSerializer) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// Only a query string that has one is worth parsing.
		if r.URL.RawQuery != "" {
			for _, selector := range r.URL.Query()["metricLabelSelector"] {
				if _, err := labels.Parse(selector); err != nil {
					responsewriters.ErrorNegotiated(apierrors.NewBadRequest("metricLabelSelector: "+err.Error()), s, schema.GroupVersion{}, w, r)
					return
				}
			}
		}
		next.ServeHTTP(w, r)
	})
}
