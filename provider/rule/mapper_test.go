package rule

import (
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// cluster is a RESTMapper that knows some kinds.
func cluster() *meta.DefaultRESTMapper {
	m := meta.NewDefaultRESTMapper([]schema.GroupVersion{{Version: "v1"}, {Group: "apps", Version: "v1"}})
	for _, one := range []struct {
		group, kind string
		scope       meta.RESTScope
	}{
		{"", "Pod", meta.RESTScopeNamespace},
		{"", "Service", meta.RESTScopeNamespace},
		{"", "Namespace", meta.RESTScopeRoot},
		{"", "Node", meta.RESTScopeRoot},
		{"apps", "Deployment", meta.RESTScopeNamespace},
		{"batch", "Job", meta.RESTScopeNamespace},
		{"networking.k8s.io", "Ingress", meta.RESTScopeNamespace},
		{"cert-manager.io", "Issuer", meta.RESTScopeNamespace},
	} {
		m.Add(schema.GroupVersionKind{Group: one.group, Version: "v1", Kind: one.kind}, one.scope)
	}
	return m
}

// unreachable is the mapper of a cluster whose discovery fails.
type unreachable struct{ err error }

func (u unreachable) ResourceFor(schema.GroupVersionResource) (schema.GroupVersionResource, error) {
	return schema.GroupVersionResource{}, u.err
}

func (u unreachable) ResourceSingularizer(string) (string, error) { return "", u.err }
