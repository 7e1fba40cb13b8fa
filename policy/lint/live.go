package lint

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/loadline/loadline/policy/api/v1alpha1"
	"github.com/loadline/loadline/policy/guard"
)

// Cluster is what gathering asks of an API server.
type Cluster interface {
	// Each calls f with the objects of a resource in a namespace, or in all if it is empty,
	// page by page, until f returns an error.
	Each(ctx context.Context, resource schema.GroupVersionResource, namespace string, f func(*unstructured.Unstructured) error) error
	// Resource is what serves a kind; ErrUnknownKind if nothing does.
	Resource(ctx context.Context, gk schema.GroupKind) (schema.GroupVersionResource, error)
}

// Errors of a Cluster that are no failures.
var (
	// ErrUnknownKind: the cluster has no such kind.
	ErrUnknownKind = errors.New("the cluster has no such kind")
	// ErrForbidden: we may not list it.
	ErrForbidden = errors.New("forbidden")
	// errTooMany ends a list that would not fit into memory.
	errTooMany = errors.New("too many objects")
)

// MaxObjects is how many objects of a kind lint reads at most.
const MaxObjects = 200_000

// Live is an object that may bear annotations of ours.
type Live struct{ Object *unstructured.Unstructured }

// Count is the number of objects.
func (o *Objects) Count() int { return len(o.Items) }

// served are the resources of the kinds that checks know.
func served() map[guard.Kind]schema.GroupVersionResource {
	gvr := func(group, version, plural string) schema.GroupVersionResource {
		return schema.GroupVersionResource{Group: group, Version: version, Resource: plural}
	}
	return map[guard.Kind]schema.GroupVersionResource{
		guard.Deployment: gvr("apps", "v1", "deployments"), guard.StatefulSet: gvr("apps", "v1", "statefulsets"),
		guard.ReplicaSet: gvr("apps", "v1", "replicasets"), guard.DaemonSet: gvr("apps", "v1", "daemonsets"),
		guard.ReplicationController: gvr("", "v1", "replicationcontrollers"), guard.Pod: gvr("", "v1", "pods"),
		guard.Job: gvr("batch", "v1", "jobs"), guard.CronJob: gvr("batch", "v1", "cronjobs"),
		guard.Service: gvr("", "v1", "services"), guard.ResourceQuota: gvr("", "v1", "resourcequotas"), guard.LimitRange: gvr("", "v1", "limitranges"),
		guard.PodDisruptionBudget:     gvr("policy", "v1", "poddisruptionbudgets"),
		guard.HorizontalPodAutoscaler: gvr("autoscaling", "v2", "horizontalpodautoscalers"),
		guard.AutoscalingPolicy:       v1alpha1.GroupVersion.WithResource(v1alpha1.Plural),
		guard.ScaledObject:            gvr("keda.sh", "v1alpha1", "scaledobjects"),
		guard.VerticalPodAutoscaler:   gvr("autoscaling.k8s.io", "v1", "verticalpodautoscalers"),
		guard.Rollout:                 gvr("argoproj.io", "v1alpha1", "rollouts"),
		guard.Definition:              gvr("apiextensions.k8s.io", "v1", "customresourcedefinitions"),
	}
}

// Gather reads a namespace, or all if it is empty, kind by kind. Nothing is written, and
// no Secret and no ConfigMap is read. What may not be read, and a kind of which there are
// more than most objects, is left out and said of the checks that need it.
func Gather(ctx context.Context, c Cluster, namespace string, now time.Time, most int) (*Objects, error) {
	g := &gatherer{cluster: c, namespace: namespace, most: most, objects: &Objects{Snapshot: guard.Snapshot{
		Source: guard.Live, Now: now, Gathered: map[guard.Kind]bool{}, Missing: map[guard.Kind]string{},
	}}}
	resources := served()
	for _, k := range guard.Kinds() {
		if err := g.kind(ctx, k, resources[k]); err != nil {
			return nil, err
		}
	}
	for _, k := range g.targets() {
		resource, err := c.Resource(ctx, k.GroupKind())
		if err == nil {
			err = g.kind(ctx, k, resource)
		}
		switch {
		case errors.Is(err, ErrUnknownKind):
			g.objects.Snapshot.Gathered[k] = true // there are none
		case err != nil:
			return nil, err
		}
	}
	return g.objects, nil
}

type gatherer struct {
	cluster   Cluster
	namespace string
	most      int
	objects   *Objects
}

func (g *gatherer) kind(ctx context.Context, k guard.Kind, resource schema.GroupVersionResource) error {
	namespace := g.namespace
	if k == guard.Definition {
		namespace = ""
	}
	s, n := &g.objects.Snapshot, 0
	err := g.cluster.Each(ctx, resource, namespace, func(u *unstructured.Unstructured) error {
		if n++; n > g.most {
			return errTooMany
		}
		if err := s.Add(u); err != nil {
			return fmt.Errorf("%s %s/%s: %w", u.GetKind(), u.GetNamespace(), u.GetName(), err)
		}
		g.objects.Items = append(g.objects.Items, Live{Object: bare(u)})
		return nil
	})
	switch {
	case err == nil, errors.Is(err, ErrUnknownKind):
		s.Gathered[k] = true
	case errors.Is(err, ErrForbidden):
		s.Missing[k] = err.Error()
	case errors.Is(err, errTooMany):
		s.Missing[k] = fmt.Sprintf("there are more than %d: look at one namespace at a time", g.most)
	default:
		return err
	}
	return nil
}

// bare is what ignores need of an object: many would not fit into memory whole.
func bare(u *unstructured.Unstructured) *unstructured.Unstructured {
	b := &unstructured.Unstructured{Object: map[string]any{}}
	b.SetAPIVersion(u.GetAPIVersion())
	b.SetKind(u.GetKind())
	b.SetNamespace(u.GetNamespace())
	b.SetName(u.GetName())
	b.SetAnnotations(u.GetAnnotations())
	return b
}

// targets are the kinds that HPAs scale and that were not read yet.
func (g *gatherer) targets() []guard.Kind {
	s := &g.objects.Snapshot
	found := map[guard.Kind]bool{}
	add := func(apiVersion, kind string) {
		k := guard.KindOf(schema.FromAPIVersionAndKind(apiVersion, kind).GroupKind())
		if !slices.Contains(guard.Kinds(), k) && kind != "" {
			found[k] = true
		}
	}
	for _, h := range s.HPAs {
		add(h.Spec.ScaleTargetRef.APIVersion, h.Spec.ScaleTargetRef.Kind)
	}
	for _, p := range s.Policies {
		add(p.Spec.TargetRef.APIVersion, p.Spec.TargetRef.Kind)
	}
	return kindsOf(found)
}
