package controller

import (
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/types"

	"github.com/loadline/loadline/policy/decide"
)

func TestOptions(t *testing.T) {
	tests := map[string]string{ // flags by what the error must have in it
		"":                                  "",
		"--leader-elect=false --workers=1":  "",
		"--client-qps=0":                    "--client-qps=0: must be more than 0",
		"--client-burst=0":                  "--client-burst=0: must be at least 1",
		"--workers=0":                       "--workers=0: must be from 1 to 100",
		"--namespace=":                      "--namespace: must name",
		"--call-timeout=2m":                 "--call-timeout=2m0s: must be from 1s to 1m0s",
		"--leader-elect-renew-deadline=2s":  "--leader-elect-renew-deadline=2s: must be from 2.401s to 10m0s",
		"--leader-elect-lease-duration=10s": "--leader-elect-lease-duration=10s: must be from 11s to 10m0s",
		"--unknown-hold=0":                  "--unknown-hold=0s: must be from 1m0s to 24h0m0s",
		"--metrics-bind-address=8080":       "--metrics-bind-address=8080: must be HOST:PORT or :PORT",
		"--health-probe-bind-address=8081":  "--health-probe-bind-address=8081: must be HOST:PORT or :PORT",
		"--metrics-max-policies=-1":         "--metrics-max-policies=-1: must not be negative",
		"--hpa-sync-period=0":               "--hpa-sync-period=0s: must be from 1s to 5m0s",
		"--workers=0 --client-qps=-1":       "--client-qps=-1: must be more than 0\n--workers=0",
		"--metric-window=0":                 "--metric-window=0s: must be from 1s to 1h0m0s",
		"--discovery-interval=25h":          "--discovery-interval=25h0m0s: must be from 1s to 24h0m0s",
		"--leader-elect-retry-period=1ms":   "--leader-elect-retry-period=1ms: must be from 100ms to 1m0s",
		"--metrics-bind-address= --health-probe-bind-address=":              "",
		"--webhook-bind-address=:9443":                                      "",
		"--webhook-bind-address=9443":                                       "--webhook-bind-address=9443: must be HOST:PORT or :PORT",
		"--webhook-bind-address=:9443 --webhook-secret= --webhook-service=": "--webhook-service: must be given with --webhook-bind-address\n--webhook-secret: must be given",
		"--webhook-configuration=":                                          "",
		"--webhook-bind-address=:9443 --webhook-secret= --webhook-tls-cert-file=/a --webhook-tls-private-key-file=/b": "",
		"--webhook-bind-address=:9443 --webhook-tls-cert-file=/a":                                                     "--webhook-tls-cert-file and --webhook-tls-private-key-file: give both, or none of them",
		"--webhook-bind-address=:9443 --webhook-tls-private-key-file=/b":                                              "--webhook-tls-cert-file and --webhook-tls-private-key-file: give both, or none of them",
		"--webhook-tls-cert-file=/a --webhook-tls-private-key-file=/b":                                                "--webhook-tls-cert-file: has no effect without --webhook-bind-address",
	}
	for flags, want := range tests {
		t.Run(flags, func(t *testing.T) {
			o := NewOptions()
			fs := pflag.NewFlagSet("", pflag.ContinueOnError)
			o.AddFlags(fs)
			if err := fs.Parse(strings.Fields(flags)); err != nil {
				t.Fatal(err)
			}
			err := o.Validate()
			if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
				t.Errorf("got %v, want %q", err, want)
			}
		})
	}
}

// The metrics of policies are those of their last turns; values are of the oldest
// policies only, as many as are asked for.
func TestObserved(t *testing.T) {
	elected := make(chan struct{})
	m := newMetrics(1, elected)
	m.observed.now = func() time.Time { return at.Add(time.Hour) }
	key := func(name string) types.NamespacedName { return types.NamespacedName{Namespace: "shop", Name: name} }
	m.observe(key("young"), at.Add(1), decide.Observations{State: "Enforced", Drifted: true, Floors: map[string]int{"schedule": 2}, Since: map[string]time.Time{"schedule": at}, Values: []decide.Value{{Objective: "cpu", Current: 1, Target: 2}}})
	m.observe(key("old"), at, decide.Observations{State: "Enforced", Floors: map[string]int{"schedule": 1, "fallback": 1}, Since: map[string]time.Time{"schedule": at.Add(time.Minute), "fallback": at.Add(2 * time.Hour)}, Values: []decide.Value{{Objective: "requestRate", Current: 42.5, Target: 50}}})
	m.observe(key("dry"), at.Add(2), decide.Observations{State: "DryRun"})
	m.observe(key("gone"), at, decide.Observations{State: "Paused", Drifted: true, Since: map[string]time.Time{"outage": at}})
	m.forget(key("gone"))
	close(elected)
	want := `
# HELP loadline_policy_current_value What the HPA reads for an objective, in the metric's unit. Of --metrics-max-policies at most.
# TYPE loadline_policy_current_value gauge
loadline_policy_current_value{namespace="shop",objective="requestRate",policy="old"} 42.5
# HELP loadline_policy_drifted Policies by state whose HPA their last turn left other than they say, the minimum aside: in mode DryRun, in a fight over a field, or where a conflict or the API server's refusal keeps Loadline from writing.
# TYPE loadline_policy_drifted gauge
loadline_policy_drifted{state="DryRun"} 0
loadline_policy_drifted{state="Enforced"} 1
# HELP loadline_policy_floors Floors in force by kind of owner.
# TYPE loadline_policy_floors gauge
loadline_policy_floors{owner_kind="fallback"} 1
loadline_policy_floors{owner_kind="schedule"} 3
# HELP loadline_policy_leader 1 if this process has the Lease and works on the policies.
# TYPE loadline_policy_leader gauge
loadline_policy_leader 1
# HELP loadline_policy_oldest_floor_age_seconds Time since the oldest floor in force began, by kind of owner; of releases, since the last step of the one that waits longest.
# TYPE loadline_policy_oldest_floor_age_seconds gauge
loadline_policy_oldest_floor_age_seconds{owner_kind="fallback"} 0
loadline_policy_oldest_floor_age_seconds{owner_kind="schedule"} 3600
# HELP loadline_policy_policies Policies by state.
# TYPE loadline_policy_policies gauge
loadline_policy_policies{state="DryRun"} 1
loadline_policy_policies{state="Enforced"} 2
# HELP loadline_policy_target_value Its target.
# TYPE loadline_policy_target_value gauge
loadline_policy_target_value{namespace="shop",objective="requestRate",policy="old"} 50
`
	if err := testutil.CollectAndCompare(m.observed, strings.NewReader(want)); err != nil {
		t.Error(err)
	}
}
