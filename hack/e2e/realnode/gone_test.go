//go:build e2e

package realnode

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
)

// gone checks that an uninstallation left HPAs standing and nothing of ours behind: no
// object of any kind that has our name or our label, but for the namespace itself where
// Helm was told to use the operator's own.
func gone(t *testing.T, before map[string]autoscalingv2.HorizontalPodAutoscaler) {
	t.Helper()
	until(t, "nothing of ours is left", time.Minute, func(ctx context.Context) (bool, string) {
		left, err := ours(ctx)
		if err != nil {
			return false, err.Error()
		}
		return len(left) == 0, strings.Join(left, ", ")
	})
	// The garbage collector would be at once by now.
	pause(t, 5*time.Second)
	now := hpas(t)
	for name, was := range before {
		is, stands := now[name]
		switch {
		case !stands || is.UID != was.UID:
			t.Errorf("HPA %s is gone", name)
		case len(is.OwnerReferences) > 0:
			t.Errorf("HPA %s belongs to %v", name, is.OwnerReferences)
		case strings.Contains(fmt.Sprint(is.Labels, is.Annotations), "loadline"):
			t.Errorf("HPA %s has still %v, %v", name, is.Labels, is.Annotations)
		}
	}
	if len(before) != 3 {
		t.Errorf("there were %d HPAs, want Remind Me's 3", len(before))
	}
}

// ours are the objects that have our name or our label, as kind and name.
func ours(ctx context.Context) ([]string, error) {
	config := node.RESTConfig()
	config.QPS, config.Burst = 200, 400
	config.WarningHandler = rest.NoWarnings{} // of kinds that are deprecated
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	// An API that is registered and not served would be ours.
	lists, err := node.Client.Discovery().ServerPreferredResources()
	if err != nil {
		return nil, err
	}
	resources, err := discovery.GroupVersionResources(discovery.FilteredBy(discovery.SupportsAllVerbs{Verbs: []string{"list"}}, lists))
	if err != nil {
		return nil, err
	}
	var left []string
	for resource := range resources {
		if resource.Resource == "events" {
			continue // they tell what was, and go by themselves after an hour
		}
		objects, err := client.Resource(resource).List(ctx, metav1.ListOptions{})
		if apierrors.IsNotFound(err) || apierrors.IsMethodNotSupported(err) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", resource, err)
		}
		for _, o := range objects.Items {
			if resource.Resource == "namespaces" && o.GetLabels()["app.kubernetes.io/part-of"] == "" {
				continue
			}
			if strings.Contains(o.GetName(), "loadline") || strings.Contains(o.GetName(), "metrics.k8s.io") || o.GetLabels()["app.kubernetes.io/part-of"] == "loadline" {
				left = append(left, fmt.Sprintf("%s %s/%s", resource.Resource, o.GetNamespace(), o.GetName()))
			}
		}
	}
	slices.Sort(left)
	return left, nil
}
