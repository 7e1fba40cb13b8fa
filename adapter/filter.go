package adapter

import (
	"net/http"
	"sync/atomic"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/endpoints/handlers/responsewriters"
	genericapiserver "k8s.io/apiserver/pkg/server"
)

// maxInFlight bounds the requests under way. Each ends within requestTimeout.
const maxInFlight = 1000

// handlerChain is the generic API server's, with two changes at its inner end.
//
// Its own limit of requests in flight answers 429 with Retry-After, on which
// client-go waits and tries again up to ten times while it holds a worker of
// the HPA controller; ours answers 503 without. And a metricLabelSelector that
// does not parse is the reader's mistake, not an internal error.
func handlerChain(api http.Handler, c *genericapiserver.Config) http.Handler {
	c.MaxRequestsInFlight, c.MaxMutatingRequestsInFlight = 0, 0
	c.FlowControl = nil // the same, in its newer form
	return genericapiserver.DefaultBuildHandlerChain(limitInFlight(checkSelector(api, c.Serializer), c.Serializer, maxInFlight), c)
}

func limitInFlight(next http.Handler, s runtime.NegotiatedSerializer, limit int64) http.Handler {
	var inFlight atomic.Int64
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
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
