package adapter

import (
	"net/http"

	"k8s.io/apiserver/pkg/endpoints/responsewriter"
)

// withoutRetry keeps answers from making their reader wait. On Retry-After,
// client-go sleeps and asks again, up to ten times, while it holds a worker of the
// HPA controller. The library sends it to whoever uses an open connection after
// the server has begun to drain, and with each 429; a later version may have more
// such places. So no answer has the header, and 429 becomes 503; the text stays.
//
// Once stopping is closed, each answer also ends its connection. Its client,
// kube-apiserver mostly, opens the next one to a replica that stays, before this
// one drains and refuses.
func withoutRetry(next http.Handler, stopping <-chan struct{}) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-stopping:
			w.Header().Set("Connection", "close") // over HTTP/2 net/http sends GOAWAY for it
		default:
		}
		// The library's wrapper keeps Flusher, Hijacker and the like where w has them.
		next.ServeHTTP(responsewriter.WrapForHTTP1Or2(&answer{w}), r)
	})
}

// answer is a response without Retry-After.
type answer struct{ http.ResponseWriter }

var (
	_ responsewriter.UserProvidedDecorator = (*answer)(nil)
	_ http.Flusher                         = (*answer)(nil)
)

func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

func (a *answer) WriteHeader(code int) {
	a.Header().Del("Retry-After")
	if code == http.StatusTooManyRequests {
		code = http.StatusServiceUnavailable
	}
	a.ResponseWriter.WriteHeader(code)
}

// Write sends the header if nothing did before.
func (a *answer) Write(p []byte) (int, error) {
	a.Header().Del("Retry-After")
	return a.ResponseWriter.Write(p)
}

// Flush sends the header if nothing did before. It does nothing where the response
// cannot be flushed.
func (a *answer) Flush() {
	a.Header().Del("Retry-After")
	_ = http.NewResponseController(a.ResponseWriter).Flush()
}
