package provider

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/metrics/pkg/apis/metrics"
)

// unknownUsage is in the place of a value that is not known, in kubectl top's word.
const unknownUsage = "<unknown>"

// usageTable is what kubectl get shows. It has its columns whatever the rows have, unlike
// metrics-server's, whose first row decides: the first pod may not have any CPU yet.
func usageTable(list metav1.ListMeta, rows ...metav1.TableRow) *metav1.Table {
	return &metav1.Table{
		ListMeta: list,
		ColumnDefinitions: []metav1.TableColumnDefinition{
			{Name: "Name", Type: "string", Format: "name", Description: "Name of the resource"},
			{Name: string(corev1.ResourceCPU), Type: "string", Format: "quantity", Description: "CPU in use, of all containers; " + unknownUsage + " while that of one of them is"},
			{Name: string(corev1.ResourceMemory), Type: "string", Format: "quantity", Description: "Memory in use, of all containers; " + unknownUsage + " while that of one of them is"},
			{Name: "Window", Type: "string", Format: "duration", Description: "Time over which a rate was taken"},
		},
		Rows: rows,
	}
}

func usageRow(name string, usage corev1.ResourceList, window metav1.Duration, of runtime.Object) metav1.TableRow {
	cell := func(resource corev1.ResourceName) string {
		if q, known := usage[resource]; known {
			return q.String()
		}
		return unknownUsage
	}
	return metav1.TableRow{
		Cells:  []any{name, cell(corev1.ResourceCPU), cell(corev1.ResourceMemory), window.Duration.String()},
		Object: runtime.RawExtension{Object: of},
	}
}

// total is what all containers of a pod use. A resource of which that of one of them is not
// known is left out, as the HPA controller does: what the others use is not what the pod
// uses.
func total(containers []metrics.ContainerMetrics) corev1.ResourceList {
	sum := corev1.ResourceList{}
	for _, name := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory} {
		for i, c := range containers {
			q, known := c.Usage[name]
			if !known {
				delete(sum, name)
				break
			}
			q = q.DeepCopy()
			if i > 0 {
				q.Add(sum[name])
			}
			sum[name] = q
		}
	}
	return sum
}

func noTable(object runtime.Object) error { return fmt.Errorf("there is no table of a %T", object) }
