package cli

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/loadline/loadline/policy/lint"
)

func (e *env) lintLive(ctx context.Context, o lintOptions, ignores []lint.Ignore, options lint.Options) (*lint.Result, error) {
	c, err := e.cluster()
	if err != nil {
		return nil, err
	}
	namespace := c.namespace
	if o.allNamespaces {
		namespace = ""
	}
	objects, err := lint.Gather(ctx, reader{cluster: c, env: e}, namespace, e.now(), lint.MaxObjects)
	if err != nil {
		return nil, err
	}
	return lint.LintLive(objects, ignores, options)
}

// reader is the cluster as lint wants it.
type reader struct {
	*cluster
	env *env
}

func (r reader) Each(ctx context.Context, resource schema.GroupVersionResource, namespace string, f func(*unstructured.Unstructured) error) error {
	options := metav1.ListOptions{Limit: pageSize}
	for {
		page, err := func() (*unstructured.UnstructuredList, error) {
			ctx, cancel := context.WithTimeout(ctx, callTimeout)
			defer cancel()
			return r.client.Resource(resource).Namespace(namespace).List(ctx, options)
		}()
		switch {
		case apierrors.IsNotFound(err):
			return lint.ErrUnknownKind
		case apierrors.IsForbidden(err):
			return fmt.Errorf("%w: %w", lint.ErrForbidden, err)
		case err != nil:
			return err
		}
		for i := range page.Items {
			if err := f(&page.Items[i]); err != nil {
				return err
			}
		}
		if options.Continue = page.GetContinue(); options.Continue == "" {
			return nil
		}
	}
}

func (r reader) Resource(_ context.Context, gk schema.GroupKind) (schema.GroupVersionResource, error) {
	mapper, err := r.env.flags.ToRESTMapper()
	if err != nil {
		return schema.GroupVersionResource{}, err
	}
	mapping, err := mapper.RESTMapping(gk)
	if meta.IsNoMatchError(err) {
		return schema.GroupVersionResource{}, lint.ErrUnknownKind
	}
	if err != nil {
		return schema.GroupVersionResource{}, err
	}
	return mapping.Resource, nil
}
