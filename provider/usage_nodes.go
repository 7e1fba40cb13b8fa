package provider

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metainternalversion "k8s.io/apimachinery/pkg/apis/meta/internalversion"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/metrics/pkg/apis/metrics"

	"github.com/loadline/loadline/provider/metric"
)

// NodeUsage serves nodes of metrics.k8s.io. A node of which CPU or memory is not known is
// left out.
type NodeUsage struct{ *Usage }

var _ usageStorage = NodeUsage{}

// New implements rest.Storage.
func (NodeUsage) New() runtime.Object { return &metrics.NodeMetrics{} }

// NewList implements rest.Lister.
func (NodeUsage) NewList() runtime.Object { return &metrics.NodeMetricsList{} }

// Destroy implements rest.Storage.
func (NodeUsage) Destroy() {}

// Kind implements rest.KindProvider: nodes are of another kind elsewhere.
func (NodeUsage) Kind() string { return "NodeMetrics" }

// NamespaceScoped implements rest.Scoper.
func (NodeUsage) NamespaceScoped() bool { return false }

// GetSingularName implements rest.SingularNameProvider. As in metrics-server there is none.
func (NodeUsage) GetSingularName() string { return "" }

// List implements rest.Lister.
func (n NodeUsage) List(ctx context.Context, options *metainternalversion.ListOptions) (runtime.Object, error) {
	_, items, err := answer(ctx, n.Usage, "nodes", "", options, n.of)
	if err != nil {
		return nil, err
	}
	return &metrics.NodeMetricsList{Items: items}, nil
}

// Get implements rest.Getter.
func (n NodeUsage) Get(ctx context.Context, name string, _ *metav1.GetOptions) (runtime.Object, error) {
	live, items, err := answer(ctx, n.Usage, "nodes", "", named(name), n.of)
	switch {
	case err != nil:
		return nil, err
	case live == 0:
		return nil, apierrors.NewNotFound(corev1.Resource("nodes"), name)
	case len(items) == 0:
		return nil, apierrors.NewNotFound(metrics.Resource("nodemetrics"), name)
	}
	return &items[0], nil
}

// ConvertToTable implements rest.TableConvertor.
func (NodeUsage) ConvertToTable(_ context.Context, object, _ runtime.Object) (*metav1.Table, error) {
	switch o := object.(type) {
	case *metrics.NodeMetrics:
		return usageTable(metav1.ListMeta{ResourceVersion: o.ResourceVersion}, nodeRow(o)), nil
	case *metrics.NodeMetricsList:
		rows := make([]metav1.TableRow, len(o.Items))
		for i := range o.Items {
			rows[i] = nodeRow(&o.Items[i])
		}
		return usageTable(o.ListMeta, rows...), nil
	}
	return nil, noTable(object)
}

func nodeRow(n *metrics.NodeMetrics) metav1.TableRow {
	return usageRow(n.Name, n.Usage, n.Window, n)
}

// of returns what is known of nodes, in their order.
func (n NodeUsage) of(ctx context.Context, nodes []metric.Object) ([]metrics.NodeMetrics, error) {
	out := make([]metrics.NodeMetrics, 0, len(nodes))
	if len(nodes) == 0 {
		return out, nil
	}
	n.want("nodes", "")
	b := n.read(ctx, "nodes", "")
	for _, err := range []error{b.cpuErr, b.memoryErr} {
		if err != nil {
			return nil, err
		}
	}
	window := metav1.Duration{Duration: n.window(b)}
	for _, node := range nodes {
		cpu, hasCPU := b.cpu.Objects[node.Name]
		memory, hasMemory := b.memory.Objects[node.Name]
		if !hasCPU || !hasMemory || cpu.Quantity.Sign() < 0 || memory.Quantity.Sign() < 0 {
			continue
		}
		out = append(out, metrics.NodeMetrics{
			ObjectMeta: metav1.ObjectMeta{Name: node.Name, Labels: node.Labels, CreationTimestamp: metav1.Now()},
			Usage: corev1.ResourceList{
				corev1.ResourceCPU:    *resource.NewMilliQuantity(cpu.Quantity.MilliValue(), resource.DecimalSI),
				corev1.ResourceMemory: *resource.NewMilliQuantity(memory.Quantity.MilliValue(), resource.BinarySI),
			},
			Timestamp: metav1.NewTime(earliest(cpu.Time, memory.Time)),
			Window:    window,
		})
	}
	return out, nil
}
