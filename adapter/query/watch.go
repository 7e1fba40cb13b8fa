package query

import (
	"context"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"

	"github.com/loadline/loadline/policy/api/v1alpha1"
	"github.com/loadline/loadline/provider/metric"
)

const (
	// away is the pause while the policies may not be listed, or are of no known kind:
	// somebody has to apply something.
	away = time.Minute
	// pause is that after any other failure. Those of the network have their own
	// pauses, in the library.
	pause = 5 * time.Second
)

// Watcher keeps a Table as the policies are. See NewWatcher.
type Watcher struct {
	policies cache.ListerWatcher
	table    *Table
	synced   chan struct{}
	once     sync.Once
	said     metav1.StatusReason // why the policies cannot be listed, as it was said
}

// NewWatcher returns one that does nothing until Run. policies lists and watches the
// AutoscalingPolicies of all namespaces, see Policies.
func NewWatcher(policies cache.ListerWatcher, t *Table) *Watcher {
	return &Watcher{policies: policies, table: t, synced: make(chan struct{})}
}

// Policies lists and watches the AutoscalingPolicies of all namespaces.
func Policies(config *rest.Config) (cache.ListerWatcher, error) {
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		return nil, err
	}
	c := rest.CopyConfig(config)
	c.APIPath, c.GroupVersion = "/apis", &v1alpha1.GroupVersion
	c.NegotiatedSerializer = serializer.NewCodecFactory(scheme).WithoutConversion()
	c.ContentType = runtime.ContentTypeJSON // there is no other for custom resources
	client, err := rest.RESTClientFor(c)
	if err != nil {
		return nil, err
	}
	return cache.NewListWatchFromClient(client, v1alpha1.Plural, metav1.NamespaceAll, fields.Everything()), nil
}

// Synced is closed when all policies that were there at the start are in the table, or
// when they cannot be listed.
func (w *Watcher) Synced() <-chan struct{} { return w.synced }

// Run follows the policies until ctx ends. A cluster without the custom resource, or
// that does not let us list it, is told once, and looked at again each minute.
func (w *Watcher) Run(ctx context.Context) {
	for ctx.Err() == nil {
		reflector := cache.NewReflectorWithOptions(w.policies, &v1alpha1.AutoscalingPolicy{}, &feed{w}, cache.ReflectorOptions{Name: "AutoscalingPolicies"})
		err := reflector.ListAndWatchWithContext(ctx)
		select {
		case <-ctx.Done():
		case <-time.After(w.judge(ctx, err)):
		}
	}
}

// judge draws the conclusions from the end of a watch, and says how long to pause.
func (w *Watcher) judge(ctx context.Context, err error) time.Duration {
	log := klog.FromContext(ctx)
	reason := apierrors.ReasonForError(err)
	switch {
	case err == nil || ctx.Err() != nil:
		return time.Second
	case apierrors.IsNotFound(err):
		w.table.lost(metric.Errorf(metric.Undefined, "the cluster has no AutoscalingPolicies: apply deploy/crd"), true)
		if w.said != reason {
			log.Info("The cluster has no AutoscalingPolicies, so there are no queries of theirs to serve. This is looked at again each minute")
		}
	case apierrors.IsForbidden(err):
		w.table.lost(metric.Because(metric.Forbidden, err, "AutoscalingPolicies may not be listed: apply deploy/policy"), false)
		if w.said != reason {
			log.Info("AutoscalingPolicies may not be listed, so queries of theirs that are new are not served: apply deploy/policy. This is tried again each minute", "reason", err.Error())
		}
	default:
		log.Error(err, "Cannot follow AutoscalingPolicies; trying again")
		return pause
	}
	w.said = reason
	w.finish()
	return away
}

func (w *Watcher) finish() { w.once.Do(func() { close(w.synced) }) }

// feed takes what the library lists and watches to the table.
type feed struct{ *Watcher }

var _ cache.TransformingStore = (*feed)(nil)

// Transformer keeps what the table needs: the library holds all policies for a moment.
func (*feed) Transformer() cache.TransformFunc {
	return func(obj any) (any, error) {
		p, ok := obj.(*v1alpha1.AutoscalingPolicy)
		if !ok {
			return obj, nil
		}
		return &v1alpha1.AutoscalingPolicy{
			ObjectMeta: metav1.ObjectMeta{
				Name: p.Name, Namespace: p.Namespace, UID: p.UID, ResourceVersion: p.ResourceVersion, CreationTimestamp: p.CreationTimestamp,
			},
			Spec: v1alpha1.AutoscalingPolicySpec{Objectives: p.Spec.Objectives},
		}, nil
	}
}

// Replace implements cache.ReflectorStore.
func (f *feed) Replace(list []any, _ string) error {
	all := map[string]map[string]policy{}
	for _, obj := range list {
		p, ok := obj.(*v1alpha1.AutoscalingPolicy)
		if !ok {
			continue
		}
		if kept := policyOf(p); !kept.empty() {
			if all[p.Namespace] == nil {
				all[p.Namespace] = map[string]policy{}
			}
			all[p.Namespace][p.Name] = kept
		}
	}
	f.table.replace(all)
	f.said = ""
	f.finish()
	return nil
}

// Add implements cache.ReflectorStore.
func (f *feed) Add(obj any) error { return f.Update(obj) }

// Update implements cache.ReflectorStore.
func (f *feed) Update(obj any) error {
	if p, ok := obj.(*v1alpha1.AutoscalingPolicy); ok {
		f.table.put(p.Namespace, p.Name, policyOf(p))
	}
	return nil
}

// Delete implements cache.ReflectorStore.
func (f *feed) Delete(obj any) error {
	if p, ok := obj.(*v1alpha1.AutoscalingPolicy); ok {
		f.table.put(p.Namespace, p.Name, policy{})
	}
	return nil
}

// Resync implements cache.ReflectorStore.
func (*feed) Resync() error { return nil }
