package node

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"
)

// A node that was taken for dead reports itself ready again, and otherwise nothing.
func TestRestore(t *testing.T) {
	for name, tc := range map[string]struct {
		is     corev1.ConditionStatus
		writes int
	}{
		"ready":      {corev1.ConditionTrue, 0},
		"not ready":  {corev1.ConditionFalse, 1},
		"not known":  {corev1.ConditionUnknown, 1},
		"never told": {"", 1},
	} {
		t.Run(name, func(t *testing.T) {
			node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "n"}}
			if tc.is != "" {
				node.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: tc.is}}
			}
			client := fake.NewClientset(node)
			n := &Node{client: client, opts: Options{Name: "n"}, now: time.Now}
			if err := n.restore(t.Context()); err != nil {
				t.Fatal(err)
			}
			writes := 0
			for _, a := range client.Actions() {
				if a.Matches("update", "nodes/status") {
					writes++
				}
			}
			if writes != tc.writes {
				t.Errorf("%d writes, want %d", writes, tc.writes)
			}
			got, err := client.CoreV1().Nodes().Get(t.Context(), "n", metav1.GetOptions{})
			if err != nil {
				t.Fatal(err)
			}
			ready := false
			for _, c := range got.Status.Conditions {
				ready = ready || c.Type == corev1.NodeReady && c.Status == corev1.ConditionTrue
			}
			if !ready {
				t.Errorf("conditions %v", got.Status.Conditions)
			}
		})
	}
}
