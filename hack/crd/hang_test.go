package crd

import (
	"testing"
	"time"
)

// No spelling of a quantity keeps the server busy: resource.Quantity, which rules and
// clients read it with, would write 1e-2147483647 out, digit by digit.
func TestEndlessQuantities(t *testing.T) {
	s := newServer(t)
	type taken struct{ target, tolerance bool }
	both, tolerance, none := taken{true, true}, taken{tolerance: true}, taken{}
	for quantity, taken := range map[string]taken{
		"50": both, "0.5": both, "500m": both, "8P": both, "1e-99": both,
		"1E": tolerance, "1e30": tolerance, // too much for a target
		"1e999999": none, "1e2147483647": none, "1e2147483648": none, "1e-2147483647": none, "1E-99999999": none, "1e99999999999": none,
	} {
		for _, field := range []struct {
			name   string
			taken  bool
			fields map[string]any
		}{
			{"target", taken.target, map[string]any{"objectives": []any{map[string]any{"requestRate": map[string]any{"perPod": quantity}}}}},
			{"tolerance", taken.tolerance, map[string]any{"behavior": map[string]any{"scaleDown": map[string]any{"tolerance": quantity}}}},
		} {
			t.Run(field.name+" "+quantity, func(t *testing.T) {
				object := map[string]any{
					"apiVersion": "loadline.dev/v1alpha1", "kind": "AutoscalingPolicy", "metadata": map[string]any{"name": "web"},
					"spec": map[string]any{
						"targetRef":  map[string]any{"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
						"replicas":   map[string]any{"max": int64(6)},
						"objectives": []any{map[string]any{"requestRate": map[string]any{"perPod": "50"}}},
					},
				}
				for key, value := range field.fields {
					object["spec"].(map[string]any)[key] = value
				}
				answer := make(chan int, 1)
				go func() { answer <- len(s.create(object)) }()
				select {
				case n := <-answer:
					if (n == 0) != field.taken {
						t.Errorf("%d errors", n)
					}
				case <-time.After(20 * time.Second):
					t.Fatal("the server is still at it")
				}
			})
		}
	}
}
