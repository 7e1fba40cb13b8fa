package object

import (
	"context"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"

	"github.com/loadline/loadline/provider/metric"
)

// kind is the watch of one kind.
type kind struct {
	index *index
	used  time.Time     // when it was asked about last; under the cache's lock
	tried chan struct{} // closed after the first list, complete or failed
	once  sync.Once

	mu      sync.Mutex
	listed  time.Time // when there was a complete list last; zero without one, or after one that RBAC forbids
	err     error     // why the newest list or watch failed; nil while it works
	refused error     // that RBAC forbade the newest watch; nil once one was let in
}

// longestRefusal is the longest pause after a list or watch that RBAC forbids, but for the
// jitter: rights are given by people, and what they have added is used within 5 minutes.
const longestRefusal = 2 * time.Minute

// watch keeps k's index current until ctx ends. After a watch that was good for
// a while it begins again at once, or a pod that terminates meanwhile would stay
// in the answers; what fails again and again is tried after growing pauses. They grow
// further where RBAC forbids it, which prometheus-adapter's rights do for ever.
func (k *kind) watch(ctx context.Context, client metadata.Interface, gvr schema.GroupVersionResource, retry time.Duration) {
	log := klog.FromContext(ctx)
	reflector := cache.NewReflectorWithOptions(listWatch(client, gvr, k.answered), &metav1.PartialObjectMetadata{}, &syncingStore{index: k.index, done: k.succeed},
		cache.ReflectorOptions{Name: gvr.String(), Backoff: newBackoff(retry)})
	backoff, refusals, said := newBackoff(retry), newBackoff(longestRefusal), ""
	for {
		began := time.Now()
		err := reflector.ListAndWatchWithContext(ctx)
		if ctx.Err() != nil {
			return
		}
		good := k.worked(began, retry)
		if good {
			backoff, refusals, said = newBackoff(retry), newBackoff(longestRefusal), ""
		}
		pause := backoff
		if err != nil {
			typed := listError(gvr.GroupResource(), err)
			k.fail(typed)
			if typed.Error() != said {
				said = typed.Error()
				say(log, typed)
			}
			if metric.ReasonOf(typed) == metric.Forbidden {
				pause = refusals
			}
		} else if good {
			continue
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause.Step()):
		}
	}
}

// say tells why there is no list of a kind. That it is forbidden is no failure where its
// objects are only asked for by name, as prometheus-adapter's rights allow.
func say(log klog.Logger, err error) {
	if metric.ReasonOf(err) == metric.Forbidden {
		log.Info("Objects of a kind may not be listed: those that are asked for by name count as live, and reads of lists of them fail", "detail", err.Error())
		return
	}
	log.Error(err, "Cannot list described objects")
}

// newBackoff returns pauses that double up to longest, each up to half as long
// again, so that replicas which failed together do not come back together.
func newBackoff(longest time.Duration) *wait.Backoff {
	return &wait.Backoff{Duration: min(longest, 200*time.Millisecond), Factor: 2, Jitter: 0.5, Steps: 32, Cap: longest}
}

// listWatch lists and watches gvr, and tells answered how each watch was answered.
func listWatch(client metadata.Interface, gvr schema.GroupVersionResource, answered func(schema.GroupResource, error)) cache.ListerWatcher {
	narrow := func(o *metav1.ListOptions) {
		// Metadata carries no phase, so the API server filters: a pod that
		// leaves Running leaves the watch as if it were deleted.
		if gvr.Group == "" && gvr.Resource == "pods" {
			o.FieldSelector = "status.phase=Running"
		}
	}
	return cache.ToListWatcherWithWatchListSemantics(&cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
			narrow(&o)
			return client.Resource(gvr).List(ctx, o)
		},
		WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
			narrow(&o)
			w, err := client.Resource(gvr).Watch(ctx, o)
			answered(gvr.GroupResource(), err)
			return w, err
		},
	}, client)
}

// syncingStore tells when the first complete list arrived.
type syncingStore struct {
	*index
	done func()
}

func (s *syncingStore) Replace(objs []any, rv string) error {
	if err := s.index.Replace(objs, rv); err != nil {
		return err
	}
	s.done()
	return nil
}

func (k *kind) succeed() {
	k.mu.Lock()
	k.listed, k.err = time.Now(), nil
	k.mu.Unlock()
	k.once.Do(func() { close(k.tried) })
}

// worked says whether there was a complete list since began, and a watch that
// lasted longer than d after it.
func (k *kind) worked(began time.Time, d time.Duration) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return !k.listed.Before(began) && time.Since(k.listed) > d
}

// fail notes why there is no list or watch. One that RBAC forbids will not come back
// by itself, so it ends what is known; other reasons pass and leave it. Nor do they tell
// that a right is there which was lacking.
func (k *kind) fail(err error) {
	k.mu.Lock()
	switch {
	case metric.ReasonOf(err) == metric.Forbidden:
		k.err, k.listed = err, time.Time{}
	case metric.ReasonOf(k.err) != metric.Forbidden:
		k.err = err
	}
	k.mu.Unlock()
	k.once.Do(func() { close(k.tried) })
}

// answered notes whether RBAC lets us watch. Without that right a list alone, which
// succeeds again and again in between, would make the kind usable for moments.
func (k *kind) answered(gr schema.GroupResource, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case err == nil:
		k.refused = nil
	case apierrors.IsForbidden(err):
		k.refused = listError(gr, err)
	}
}

// unusable is why the index must not be used; nil if it may.
func (k *kind) unusable() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case k.refused != nil:
		return k.refused
	case k.listed.IsZero():
		return k.err
	}
	return nil
}

func listError(gr schema.GroupResource, err error) error {
	if apierrors.IsForbidden(err) {
		return metric.Errorf(metric.Forbidden, "the adapter may not list %s and watch them: add a ClusterRole labelled loadline.dev/aggregate-to-adapter=true with apiGroups [%q], resources [%q], verbs [list, watch]", gr, gr.Group, gr.Resource)
	}
	return metric.Because(metric.ObjectsUnknown, err, "cannot list %s", gr)
}
