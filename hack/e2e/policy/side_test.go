//go:build e2e

package policy

import "testing"

// TestP2Side are tests that wait for the HPA controller most of the time and do not
// notice each other: they run side by side, each in namespaces of its own, which have
// their own source in the one API of external metrics.
func TestP2Side(t *testing.T) {
	m := startMetricAPI(t)
	for name, test := range map[string]func(*testing.T, *metricAPI){
		"Lifecycle": lifecycle, "Targets": targets, "Fallback": fallback, "Adoption": adoption, "NoDrift": noDrift,
		"Fields": fields, "Live": live, "Zero": toZero, "Rivals": rivals, "Restored": restored, "Overwritten": overwritten,
		"ScaleRefused": scaleRefused, "Tolerance": tolerance, "Migrated": migrated,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, m)
		})
	}
}
