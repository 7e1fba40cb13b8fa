//go:build e2e

package policy

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/loadline/loadline/policy/api/v1alpha1"
)

// sayWrites is how many writes of one wait are said in full; the rest are counted.
const sayWrites = 10

// writes is what is written to the policies of some namespaces, by the API server's own
// news: to ask again and again for ten thousand of them would cost what is measured.
type writes struct {
	mu   sync.Mutex
	last time.Time
	n    int
	seen map[client.ObjectKey]*v1alpha1.AutoscalingPolicy
	lost error // a watch that ended before the test
}

// observeWrites tells of the policies of these crowds from now on, until the test ends.
func observeWrites(t *testing.T, crowds ...crowd) *writes {
	t.Helper()
	watcher, err := client.NewWithWatch(system.Cluster.RESTConfig(), client.Options{Scheme: kube.Scheme()})
	must(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	w := &writes{last: time.Now(), seen: map[client.ObjectKey]*v1alpha1.AutoscalingPolicy{}}
	var tasks sync.WaitGroup
	t.Cleanup(func() { cancel(); tasks.Wait() })
	for _, c := range crowds {
		list := &v1alpha1.AutoscalingPolicyList{}
		must(t, watcher.List(ctx, list, client.InNamespace(c.ns)))
		for i := range list.Items {
			w.seen[client.ObjectKeyFromObject(&list.Items[i])] = &list.Items[i]
		}
		news, err := watcher.Watch(ctx, &v1alpha1.AutoscalingPolicyList{}, client.InNamespace(c.ns),
			&client.ListOptions{Raw: &metav1.ListOptions{ResourceVersion: list.ResourceVersion, TimeoutSeconds: ptr.To[int64](24 * 3600)}})
		must(t, err)
		tasks.Go(func() {
			defer news.Stop()
			for e := range news.ResultChan() {
				w.add(t, e)
			}
			if ctx.Err() == nil {
				w.mu.Lock()
				w.lost = fmt.Errorf("the watch of namespace %s ended", c.ns)
				w.mu.Unlock()
			}
		})
	}
	return w
}

func (w *writes) add(t *testing.T, e watch.Event) {
	p, ok := e.Object.(*v1alpha1.AutoscalingPolicy)
	w.mu.Lock()
	defer w.mu.Unlock()
	if !ok {
		w.lost = fmt.Errorf("%s: %v", e.Type, e.Object)
		return
	}
	key := client.ObjectKeyFromObject(p)
	w.last = time.Now()
	if w.n++; w.n <= sayWrites {
		t.Logf("%s %s by %s: %s", e.Type, key, lastWriter(p), gocmp.Diff(w.seen[key], p, cmpopts.IgnoreFields(metav1.ObjectMeta{}, "ManagedFields")))
	}
	w.seen[key] = p
}

// since is when the last write was, and how many there were since the last question.
func (w *writes) since() (time.Time, int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := w.n
	w.n = 0
	return w.last, n, w.lost
}

// lastWriter is the field manager whose write is the newest.
func lastWriter(o client.Object) string {
	entries := slices.Clone(o.GetManagedFields())
	if len(entries) == 0 {
		return "nobody"
	}
	newest := slices.MaxFunc(entries, func(a, b metav1.ManagedFieldsEntry) int {
		if a.Time == nil || b.Time == nil {
			return cmp.Compare(len(a.Manager), len(b.Manager))
		}
		return a.Time.Compare(b.Time.Time)
	})
	return newest.Manager + " " + newest.Subresource
}
