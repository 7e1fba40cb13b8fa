package exported

import (
	"slices"
	"testing"
)

func TestPrograms(t *testing.T) {
	c, err := Programs(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string][]string{
		"loadline_source_up":                      {"source"},
		"loadline_read_duration_seconds_bucket":   {"le", "api"},
		"loadline_policy_webhook_seconds_count":   {"outcome", "path"},
		"process_resident_memory_bytes":           {},
		"workqueue_depth":                         {"controller", "name", "priority"},
		"controller_runtime_active_workers":       {"controller"},
		"controller_runtime_reconcile_total":      {"controller", "result"},
		"workqueue_queue_duration_seconds_bucket": {"le", "controller", "name"},
	} {
		if got, there := c[name]; !there || !slices.Equal(got, want) {
			t.Errorf("%s: labels %v, want %v", name, got, want)
		}
	}
	if _, there := c["loadline_read_duration_seconds"]; there {
		t.Error("a histogram has no series of its own name")
	}
}
