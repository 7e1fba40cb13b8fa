package provider_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/metrics/pkg/apis/external_metrics"
	cmprovider "sigs.k8s.io/custom-metrics-apiserver/pkg/provider"

	"github.com/loadline/loadline/provider/metric"
	"github.com/loadline/loadline/provider/store"
)

func TestExternal(t *testing.T) {
	depth := cmprovider.ExternalMetricInfo{Metric: "depth"}
	t.Run("every series, with its labels, time and window", func(t *testing.T) {
		f := setup(t)
		labelled := value(3)
		labelled.Labels = map[string]string{"queue": "reminders"}
		id := queue()
		id.MetricSelector = "queue in (reminders,x)"
		f.store.Succeed(id, &store.Data{Evaluated: start, Window: time.Minute, Series: []store.Value{labelled, value(0)}})
		list, err := f.external.GetExternalMetric(t.Context(), "a", parse(t, "queue in (x, reminders)"), depth)
		if err != nil {
			t.Fatal(err)
		}
		window, at := int64(60), metav1.Time{Time: start.Add(-time.Second)}
		want := []external_metrics.ExternalMetricValue{
			{MetricName: "depth", MetricLabels: map[string]string{"queue": "reminders"}, Timestamp: at, WindowSeconds: &window, Value: value(3).Quantity},
			{MetricName: "depth", Timestamp: at, WindowSeconds: &window, Value: value(0).Quantity},
		}
		if diff := cmp.Diff(want, list.Items); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
	t.Run("no window without a range", func(t *testing.T) {
		f := setup(t)
		f.store.Succeed(queue(), &store.Data{Evaluated: start, Series: []store.Value{value(1)}})
		list, err := f.external.GetExternalMetric(t.Context(), "a", everyName, depth)
		if err != nil || list.Items[0].WindowSeconds != nil {
			t.Errorf("%+v, %v", list, err)
		}
	})
	for name, tc := range map[string]struct {
		metric string
		store  func(*store.Store)
		is     func(error) bool
		want   string
	}{
		"no series is not zero": {
			"depth", func(s *store.Store) { s.Succeed(queue(), &store.Data{Evaluated: start, PromQL: "q"}) },
			apierrors.IsNotFound, "the source has no series for it (absence is not zero); asked: q",
		},
		"a value that is no number": {
			"depth", func(s *store.Store) { s.Fail(queue(), start, metric.Errorf(metric.NotFinite, "the value is NaN")) },
			apierrors.IsInternalError, "the value is NaN",
		},
		"a metric nobody defined": {
			"nowhere", func(*store.Store) {}, apierrors.IsNotFound,
			`no external rule gives a metric "nowhere" from a series that the source holds: check the rules' seriesQuery, and whether the series exists`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := setup(t)
			tc.store(f.store)
			list, err := f.external.GetExternalMetric(t.Context(), "a", everyName, cmprovider.ExternalMetricInfo{Metric: tc.metric})
			if list != nil || !tc.is(err) {
				t.Fatalf("%v, %v", list, err)
			}
			if diff := cmp.Diff(tc.want, err.Error()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if tc.metric == "nowhere" && len(f.demand.Wanted()) != 0 {
				t.Error("what nobody defined takes room in the demand")
			}
		})
	}
	for name, tc := range map[string]struct{ namespace, metric, want string }{
		"the rule sees all namespaces":          {"*", "depth", ""},
		"the rule sees one":                     {"*", "lag", `no read is of all namespaces ("*"): ask for namespaces/NAMESPACE/lag`},
		"one that cannot exist":                 {"No_Such", "lag", noNamespace},
		"one that cannot exist, of all it sees": {"No_Such", "depth", noNamespace},
	} {
		t.Run(name, func(t *testing.T) {
			f := setup(t)
			id := metric.Identifier{API: metric.External, Metric: tc.metric, Namespace: tc.namespace}
			f.store.Succeed(id, &store.Data{Evaluated: start, Series: []store.Value{value(1)}})
			_, err := f.external.GetExternalMetric(t.Context(), tc.namespace, everyName, cmprovider.ExternalMetricInfo{Metric: tc.metric})
			if tc.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if !apierrors.IsBadRequest(err) || err.Error() != tc.want {
				t.Errorf("got  %v\nwant %s", err, tc.want)
			}
			if f.demand.Has(id) {
				t.Error("what cannot be answered takes room in the demand")
			}
		})
	}
	t.Run("discovery", func(t *testing.T) {
		if diff := cmp.Diff([]cmprovider.ExternalMetricInfo{{Metric: "depth"}, {Metric: "lag"}}, setup(t).external.ListAllExternalMetrics()); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}
