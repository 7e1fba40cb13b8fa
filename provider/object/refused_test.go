package object_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	clientmetadata "k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"
	"k8s.io/klog/v2/ktesting"

	"github.com/loadline/loadline/provider/metric"
	"github.com/loadline/loadline/provider/object"
)

// rbac is a transport that answers as an API server with one service in namespace
// a does, to a client that may do what it allows.
type rbac struct {
	streams bool // sends lists as watches, as API servers do since 1.32

	mu      sync.Mutex
	refused map[string]error // by verb
	watches []*io.PipeWriter
	asked   atomic.Int64
}

const (
	latency = 20 * time.Millisecond
	retry   = 5 * time.Second
	// longestPause is until a right is used that was given.
	longestPause = 5 * time.Minute
)

// set changes the answers by verb, and has the watches that were allowed before
// begin anew with a list.
func (r *rbac) set(refused map[string]error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.refused = refused
	for _, w := range r.watches {
		fmt.Fprintf(w, "{\"type\":\"ERROR\",\"object\":%s}\n", encode(expired()))
		w.Close()
	}
	r.watches = nil
}

func (r *rbac) RoundTrip(req *http.Request) (*http.Response, error) {
	time.Sleep(latency) // no longer than that, so that it heeds no context
	r.mu.Lock()
	defer r.mu.Unlock()
	verb, query := "list", req.URL.Query()
	if query.Get("watch") != "" {
		verb = "watch"
	}
	r.asked.Add(1)
	err := r.refused[verb]
	if err == nil && query.Get("sendInitialEvents") != "" && !r.streams {
		err = apierrors.NewInvalid(schema.GroupKind{Kind: "ListOptions"}, "", nil)
	}
	if status := apierrors.APIStatus(nil); errors.As(err, &status) {
		s := status.Status()
		return answer(req, int(s.Code), io.NopCloser(bytes.NewReader(encode(s)))), nil
	}
	service := metav1.PartialObjectMetadata{
		TypeMeta:   metav1.TypeMeta{APIVersion: "meta.k8s.io/v1", Kind: "PartialObjectMetadata"},
		ObjectMeta: metav1.ObjectMeta{Namespace: "a", Name: "s", ResourceVersion: "7"},
	}
	if verb == "list" {
		return answer(req, http.StatusOK, io.NopCloser(bytes.NewReader(encode(metav1.PartialObjectMetadataList{
			TypeMeta: metav1.TypeMeta{APIVersion: "meta.k8s.io/v1", Kind: "PartialObjectMetadataList"},
			ListMeta: metav1.ListMeta{ResourceVersion: "7"}, Items: []metav1.PartialObjectMetadata{service},
		})))), nil
	}
	body, w := io.Pipe()
	r.watches = append(r.watches, w)
	context.AfterFunc(req.Context(), func() { w.CloseWithError(req.Context().Err()) })
	if query.Get("sendInitialEvents") != "" {
		end := service
		end.Annotations = map[string]string{metav1.InitialEventsAnnotationKey: "true"}
		go fmt.Fprintf(w, "{\"type\":\"ADDED\",\"object\":%s}\n{\"type\":\"BOOKMARK\",\"object\":%s}\n", encode(service), encode(end))
	}
	return answer(req, http.StatusOK, body), nil
}

func encode(o any) []byte {
	data, err := json.Marshal(o)
	if err != nil {
		panic(err)
	}
	return data
}

func answer(req *http.Request, code int, body io.ReadCloser) *http.Response {
	return &http.Response{StatusCode: code, Header: http.Header{"Content-Type": {"application/json"}}, Body: body, Request: req}
}

