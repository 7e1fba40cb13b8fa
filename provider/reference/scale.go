package reference

import (
	"context"
	"errors"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
)

// ScaleSelector reads status.selector through the scale subresource, which every
// scale target has, custom resources included.
func ScaleSelector(client dynamic.Interface, kinds Kinds) SelectorFunc {
	return func(ctx context.Context, namespace string, target schema.GroupKind, name string) (string, error) {
		mapping, err := kinds.RESTMapping(target)
		if err != nil {
			return "", err
		}
		scale, err := client.Resource(mapping.Resource).Namespace(namespace).Get(ctx, name, metav1.GetOptions{}, "scale")
		if err != nil {
			return "", err
		}
		selector, _, err := unstructured.NestedString(scale.Object, "status", "selector")
		if err != nil {
			return "", err
		}
		if selector == "" {
			return "", errors.New("its status.selector is empty, so the HPA controller cannot find its pods")
		}
		return selector, nil
	}
}
