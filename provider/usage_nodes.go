package provider

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/metrics/pkg/apis/metrics"
)

// GetNodeMetrics returns what is known of nodes, in their order. A node of which CPU or
// memory is not known is left out.
func (u *Usage) GetNodeMetrics(nodes ...*corev1.Node) ([]metrics.NodeMetrics, error) {
	out := make([]metrics.NodeMetrics, 0, len(nodes))
	if len(nodes) == 0 {
		return out, nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), u.Reader.Patience)
	defer cancel()
	u.want("nodes", "")
	b := u.read(ctx, "nodes", "")
	for _, err := range []error{b.cpuErr, b.memoryErr} {
		if err != nil {
			return nil, statusError(err)
		}
	}
	window := metav1.Duration{Duration: u.window(b)}
	for _, n := range nodes {
		cpu, hasCPU := b.cpu.Objects[n.Name]
		memory, hasMemory := b.memory.Objects[n.Name]
		if !hasCPU || !hasMemory || cpu.Quantity.Sign() < 0 || memory.Quantity.Sign() < 0 {
			continue
		}
		out = append(out, metrics.NodeMetrics{
			ObjectMeta: metav1.ObjectMeta{Name: n.Name, Labels: n.Labels, CreationTimestamp: metav1.Now()},
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
