package cli

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"github.com/loadline/loadline/policy/api/v1alpha1"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// stream serves lists and watches of one policy and its HPA, as an API server does.
type stream struct {
	objects map[string]map[string]any // by resource
	events  chan string               // of the policies' watch
}

func (s *stream) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	resource := r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:]
	object, ok := s.objects[resource]
	if !ok {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	if r.URL.Query().Get("watch") == "" {
		_ = json.NewEncoder(w).Encode(map[string]any{
			"apiVersion": object["apiVersion"], "kind": object["kind"].(string) + "List",
			"metadata": map[string]any{"resourceVersion": "1"}, "items": []any{object},
		})
		return
	}
	if r.URL.Query().Get("sendInitialEvents") == "true" {
		fmt.Fprintln(w, event("ADDED", object))
		fmt.Fprintln(w, event("BOOKMARK", map[string]any{
			"apiVersion": object["apiVersion"], "kind": object["kind"],
			"metadata": map[string]any{"resourceVersion": "1", "annotations": map[string]any{"k8s.io/initial-events-end": "true"}},
		}))
	}
	w.(http.Flusher).Flush()
	events := s.events
	if resource != v1alpha1.Plural {
		events = nil
	}
	for {
		select {
		case <-r.Context().Done():
			return
		case e := <-events:
			fmt.Fprintln(w, e)
			w.(http.Flusher).Flush()
		}
	}
}

func event(kind string, object map[string]any) string {
	data, _ := json.Marshal(map[string]any{"type": kind, "object": object})
	return string(data)
}

// unstructuredOf is an object as it is in JSON, with a resourceVersion.
func unstructuredOf(t *testing.T, object any, apiVersion, kind, version string) map[string]any {
	t.Helper()
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
	if err != nil {
		t.Fatal(err)
	}
	content["apiVersion"], content["kind"] = apiVersion, kind
	content["metadata"].(map[string]any)["resourceVersion"] = version
	return content
}

// A watch prints what there is, then what changes, and ends well when it is interrupted.
func TestWatch(t *testing.T) {
	p, live := sound(t)
	policy := func(version string) map[string]any {
		return unstructuredOf(t, p, v1alpha1.GroupVersion.String(), v1alpha1.Kind, version)
	}
	s := &stream{events: make(chan string), objects: map[string]map[string]any{
		v1alpha1.Plural:            policy("1"),
		"horizontalpodautoscalers": unstructuredOf(t, live, "autoscaling/v2", "HorizontalPodAutoscaler", "1"),
	}}
	server := httptest.NewServer(s)
	defer server.Close()
	t.Setenv("KUBECONFIG", t.TempDir()+"/none")

	out, in := io.Pipe()
	defer out.Close()
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	code := make(chan int)
	go func() {
		var said bytes.Buffer
		code <- Run(ctx, []string{"status", "-w", "--server", server.URL, "--cache-dir", t.TempDir(), "--namespace=shop"},
			genericiooptions.IOStreams{In: strings.NewReader(""), Out: in, ErrOut: &said})
		in.Close()
	}()
	var seen strings.Builder
	see := func(what string) {
		t.Helper()
		data := make([]byte, 4096)
		for !strings.Contains(seen.String(), what) {
			n, err := out.Read(data)
			seen.Write(data[:n])
			if err != nil {
				t.Fatalf("no %q before the end: %s", what, &seen)
			}
		}
	}
	stuck := time.AfterFunc(time.Minute, func() { in.CloseWithError(io.ErrNoProgress) })
	defer stuck.Stop()
	see("web    Deployment/web-d   2     6     3          42.5/50 requestRate, 0/10 queue reminders   Enforced\n")
	p.Spec.Replicas.Max = 9
	s.events <- event("MODIFIED", policy("2"))
	see("web    Deployment/web-d   2     9     3  ")
	s.events <- event("DELETED", policy("3"))
	see("   Deleted\n")
	if strings.Count(seen.String(), "NAME ") != 1 {
		t.Errorf("the header again: %s", &seen)
	}
	interrupt()
	go func() { _, _ = io.Copy(io.Discard, out) }()
	if got := <-code; got != 0 {
		t.Errorf("exit code %d", got)
	}
}

// While the API server cannot be reached a watch says so once, and goes on.
func TestWatchTrouble(t *testing.T) {
	p, live := sound(t)
	s := &stream{events: make(chan string), objects: map[string]map[string]any{
		v1alpha1.Plural:            unstructuredOf(t, p, v1alpha1.GroupVersion.String(), v1alpha1.Kind, "1"),
		"horizontalpodautoscalers": unstructuredOf(t, live, "autoscaling/v2", "HorizontalPodAutoscaler", "1"),
	}}
	server := httptest.NewServer(s)
	t.Setenv("KUBECONFIG", t.TempDir()+"/none")
	out, in := io.Pipe()
	said, say := io.Pipe()
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	code := make(chan int, 1)
	go func() {
		code <- Run(ctx, []string{"status", "-w", "--server", server.URL, "--cache-dir", t.TempDir(), "--namespace=shop"},
			genericiooptions.IOStreams{In: strings.NewReader(""), Out: in, ErrOut: say})
		in.Close()
		say.Close()
	}()
	stuck := time.AfterFunc(time.Minute, func() { say.CloseWithError(io.ErrNoProgress); in.CloseWithError(io.ErrNoProgress) })
	defer stuck.Stop()
	if _, err := out.Read(make([]byte, 1)); err != nil { // it has begun
		t.Fatal(err)
	}
	go func() { _, _ = io.Copy(io.Discard, out) }()
	_ = server.Listener.Close() // before the connections, or they come again
	server.CloseClientConnections()
	server.Close()
	lines := bufio.NewScanner(said)
	if !lines.Scan() || !strings.HasPrefix(lines.Text(), "error: the API server cannot be reached: ") || !strings.HasSuffix(lines.Text(), "; trying again") {
		t.Errorf("%q, %v", lines.Text(), lines.Err())
	}
	interrupt()
	for lines.Scan() {
		t.Errorf("it says more: %s", lines.Text())
	}
	if got := <-code; got != 0 {
		t.Errorf("exit code %d", got)
	}
}
