package adapter

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	fakediscovery "k8s.io/client-go/discovery/fake"
	clienttesting "k8s.io/client-go/testing"
	cmprovider "sigs.k8s.io/custom-metrics-apiserver/pkg/provider"

	"github.com/loadline/loadline/provider"
	"github.com/loadline/loadline/provider/catalog"
	"github.com/loadline/loadline/provider/demand"
	"github.com/loadline/loadline/provider/metric"
	"github.com/loadline/loadline/provider/object"
	"github.com/loadline/loadline/provider/rule"
	"github.com/loadline/loadline/provider/source"
	"github.com/loadline/loadline/provider/store"
)

// gizmos is a slow source that has had series of gizmos all along.
type gizmos struct{}

func (gizmos) Series(context.Context, []string, time.Duration) ([]source.Series, error) {
	time.Sleep(20 * time.Second) // so that the next discovery of series is minutes away
	return []source.Series{{Name: "spins", Labels: []string{"gizmo", "namespace"}}}, nil
}

// idle evaluates nothing.
type idle struct{}

func (idle) Soon(...metric.Identifier)      {}
func (idle) Outage(metric.Identifier) error { return nil }

// A resource that is installed long after an HPA began to ask for its metric, at the
// HPA's pace, is served to the first read a minute later.
func TestInstalledResourceIsServedWithinAMinute(t *testing.T) {
	for _, earlier := range []int{1, 15, 16, 17} { // reads, so that it is installed at any time of the pause between two looks
		t.Run(fmt.Sprint(earlier), func(t *testing.T) { installed(t, earlier) })
	}
}

func installed(t *testing.T, earlier int) {
	synctest.Test(t, func(t *testing.T) {
		rules, err := rule.Compile([]byte(`{rules: [{seriesQuery: spins, resources: {overrides: {namespace: {resource: namespace}, gizmo: {group: example.com, resource: gizmo}}}, metricsQuery: "sum(<<.Series>>{<<.LabelMatchers>>}) by (<<.GroupBy>>)"}]}`))
		if err != nil {
			t.Fatal(err)
		}
		api := &fakediscovery.FakeDiscovery{Fake: &clienttesting.Fake{Resources: []*metav1.APIResourceList{
			{GroupVersion: "v1", APIResources: []metav1.APIResource{{Name: "namespaces", SingularName: "namespace", Kind: "Namespace"}}},
		}}}
		o := NewOptions()
		mapper := object.NewMapper(api, o.DiscoveryInterval)
		known := catalog.New(catalog.Options{
			Rules: rules, Source: gizmos{}, Scopes: mapper, Interval: o.RelistInterval, MaxAge: time.Hour, Now: time.Now, Changed: mapper.Changed(),
		})
		held := store.New()
		gr := schema.GroupResource{Group: "example.com", Resource: "gizmos"}
		held.Succeed(metric.Identifier{API: metric.Custom, Metric: "spins", Namespace: "a", Resource: gr, Name: "x"},
			&store.Data{Evaluated: time.Now().Add(time.Hour), Objects: map[string]store.Value{"x": {Quantity: resource.MustParse("7")}}})
		custom := &provider.Custom{
			Reader: &provider.Reader{
				Demand: demand.New(o.Demand), Evaluator: idle{}, Store: held, MaxAge: time.Hour, Patience: time.Second, Now: time.Now,
			},
			Catalog: known, Objects: everything{}, Mapper: mapper, Metrics: provider.NewMetrics(prometheus.NewRegistry()),
		}
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { mapper.Run(ctx) })
		synctest.Wait()
		running.Go(func() { known.Run(ctx) })
		defer func() { cancel(); running.Wait() }()

		read := func() error {
			_, err := custom.GetMetricByName(t.Context(), types.NamespacedName{Namespace: "a", Name: "x"},
				cmprovider.CustomMetricInfo{GroupResource: gr, Metric: "spins", Namespaced: true}, labels.Everything())
			return err
		}
		const pace = 15 * time.Second
		for range earlier {
			if err := read(); !apierrors.IsNotFound(err) && !apierrors.IsServiceUnavailable(err) {
				t.Fatalf("before it is installed: %v", err)
			}
			time.Sleep(pace)
		}
		synctest.Wait()
		api.Resources = append(api.Resources, &metav1.APIResourceList{GroupVersion: "example.com/v1", APIResources: []metav1.APIResource{
			{Name: "gizmos", SingularName: "gizmo", Kind: "Gizmo", Namespaced: true},
		}})
		for asked := time.Duration(0); asked < time.Minute; asked += pace {
			_ = read()
			time.Sleep(pace)
		}
		if err := read(); err != nil {
			t.Errorf("a minute after it was installed and asked for: %v", err)
		}
	})
}
