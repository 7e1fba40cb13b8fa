package monitoring

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/loadline/loadline/policy/decide"
	"github.com/loadline/loadline/policy/floor"
	"github.com/loadline/loadline/policy/webhook"
	"github.com/loadline/loadline/provider/metric"
)

func TestAlertsAskForWhatIsExported(t *testing.T) {
	forEachRule(t, func(t *testing.T, r Rule) { ask(t, r.Expr) })
}

func TestDashboardAsksForWhatIsExported(t *testing.T) {
	for _, p := range shown(t).Panels {
		t.Run(p.Title, func(t *testing.T) {
			for _, target := range p.Targets {
				ask(t, target.Expr)
				has, err := Labels(catalog(t), target.Expr)
				if err != nil {
					t.Fatal(err)
				}
				for part := range strings.SplitSeq(target.Legend, "{{") {
					if name, _, ok := strings.Cut(part, "}}"); ok && !slices.Contains(has, name) {
						t.Errorf("legend %q: the series have no label %s, but %v", target.Legend, name, has)
					}
				}
			}
		})
	}
}

// shown is the dashboard as it is committed.
func shown(t *testing.T) *Dashboard {
	t.Helper()
	var d Dashboard
	if err := json.Unmarshal([]byte(read(t, rulesDir, "dashboard.json")), &d); err != nil {
		t.Fatal(err)
	}
	return &d
}

// values are those of labels that alerts and panels name. A label that is in none of these
// has no values of ours.
var values = map[string][]string{
	"loadline_reads_total outcome": {
		"ok", "internal", string(metric.SourceFailed), string(metric.Stale), string(metric.Pending), string(metric.ObjectsUnknown), string(metric.NotFinite),
		string(metric.Overflow), string(metric.Duplicate), string(metric.Unlabelled), string(metric.RuleFailed), string(metric.LimitReached), string(metric.Forbidden), string(metric.Undefined),
	},
	"loadline_queries_total outcome":                      {"ok"},
	"loadline_wanted why":                                 {"referenced"},
	"loadline_queries state":                              {"refused"},
	"loadline_scrape_targets state":                       {"down"},
	"loadline_policy_policies state":                      {decide.StateInvalid, decide.StateConflict, decide.StatePending},
	"loadline_policy_drifted state":                       {decide.StateEnforced, decide.StatePending},
	"loadline_policy_floors owner_kind":                   {floor.FallbackOwner, floor.OutageOwner},
	"loadline_policy_oldest_floor_age_seconds owner_kind": {floor.RolloutOwner, floor.SwitchOwner, floor.UnknownOwner},
	"loadline_policy_reconcile_errors_total reason":       {"conflict"},
	"loadline_policy_webhook_seconds_count outcome":       {webhook.Failed, webhook.BadCall},
}

func ask(t *testing.T, expr string) {
	t.Helper()
	for _, found := range Check(catalog(t), expr) {
		t.Errorf("%s\n\t%s", expr, found)
	}
	matchers, err := Matchers(expr)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range matchers {
		if m.Label == "controller" && m.Value == "autoscalingpolicy" { // of controller-runtime's metrics
			continue
		}
		if !slices.Contains(values[m.Metric+" "+m.Label], m.Value) {
			t.Errorf("%s\n\tno %s has %s=%q, as far as is known here", expr, m.Metric, m.Label, m.Value)
		}
	}
}
