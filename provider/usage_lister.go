package provider

import (
	"context"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/cache"

	"github.com/loadline/loadline/provider/metric"
)

// Lister lists live objects.
type Lister interface {
	List(ctx context.Context, gr schema.GroupResource, namespace string, sel labels.Selector) ([]metric.Object, error)
}

// Pods are live pods in the form in which metrics-server's API asks for them: with their
// names and labels only, and without a context, in whose place there is a time.
type Pods struct {
	Objects   Lister
	Patience  time.Duration
	namespace string
}

var _ cache.GenericLister = Pods{}

// Nodes are the same of nodes.
type Nodes struct {
	Objects  Lister
	Patience time.Duration
}

var _ corelisters.NodeLister = Nodes{}

// ByNamespace implements cache.GenericLister. Empty is all namespaces.
func (p Pods) ByNamespace(ns string) cache.GenericNamespaceLister {
	p.namespace = ns
	return p
}

// List implements cache.GenericLister.
func (p Pods) List(sel labels.Selector) ([]runtime.Object, error) {
	found, err := list(p.Objects, p.Patience, "pods", p.namespace, sel)
	if err != nil {
		return nil, err
	}
	out := make([]runtime.Object, len(found))
	for i, o := range found {
		out[i] = &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Namespace: o.Namespace, Name: o.Name, Labels: o.Labels}}
	}
	return out, nil
}

// Get implements cache.GenericLister.
func (p Pods) Get(name string) (runtime.Object, error) {
	all, err := p.List(labels.Everything())
	if err != nil {
		return nil, err
	}
	for _, o := range all {
		if o.(*metav1.PartialObjectMetadata).Name == name {
			return o, nil
		}
	}
	return nil, apierrors.NewNotFound(corev1.Resource("pods"), name)
}

// List implements corelisters.NodeLister.
func (n Nodes) List(sel labels.Selector) ([]*corev1.Node, error) {
	found, err := list(n.Objects, n.Patience, "nodes", "", sel)
	if err != nil {
		return nil, err
	}
	out := make([]*corev1.Node, len(found))
	for i, o := range found {
		out[i] = &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: o.Name, Labels: o.Labels}}
	}
	return out, nil
}

// Get implements corelisters.NodeLister.
func (n Nodes) Get(name string) (*corev1.Node, error) {
	all, err := n.List(labels.Everything())
	if err != nil {
		return nil, err
	}
	for _, node := range all {
		if node.Name == name {
			return node, nil
		}
	}
	return nil, apierrors.NewNotFound(corev1.Resource("nodes"), name)
}

func list(objects Lister, patience time.Duration, resource, namespace string, sel labels.Selector) ([]metric.Object, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	found, err := objects.List(ctx, schema.GroupResource{Resource: resource}, namespace, sel)
	if err != nil {
		return nil, statusError(err)
	}
	return found, nil
}
