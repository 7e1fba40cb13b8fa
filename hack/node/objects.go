package node

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// liveObjects reads from the API server, each object once: a cache that lags
// could start a container with the environment of before an apply.
type liveObjects struct {
	ctx        context.Context
	client     kubernetes.Interface
	namespace  string
	configMaps map[string]*corev1.ConfigMap
	secrets    map[string]*corev1.Secret
}

// readObjects returns the objects of a namespace as they are now; it is meant
// for one use, ctx bounds all of its reads.
func readObjects(ctx context.Context, client kubernetes.Interface, namespace string) *liveObjects {
	return &liveObjects{
		ctx: ctx, client: client, namespace: namespace,
		configMaps: map[string]*corev1.ConfigMap{}, secrets: map[string]*corev1.Secret{},
	}
}

func (o *liveObjects) configMap(name string) (*corev1.ConfigMap, error) {
	return remember(o.configMaps, name, func() (*corev1.ConfigMap, error) {
		return o.client.CoreV1().ConfigMaps(o.namespace).Get(o.ctx, name, metav1.GetOptions{})
	})
}

func (o *liveObjects) secret(name string) (*corev1.Secret, error) {
	return remember(o.secrets, name, func() (*corev1.Secret, error) {
		return o.client.CoreV1().Secrets(o.namespace).Get(o.ctx, name, metav1.GetOptions{})
	})
}

func remember[T any](seen map[string]*T, name string, get func() (*T, error)) (*T, error) {
	if obj, ok := seen[name]; ok {
		return obj, nil
	}
	obj, err := get()
	if apierrors.IsNotFound(err) {
		obj, err = nil, nil
	}
	if err != nil {
		return nil, err
	}
	seen[name] = obj
	return obj, nil
}
