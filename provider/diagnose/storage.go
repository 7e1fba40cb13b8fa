package diagnose

import (
	"context"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metainternalversion "k8s.io/apimachinery/pkg/apis/meta/internalversion"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/apiserver/pkg/registry/rest"

	"github.com/loadline/loadline/provider/api/v1alpha1"
	"github.com/loadline/loadline/provider/metric"
)

// Storage serves what a Describer says. Who may get and list in a namespace is the API
// server's to decide, before.
type Storage struct{ *Describer }

var _ interface {
	rest.Storage
	rest.Scoper
	rest.Getter
	rest.Lister
	rest.SingularNameProvider
} = Storage{}

// New implements rest.Storage.
func (Storage) New() runtime.Object { return &v1alpha1.Metric{} }

// NewList implements rest.Lister.
func (Storage) NewList() runtime.Object { return &v1alpha1.MetricList{} }

// Destroy implements rest.Storage.
func (Storage) Destroy() {}

// NamespaceScoped implements rest.Scoper.
func (Storage) NamespaceScoped() bool { return true }

// GetSingularName implements rest.SingularNameProvider.
func (Storage) GetSingularName() string { return v1alpha1.Singular }

// Get implements rest.Getter. A metric that is served and that nobody wants here has its rule
// and no reads.
func (s Storage) Get(ctx context.Context, name string, _ *metav1.GetOptions) (runtime.Object, error) {
	namespace := request.NamespaceValue(ctx)
	if wanted := s.one(namespace, name); wanted != nil {
		m := s.describe(ctx, wanted)
		return &m, nil
	}
	of, ok := unwanted(namespace, name)
	if !ok {
		return nil, notFound(name, "names are RESOURCE:METRIC, such as pods:http_requests_per_second, or external:METRIC")
	}
	m := s.describe(ctx, of)
	if p := m.Problem; p != nil && (p.Reason == string(metric.Undefined) || p.Reason == string(metric.SourceFailed)) {
		return nil, notFound(name, "nobody wants it in the namespace, and nothing gives it: "+p.Message)
	}
	return &m, nil
}

// List implements rest.Lister, with what somebody wants. A page has options.Limit metrics at
// most, and maxMetrics, and ends where it would be too large or take too long.
func (s Storage) List(ctx context.Context, options *metainternalversion.ListOptions) (runtime.Object, error) {
	chosen, limit, after := func(*subject) bool { return true }, maxMetrics, ""
	if options != nil {
		chosen = selection(options)
		if options.Limit > 0 && options.Limit < maxMetrics {
			limit = int(options.Limit)
		}
		after = options.Continue
	}
	began := s.Now()
	left, ok := page(s.wanted(request.NamespaceValue(ctx)), after)
	if !ok {
		return nil, apierrors.NewBadRequest("continue: it is none of this resource's")
	}
	list := &v1alpha1.MetricList{Items: []v1alpha1.Metric{}}
	size := 0
	var last *subject
	for _, one := range left {
		if !chosen(one) {
			continue
		}
		if len(list.Items) == limit || size > maxPage || last != nil && s.Now().Sub(began) > maxTime {
			list.Continue = next(last)
			break
		}
		m := s.describe(ctx, one)
		size += sizeOfMetric(&m)
		list.Items, last = append(list.Items, m), one
	}
	return list, nil
}

// selection is the choice of the options. Metrics have no labels, and of fields those of
// metadata, which are all that the server lets through.
func selection(options *metainternalversion.ListOptions) func(*subject) bool {
	label, field := options.LabelSelector, options.FieldSelector
	return func(s *subject) bool {
		return (label == nil || label.Matches(labels.Set{})) &&
			(field == nil || field.Matches(fields.Set{"metadata.name": s.name, "metadata.namespace": s.namespace}))
	}
}

func notFound(name, why string) error {
	err := apierrors.NewNotFound(v1alpha1.GroupVersion.WithResource(v1alpha1.Plural).GroupResource(), name)
	err.ErrStatus.Message += ": " + clip(why, maxMessage)
	return err
}