// A list of a kind of which RBAC forbids the list or the watch is an error that names the
// rule to add, all the time: no list in between and no failure after it makes objects of it
// an answer. One that is named counts as live for as long, whether there is such an object
// or not. With the rights the list is used within the longest pause.
func TestRefusedKind(t *testing.T) {
	forbidden := apierrors.NewForbidden(services, "", errors.New("rbac"))
	broken := apierrors.NewInternalError(errors.New("etcd"))
	for name, refused := range map[string]map[string]error{
		"the list":  {"list": forbidden},
		"the watch": {"watch": forbidden},
		"both":      {"list": forbidden, "watch": forbidden},
	} {
		for _, streams := range []bool{true, false} {
			if name == "the list" && streams {
				continue // a server that streams lists needs no right to list
			}
			t.Run(fmt.Sprintf("%s, streams %t", name, streams), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					server := &rbac{streams: streams}
					cache := cacheOf(t, server)
					expect := func(phase string, want metric.Reason) {
						t.Helper()
						for range 3000 { // 30 s: several pauses
							names, err := cache.Names(t.Context(), services, "a", labels.Everything(), "")
							if got := metric.ReasonOf(err); got != want || (len(names) == 1) != (want == "") {
								t.Fatalf("%s: %v, reason %q, want %q: %v", phase, names, got, want, err)
							}
							forbidden := want == metric.Forbidden
							for name, want := range map[string]bool{"s": true, "no-such": forbidden} {
								if live, err := cache.Has(t.Context(), services, "a", name); live != want || err != nil {
									t.Fatalf("%s: %s is live: %t, want %t: %v", phase, name, live, want, err)
								}
							}
							if n := cache.Forbidden(); (n == 1) != forbidden {
								t.Fatalf("%s: %d kinds are forbidden", phase, n)
							}
							time.Sleep(10 * time.Millisecond)
						}
					}
					server.set(refused)
					expect("from the start", metric.Forbidden)
					server.set(nil)
					time.Sleep(longestPause)
					expect("granted", "")
					server.set(refused)
					time.Sleep(10 * latency)
					expect("taken away", metric.Forbidden)
					server.set(map[string]error{"list": broken, "watch": broken})
					expect("a failure after the refusal", metric.Forbidden)
					server.set(nil)
					time.Sleep(longestPause)
					expect("granted again", "")
				})
			})
		}
	}
}

// cacheOf returns a cache of what server has, whose watches have ended when the
// test ends.
func cacheOf(t *testing.T, server http.RoundTripper) *object.Cache {
	t.Helper()
	return cacheWith(t, t.Context(), server)
}

func cacheWith(t *testing.T, ctx context.Context, server http.RoundTripper) *object.Cache {
	t.Helper()
	client, err := clientmetadata.NewForConfigAndClient(&rest.Config{Host: "http://api.test", QPS: -1}, &http.Client{Transport: server})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(ctx)
	cache := object.NewCache(ctx, client, newCluster(), retry)
	t.Cleanup(func() { cancel(); cache.Wait() })
	return cache
}

// What is forbidden is said once, however often it is tried again.
func TestRefusedKindIsSaidOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		logger := ktesting.NewLogger(t, ktesting.NewConfig(ktesting.BufferLogs(true)))
		server := &rbac{refused: map[string]error{"list": apierrors.NewForbidden(services, "", errors.New("rbac"))}}
		cache := cacheWith(t, klog.NewContext(t.Context(), logger), server)
		for range 60 {
			_, _ = cache.Has(t.Context(), services, "a", "s")
			time.Sleep(time.Second)
		}
		log := logger.GetSink().(ktesting.Underlier).GetBuffer().String()
		if n := strings.Count(log, "count as live"); n != 1 || !strings.Contains(log, "services") {
			t.Errorf("said %d times:\n%s", n, log)
		}
	})
}

// What is forbidden is asked for less and less often, and used within minutes of the right.
func TestRefusedKindIsAskedForRarely(t *testing.T) {
	for _, verb := range []string{"list", "watch"} {
		t.Run(verb, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := &rbac{refused: map[string]error{verb: apierrors.NewForbidden(services, "", errors.New("rbac"))}}
				cache := cacheOf(t, server)
				wait := func(d time.Duration) {
					for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(15 * time.Second) {
						_, _ = cache.Has(t.Context(), services, "a", "s")
					}
				}
				wait(30 * time.Minute)
				server.asked.Store(0)
				wait(time.Hour)
				if n, most := server.asked.Load(), int64(time.Hour/(2*time.Minute)); n > 3*most {
					t.Errorf("%d requests in an hour, want at most 3 for each of %d tries", n, most)
				}
				server.set(nil)
				wait(longestPause)
				if names, err := cache.Names(t.Context(), services, "a", labels.Everything(), ""); len(names) != 1 || err != nil {
					t.Errorf("5 minutes after the right was given: %v, %v", names, err)
				}
			})
		})
	}
}
