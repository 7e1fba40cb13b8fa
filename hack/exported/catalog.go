package exported

import (
	"context"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	dto "github.com/prometheus/client_model/go"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/ptr"
	ctrlcontroller "sigs.k8s.io/controller-runtime/pkg/controller"
	ctrlmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/loadline/loadline/adapter"
	"github.com/loadline/loadline/policy/controller"
)

// Catalog has the labels of each series that a query may name, by the name. Of a
// histogram these are its _bucket, _sum and _count.
type Catalog map[string][]string

// Programs returns what the two programs export: their own metrics, those of the process
// and of the Go runtime, and those of controller-runtime. It is for one call in a process.
func Programs(ctx context.Context) (Catalog, error) {
	c := Catalog{}
	for _, describe := range []func(prometheus.Registerer){adapter.DescribeMetrics, controller.DescribeMetrics, process} {
		families, err := Families(describe)
		if err != nil {
			return nil, err
		}
		c.add(families)
	}
	if err := oneTurn(ctx); err != nil {
		return nil, err
	}
	families, err := ctrlmetrics.Registry.Gather()
	if err != nil {
		return nil, err
	}
	c.add(families)
	return c, nil
}

func process(r prometheus.Registerer) {
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), collectors.NewBuildInfoCollector())
}

// oneTurn runs a controller for one turn, after which the library's metrics have series.
func oneTurn(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	turned := false
	c, err := ctrlcontroller.NewUnmanaged("any", ctrlcontroller.Options{
		SkipNameValidation: ptr.To(true),
		Reconciler: reconcile.Func(func(context.Context, reconcile.Request) (reconcile.Result, error) {
			turned = true
			cancel()
			return reconcile.Result{}, nil
		}),
	})
	if err != nil {
		return err
	}
	if err := c.Watch(source.Func(func(_ context.Context, q workqueue.TypedRateLimitingInterface[reconcile.Request]) error {
		q.Add(reconcile.Request{NamespacedName: types.NamespacedName{Name: "any"}})
		return nil
	})); err != nil {
		return err
	}
	if err := c.Start(ctx); err != nil {
		return err
	}
	if !turned { // Start has returned, so nobody writes it any more
		return fmt.Errorf("the controller made no turn: %w", context.Cause(ctx))
	}
	return nil
}

// add adds families by the names that their series have in Prometheus.
func (c Catalog) add(families []*dto.MetricFamily) {
	for _, f := range families {
		labels := []string{}
		for _, l := range f.GetMetric()[0].GetLabel() {
			labels = append(labels, l.GetName())
		}
		name := f.GetName()
		if f.GetType() != dto.MetricType_HISTOGRAM {
			c[name] = labels
			continue
		}
		c[name+"_sum"], c[name+"_count"] = labels, labels
		c[name+"_bucket"] = append([]string{"le"}, labels...)
	}
}
