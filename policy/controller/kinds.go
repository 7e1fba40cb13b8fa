package controller

import (
	"context"
	"encoding/json"
	"strings"

	autoscalingv1 "k8s.io/api/autoscaling/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"
)

// kinds knows what the cluster serves that can be scaled.
type kinds struct{ table *refreshed[kindTable] }

// kindTable has the kinds that are served, and of those with a scale subresource
// one resource under which it is. failed are groups that did not answer.
type kindTable struct {
	served map[schema.GroupKind]bool
	scale  map[schema.GroupKind]schema.GroupVersionResource
	failed map[string]bool
}

func newKinds(disco discovery.ServerResourcesInterfaceWithContext, o *Options) *kinds {
	return &kinds{&refreshed[kindTable]{
		what: "the kinds that the API server serves", every: o.DiscoveryInterval, limit: o.CallTimeout, now: o.Now,
		load: func(ctx context.Context) (kindTable, error) {
			_, lists, err := disco.ServerGroupsAndResourcesWithContext(ctx)
			failed, partial := discovery.GroupDiscoveryFailedErrorGroups(err)
			if err != nil && !partial {
				return kindTable{}, err
			}
			return newKindTable(lists, failed), nil
		},
	}}
}

func newKindTable(lists []*metav1.APIResourceList, failed map[schema.GroupVersion]error) kindTable {
	t := kindTable{
		served: map[schema.GroupKind]bool{}, scale: map[schema.GroupKind]schema.GroupVersionResource{}, failed: map[string]bool{},
	}
	for gv := range failed {
		t.failed[gv.Group] = true
	}
	for _, list := range lists {
		gv, err := schema.ParseGroupVersion(list.GroupVersion)
		if err != nil {
			continue
		}
		byResource := map[string]schema.GroupKind{}
		for _, r := range list.APIResources {
			if !strings.Contains(r.Name, "/") {
				gk := schema.GroupKind{Group: gv.Group, Kind: r.Kind}
				byResource[r.Name], t.served[gk] = gk, true
			}
		}
		for _, r := range list.APIResources {
			parent, sub, _ := strings.Cut(r.Name, "/")
			// Lists come in the order of the server's preference.
			if gk, ok := byResource[parent]; ok && sub == "scale" {
				if _, known := t.scale[gk]; !known {
					t.scale[gk] = gv.WithResource(parent)
				}
			}
		}
	}
	return t
}

// find returns where the scale of a kind is. Without a scale it says whether the kind
// is served; known is false where that could not be found out.
func (k *kinds) find(ctx context.Context, gk schema.GroupKind) (scale schema.GroupVersionResource, served, known bool) {
	for _, missed := range []bool{false, true} {
		t, ok := k.table.get(ctx, missed)
		if gvr, scalable := t.scale[gk]; scalable {
			return gvr, true, true
		}
		served, known = t.served[gk], ok && !t.failed[gk.Group]
	}
	return scale, served, known
}

// readScale reads the scale of an object.
func readScale(ctx context.Context, c rest.Interface, gvr schema.GroupVersionResource, namespace, name string) (*autoscalingv1.Scale, error) {
	path := []string{"apis", gvr.Group, gvr.Version}
	if gvr.Group == "" {
		path = []string{"api", gvr.Version}
	}
	answer := c.Get().AbsPath(append(path, "namespaces", namespace, gvr.Resource, name, "scale")...).Do(ctx)
	if err := answer.Error(); err != nil { // which has the server's words
		return nil, err
	}
	data, err := answer.Raw()
	if err != nil {
		return nil, err
	}
	scale := &autoscalingv1.Scale{}
	return scale, json.Unmarshal(data, scale)
}
