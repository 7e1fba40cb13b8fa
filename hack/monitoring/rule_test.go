package monitoring

import (
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/common/model"
	"sigs.k8s.io/yaml"
)

const runbooks = "https://github.com/loadline/loadline/blob/main/docs/runbooks/"

var usedLabel = regexp.MustCompile(`\$labels\.(\w+)`)

// Whoever is woken finds out what it is and where to read on, from the alert alone.
func TestRulesSayWhatToDo(t *testing.T) {
	forEachRule(t, func(t *testing.T, r Rule) {
		if !strings.HasPrefix(r.Alert, "Loadline") {
			t.Error("a name that anything could have")
		}
		if s := r.Labels["severity"]; len(r.Labels) != 1 || !slices.Contains([]string{"critical", "warning", "info"}, s) {
			t.Errorf("labels %v", r.Labels)
		}
		if r.For == "" && !strings.Contains(r.Expr, "increase(") {
			t.Error("it fires at the first look")
		}
		if r.For != "" {
			if d, err := model.ParseDuration(r.For); err != nil || d <= 0 {
				t.Errorf("for %q: %v", r.For, err)
			}
		}
		has, err := Labels(catalog(t), r.Expr)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"summary", "description"} {
			text := r.Annotations[name]
			if !strings.HasSuffix(text, ".") {
				t.Errorf("%s %q is no sentence", name, text)
			}
			for _, l := range usedLabel.FindAllStringSubmatch(text, -1) {
				if !slices.Contains(has, l[1]) {
					t.Errorf("%s: an alert has no label %s, but %v", name, l[1], has)
				}
			}
		}
		if got := r.Annotations["runbook_url"]; got != runbooks+r.Alert+".md" {
			t.Errorf("runbook_url %q", got)
		}
	})
}

// The parts of a page, in this order.
var pageParts = []string{"## Meaning\n", "## Impact\n", "## Look\n", "## Causes\n", "## Mended\n"}

// Every alert has a page with all its parts, and every page is of an alert and in the list.
func TestRunbooks(t *testing.T) {
	alerts := map[string]bool{}
	list := read(t, pagesDir, "../operate.md")
	forEachRule(t, func(t *testing.T, r Rule) {
		alerts[r.Alert] = true
		page := read(t, pagesDir, r.Alert+".md")
		if !strings.HasPrefix(page, "# "+r.Alert+"\n") {
			t.Error("the page has another title")
		}
		at := 0
		for _, part := range pageParts {
			i := strings.Index(page[at:], part)
			if i < 0 {
				t.Fatalf("no %q, or not at its place", strings.TrimSpace(part))
			}
			at += i
		}
		if !strings.Contains(page, "\n    ") {
			t.Error("the page has no command")
		}
		if !strings.Contains(list, "(runbooks/"+r.Alert+".md)") {
			t.Error("docs/operate.md does not name it")
		}
	})
	pages, err := filepath.Glob(filepath.Join(pagesDir, "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range pages {
		if name := strings.TrimSuffix(filepath.Base(page), ".md"); !alerts[name] {
			t.Errorf("%s is of no alert", page)
		}
	}
}

// What a page tells to ask Prometheus for is there.
func TestRunbooksAskForWhatIsExported(t *testing.T) {
	asked := 0
	forEachRule(t, func(t *testing.T, r Rule) {
		inBlock := false
		for line := range strings.Lines(read(t, pagesDir, r.Alert+".md")) {
			query, indented := strings.TrimSpace(line), strings.HasPrefix(line, "    ")
			switch {
			case strings.HasPrefix(line, "In Prometheus"):
				inBlock = true
			case inBlock && indented:
				asked++
				ask(t, query)
			case query != "":
				inBlock = false
			}
		}
	})
	if asked < 20 {
		t.Errorf("only %d queries looked at", asked)
	}
}

// suite is what of promtool's test files is looked at here.
type suite struct {
	Tests []struct {
		Name      string `json:"name"`
		ExprTests []struct {
			Expr    string `json:"expr"`
			Samples []struct {
				Labels string `json:"labels"`
			} `json:"exp_samples"`
		} `json:"promql_expr_test"`
	} `json:"tests"`
}

// firing is the question of all our cases: which alerts fire. So each case shows those that
// it names firing, and all others not.
const firing = `count by (alertname, severity) (ALERTS{alertstate="firing"})`

// Each alert fires in a case, and there is one in which everything is well.
func TestEachAlertIsTested(t *testing.T) {
	for _, program := range Programs {
		var s suite
		if err := yaml.Unmarshal([]byte(read(t, "testdata", program+".test.yaml")), &s); err != nil {
			t.Fatal(err)
		}
		fired, quiet := map[string]bool{}, 0
		for _, test := range s.Tests {
			some := false
			for _, e := range test.ExprTests {
				if e.Expr != firing {
					t.Errorf("%s: asks for %q", test.Name, e.Expr)
				}
				for _, sample := range e.Samples {
					fired[sample.Labels], some = true, true
				}
			}
			if !some {
				quiet++
			}
		}
		if quiet < 3 {
			t.Errorf("%s: %d cases in which nothing fires: busy, idle and just begun are three", program, quiet)
		}
		for _, g := range load(t, program).Groups {
			for _, r := range g.Rules {
				if of := `{alertname="` + r.Alert + `", severity="` + r.Labels["severity"] + `"}`; !fired[of] {
					t.Errorf("%s fires in no case", of)
				}
			}
		}
	}
}
