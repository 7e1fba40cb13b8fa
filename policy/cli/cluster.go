package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"

	"github.com/loadline/loadline/policy/api/v1alpha1"
)

// callTimeout bounds a request that --request-timeout does not.
const callTimeout = 30 * time.Second

// pageSize is how many objects are asked for at once.
const pageSize = 500

// The resources that the commands read and write.
func policiesResource() schema.GroupVersionResource {
	return v1alpha1.GroupVersion.WithResource(v1alpha1.Plural)
}

func hpasResource() schema.GroupVersionResource {
	return autoscalingv2.SchemeGroupVersion.WithResource("horizontalpodautoscalers")
}

// cluster is what the flags and the kubeconfig lead to.
type cluster struct {
	config *rest.Config
	client dynamic.Interface
	// namespace is that of the flag or, without it, of the kubeconfig's context.
	namespace string
	// said is where goes what cannot be returned as an error.
	said io.Writer
}

func (e *env) cluster() (*cluster, error) {
	config, err := e.flags.ToRESTConfig()
	if err != nil {
		return nil, err
	}
	// The default of 5 a second would make uninstall slow, which writes to each HPA.
	config.QPS, config.Burst = 50, 100
	config.WarningHandler = rest.NewWarningWriter(e.ErrOut, rest.WarningWriterOptions{Deduplicate: true})
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	namespace, _, err := e.flags.ToRawKubeConfigLoader().Namespace()
	if err != nil {
		return nil, err
	}
	return &cluster{config: config, client: client, namespace: namespace, said: e.ErrOut}, nil
}

// scope is a choice of policies. Their HPAs have the same names and namespaces.
type scope struct {
	namespace string // all if empty
	name      string // all if empty
}

// options selects the policies, and of the HPAs those that may be theirs.
func (s scope) options() metav1.ListOptions {
	o := metav1.ListOptions{Limit: pageSize}
	if s.name != "" {
		o.FieldSelector = "metadata.name=" + s.name
	}
	return o
}

// list returns all objects of a resource in a scope.
func list[T any](ctx context.Context, c *cluster, resource schema.GroupVersionResource, s scope) ([]T, error) {
	var all []T
	options := s.options()
	for {
		page, err := func() (*unstructured.UnstructuredList, error) {
			ctx, cancel := context.WithTimeout(ctx, callTimeout)
			defer cancel()
			return c.client.Resource(resource).Namespace(s.namespace).List(ctx, options)
		}()
		if err != nil {
			return nil, explain(err, resource)
		}
		for i := range page.Items {
			item, err := typed[T](&page.Items[i])
			if err != nil {
				return nil, err
			}
			all = append(all, *item)
		}
		if options.Continue = page.GetContinue(); options.Continue == "" {
			return all, nil
		}
	}
}

// typed reads an object of the API server, of which managedFields are most and wanted
// by nobody here.
func typed[T any](u *unstructured.Unstructured) (*T, error) {
	unstructured.RemoveNestedField(u.Object, "metadata", "managedFields")
	var object T
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(u.Object, &object); err != nil {
		return nil, fmt.Errorf("%s %s/%s: %w", u.GetKind(), u.GetNamespace(), u.GetName(), err)
	}
	return &object, nil
}

// get reads an object; nil if there is none.
func (c *cluster) get(ctx context.Context, resource schema.GroupVersionResource, namespace, name string) (*unstructured.Unstructured, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	u, err := c.client.Resource(resource).Namespace(namespace).Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	return u, err
}

// explain says what an error about a resource means.
func explain(err error, resource schema.GroupVersionResource) error {
	if resource == policiesResource() && unknown404(err) {
		return fmt.Errorf("the cluster does not know AutoscalingPolicies: apply Loadline's deploy/crd first (%w)", err)
	}
	if unsent, ok := errors.AsType[*url.Error](err); ok {
		return fmt.Errorf("the API server cannot be reached: %w: see --kubeconfig and --context", unsent.Err)
	}
	return err
}
