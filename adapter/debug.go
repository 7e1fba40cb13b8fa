package adapter

import (
	"encoding/json"
	"net/http"
	"strings"

	"k8s.io/klog/v2"

	"github.com/loadline/loadline/provider/eval"
)

// debugPlan serves what is asked of each source and why so, as text or, for who accepts
// that, as JSON. It names metrics of all namespaces: the server's authorizer lets those
// see it who may get the non-resource URL, which is administrators.
func debugPlan(e *eval.Router) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet {
			w.Header().Set("Allow", http.MethodGet)
			http.Error(w, "GET only", http.StatusMethodNotAllowed)
			return
		}
		plan := e.Explain(r.Context())
		var err error
		if strings.Contains(r.Header.Get("Accept"), "application/json") {
			w.Header().Set("Content-Type", "application/json")
			err = json.NewEncoder(w).Encode(plan)
		} else {
			w.Header().Set("Content-Type", "text/plain; charset=utf-8")
			err = plan.Text(w)
		}
		if err != nil { // the client has gone
			klog.FromContext(r.Context()).V(2).Info("The plan was not read to its end", "err", err)
		}
	}
}
