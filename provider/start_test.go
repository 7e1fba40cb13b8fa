package provider_test

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	cmprovider "sigs.k8s.io/custom-metrics-apiserver/pkg/provider"

	"github.com/loadline/loadline/provider"
	"github.com/loadline/loadline/provider/catalog"
	"github.com/loadline/loadline/provider/metric"
	"github.com/loadline/loadline/provider/rule"
	"github.com/loadline/loadline/provider/store"
)

// undiscovered is the mapper of a cluster whose resources are not known yet.
type undiscovered struct {
	cluster
	known atomic.Bool
}

func (u *undiscovered) ResourceFor(in schema.GroupVersionResource) (schema.GroupVersionResource, error) {
	if !u.known.Load() {
		return in, metric.Errorf(metric.ObjectsUnknown, "the API server's resources are not known yet")
	}
	return u.cluster.ResourceFor(in)
}

// starting is a fixture before the first discovery.
func starting(t *testing.T) (*fixture, *undiscovered, *catalog.Catalog) {
	f := setup(t)
	f.reader.Patience = time.Second
	set, err := rule.Compile([]byte(rules))
	if err != nil {
		t.Fatal(err)
	}
	fresh := catalog.New(catalog.Options{Rules: set, Source: discoverer{}, Scopes: newCluster(), MaxAge: time.Hour, Now: func() time.Time { return f.now }})
	mapper := &undiscovered{cluster: newCluster()}
	f.custom.Mapper, f.custom.Catalog, f.external.Catalog = mapper, fresh, fresh
	id := podMetric("a", "")
	byName := id
	byName.Name = "p1"
	f.store.Succeed(id, &store.Data{Evaluated: start, Objects: map[string]store.Value{"p1": value(1)}})
	f.store.Succeed(byName, &store.Data{Evaluated: start, Objects: map[string]store.Value{"p1": value(1)}})
	f.store.Succeed(queue(), &store.Data{Evaluated: start, Series: []store.Value{value(1)}})
	return f, mapper, fresh
}

// reads are all the ways to read.
func reads(t *testing.T, custom *provider.Custom, external *provider.External) map[string]func() error {
	return map[string]func() error{
		"by name": func() error {
			_, err := custom.GetMetricByName(t.Context(), types.NamespacedName{Namespace: "a", Name: "p1"}, info(pods, "requests"), everyName)
			return err
		},
		"by selector": func() error {
			_, err := custom.GetMetricBySelector(t.Context(), "a", labels.Everything(), info(pods, "requests"), everyName)
			return err
		},
		"external": func() error {
			_, err := external.GetExternalMetric(t.Context(), "a", everyName, cmprovider.ExternalMetricInfo{Metric: "depth"})
			return err
		},
	}
}

// What is not known yet is not undefined: a read waits for the first discovery
// and then answers.
func TestReadWaitsForTheFirstDiscovery(t *testing.T) {
	for _, way := range []string{"by name", "by selector", "external"} {
		t.Run(way, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f, mapper, fresh := starting(t)
				done := make(chan error, 1)
				go func() { done <- reads(t, f.custom, f.external)[way]() }()
				time.Sleep(900 * time.Millisecond)
				mapper.known.Store(true)
				fresh.Relist(t.Context())
				if err := <-done; err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// A discovery that does not come ends the wait after the reader's patience, with
// 503.
func TestReadDoesNotWaitForever(t *testing.T) {
	for _, way := range []string{"by name", "by selector", "external"} {
		t.Run(way, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f, _, _ := starting(t)
				began := time.Now()
				err := reads(t, f.custom, f.external)[way]()
				if !apierrors.IsServiceUnavailable(err) {
					t.Errorf("err %v", err)
				}
				if took := time.Since(began); took != f.reader.Patience {
					t.Errorf("after %s, want %s", took, f.reader.Patience)
				}
			})
		})
	}
}
