package crd

import (
	"testing"
	"time"
)

// No spelling of a quantity keeps the server busy: resource.Quantity, which rules and
// clients read it with, would write 1e-2147483647 out, digit by digit.
func TestEndlessQuantities(t *testing.T) {
	s := newServer(t)
	for quantity, taken := range map[string]bool{
		"50": true, "0.5": true, "500m": true, "1E": true, "2Ei": true, "1e30": true, "1e-99": true,
		"1e2147483647": false, "1e2147483648": false, "1e-2147483647": false, "1E-99999999": false, "1e99999999999": false,
	} {
		for name, fields := range map[string]map[string]any{
			"target":    {"objectives": []any{map[string]any{"requestRate": map[string]any{"perPod": quantity}}}},
			"tolerance": {"behavior": map[string]any{"scaleDown": map[string]any{"tolerance": quantity}}},
		} {
			t.Run(name+" "+quantity, func(t *testing.T) {
				object := map[string]any{
					"apiVersion": "loadline.dev/v1alpha1", "kind": "AutoscalingPolicy", "metadata": map[string]any{"name": "web"},
					"spec": map[string]any{
						"targetRef":  map[string]any{"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
						"replicas":   map[string]any{"max": int64(6)},
						"objectives": []any{map[string]any{"requestRate": map[string]any{"perPod": "50"}}},
					},
				}
				for key, value := range fields {
					object["spec"].(map[string]any)[key] = value
				}
				answer := make(chan int, 1)
				go func() { answer <- len(s.create(object)) }()
				select {
				case n := <-answer:
					if (n == 0) != taken {
						t.Errorf("%d errors", n)
					}
				case <-time.After(20 * time.Second):
					t.Fatal("the server is still at it")
				}
			})
		}
	}
}
