package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"github.com/loadline/loadline/policy/guard"
	"github.com/loadline/loadline/policy/lint"
)

const (
	deploymentsPath = "/apis/apps/v1/namespaces/default/deployments"
	hpasPath        = "/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers"
)

// pages is an API server that answers lists of n Deployments at 0 and of their HPAs page by
// page, as large as asked for, and lists of anything else with nothing. It counts what it
// was asked for.
type pages struct {
	n int

	mu    sync.Mutex
	asked map[string]int
	wrong []string
}

func (p *pages) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	limit, err := strconv.Atoi(q.Get("limit"))
	from := 0
	if token := q.Get("continue"); token != "" && err == nil {
		from, err = strconv.Atoi(strings.TrimPrefix(token, r.URL.Path+"@"))
	}
	p.mu.Lock()
	p.asked[r.URL.Path]++
	if err != nil || limit != pageSize {
		p.wrong = append(p.wrong, r.URL.String())
	}
	p.mu.Unlock()
	list := map[string]any{"apiVersion": "v1", "kind": "List", "metadata": map[string]any{"resourceVersion": "1"}, "items": []any{}}
	item := map[string]func(string) any{deploymentsPath: deploymentAtZero, hpasPath: itsHPA}[r.URL.Path]
	if item != nil {
		var items []any
		for i := from; i < min(from+limit, p.n); i++ {
			items = append(items, item(fmt.Sprintf("web-%04d", i)))
		}
		list["items"] = items
		if from+limit < p.n {
			list["metadata"] = map[string]any{"resourceVersion": "1", "continue": fmt.Sprintf("%s@%d", r.URL.Path, from+limit)}
		}
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(list)
}

func deploymentAtZero(name string) any {
	labels := map[string]any{"app": name}
	return map[string]any{
		"apiVersion": "apps/v1", "kind": "Deployment", "metadata": map[string]any{"namespace": "default", "name": name},
		"spec": map[string]any{"replicas": 0, "selector": map[string]any{"matchLabels": labels}, "template": map[string]any{
			"metadata": map[string]any{"labels": labels}, "spec": map[string]any{"containers": []any{map[string]any{"name": "app"}}},
		}},
	}
}

func itsHPA(name string) any {
	return map[string]any{
		"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": map[string]any{"namespace": "default", "name": name},
		"spec": map[string]any{"maxReplicas": 5, "minReplicas": 2, "scaleTargetRef": map[string]any{"apiVersion": "apps/v1", "kind": "Deployment", "name": name}},
	}
}

// serve starts the API server, and returns its address.
func (p *pages) serve(t *testing.T) string {
	t.Helper()
	t.Setenv("KUBECONFIG", t.TempDir()+"/none")
	p.asked = map[string]int{}
	server := httptest.NewServer(p)
	t.Cleanup(func() {
		server.Close()
		if len(p.wrong) > 0 {
			t.Errorf("asked without a page's size, or with a page that there is not: %q", p.wrong)
		}
	})
	return server.URL
}

// A cluster is read page by page, to its end: what is on the last page is found, too.
func TestLintLivePages(t *testing.T) {
	p := &pages{n: 2*pageSize + 1}
	var out, said bytes.Buffer
	code := Run(t.Context(), []string{"lint", "--live", "-o", "json", "-n", "default", "--server", p.serve(t), "--cache-dir", t.TempDir()},
		genericiooptions.IOStreams{In: strings.NewReader(""), Out: &out, ErrOut: &said})
	var result struct {
		Findings []struct {
			ID     string
			Object struct{ Name string }
		}
		Summary struct{ Objects int }
	}
	if err := json.Unmarshal(out.Bytes(), &result); err != nil || code != exitFound {
		t.Fatalf("exit code %d, %v: %s", code, err, &said)
	}
	found := map[string]int{}
	for _, f := range result.Findings {
		if f.ID == "GUARD-16" {
			found[f.Object.Name]++
		}
	}
	if len(found) != p.n || result.Summary.Objects != 2*p.n {
		t.Errorf("%d found at 0 of %d objects, want %d of %d", len(found), result.Summary.Objects, p.n, 2*p.n)
	}
	for _, i := range []int{0, pageSize - 1, pageSize, 2*pageSize - 1, 2 * pageSize} {
		if name := fmt.Sprintf("web-%04d", i); found[name] != 1 {
			t.Errorf("%s is found %d times", name, found[name])
		}
	}
	for path, want := range map[string]int{deploymentsPath: 3, hpasPath: 3, "/api/v1/namespaces/default/services": 1} {
		if p.asked[path] != want {
			t.Errorf("%s: asked %d times, want %d", path, p.asked[path], want)
		}
	}
}

// Of a kind with too many objects no further page is asked for, and it is said of the
// checks that need it; the other kinds are read.
func TestLintLiveLimit(t *testing.T) {
	p := &pages{n: 10 * pageSize}
	url := p.serve(t)
	e := &env{flags: genericclioptions.NewConfigFlags(true), now: time.Now}
	e.flags.APIServer = &url
	c, err := e.cluster()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	objects, err := lint.Gather(ctx, reader{cluster: c, env: e}, "default", time.Now(), pageSize+1)
	if err != nil {
		t.Fatal(err)
	}
	want := map[guard.Kind]string{}
	for _, k := range []guard.Kind{guard.Deployment, guard.HorizontalPodAutoscaler} {
		want[k] = fmt.Sprintf("there are more than %d: look at one namespace at a time", pageSize+1)
	}
	if diff := cmp.Diff(want, objects.Snapshot.Missing); diff != "" {
		t.Error(diff)
	}
	if p.asked[deploymentsPath] != 2 || p.asked[hpasPath] != 2 {
		t.Errorf("asked for %d and %d pages, want 2 each", p.asked[deploymentsPath], p.asked[hpasPath])
	}
	if !objects.Snapshot.Gathered[guard.StatefulSet] || objects.Snapshot.Gathered[guard.Deployment] {
		t.Errorf("gathered: %v", objects.Snapshot.Gathered)
	}
}
