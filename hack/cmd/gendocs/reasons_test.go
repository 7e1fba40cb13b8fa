package main

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const root = "../../.."

// module is a repository in which the packages of the pages have these contents.
func module(t *testing.T, change map[string]string) string {
	t.Helper()
	files := map[string]string{
		apiDir + "/a.go": `package v1alpha1
// Types of the conditions of a policy.
const (
	// Ready: all is well.
	Ready = "Ready"
	// Switching: it moves.
	Switching = "Switching"
)
// The phases.
const (
	// Soaking: both keep their size.
	Soaking SwitchPhase = "Soaking"
	// Complete: it is over.
	Complete SwitchPhase = "Complete"
)
`,
		decideDir + "/a.go": `package decide
// States of a policy: its conditions in one word.
const (
	// StateGood: it
	// is good.
	StateGood = "Good"
)
// Reasons of Ready.
const (
	// Applied (True): done | and over.
	Applied = "Applied"
	// Never (False): another package's.
	Never = floor.Never
)
// Reasons of Switching. They are phases, too.
const (
	// NoSwitch (False): none.
	NoSwitch = "NoSwitch"
)
// Reasons of Events on a policy.
const (
	// EventApplied (Normal): done.
	EventApplied = Applied
)
func f() { c.reason, c.other = Applied, 1 }
`,
		"policy/floor/a.go": "package floor\nconst Never = \"NeverThere\"\n",
		adapterDir + "/a.go": `package adapter
// Reasons of Events on pods.
const (
	// EventRefused (Warning): no room.
	EventRefused = "Refused"
)
`,
	}
	maps.Copy(files, change)
	dir := t.TempDir()
	for name, text := range files {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestConditionsPage(t *testing.T) {
	got, err := conditionsPage(module(t, nil))
	if err != nil {
		t.Fatal(err)
	}
	_, got, _ = strings.Cut(got, "in one word:\n\n")
	want := `| state | meaning |
|---|---|
| ` + "`Good`" + ` | It is good. |

## Ready

All is well.

| reason | status | meaning |
|---|---|---|
| ` + "`Applied`" + ` | True | Done \| and over. |
| ` + "`NeverThere`" + ` | False | Another package's. |

## Switching

It moves.

Reasons of Switching. They are phases, too.

| reason | status | meaning |
|---|---|---|
| ` + "`NoSwitch`" + ` | False | None. |
| ` + "`Soaking`" + ` | True | Both keep their size. |
| ` + "`Complete`" + ` | False | It is over. |
`
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestEventsPage(t *testing.T) {
	got, err := eventsPage(module(t, nil))
	if err != nil {
		t.Fatal(err)
	}
	const head = "| reason | type | meaning |\n|---|---|---|\n"
	want := "\n## Of loadline-policy\n\nOn a policy.\n\n" + head + "| `Applied` | Normal | Done. |\n" +
		"\n## Of loadline-adapter\n\nOn pods.\n\n" + head + "| `Refused` | Warning | No room. |\n"
	if !strings.HasSuffix(got, want) {
		t.Errorf("got\n%swant it to end in\n%s", got, want)
	}
}

// Nothing that is given as a reason is left out unnoticed.
func TestReasonsAreComplete(t *testing.T) {
	more := func(text string) map[string]string {
		return map[string]string{decideDir + "/b.go": "package decide\n" + text}
	}
	for name, tc := range map[string]struct {
		change map[string]string
		want   string
	}{
		"no comment":           {more("// Reasons of Ready.\nconst (\n\tOther = \"Other\"\n)\n"), "Other has no comment of the form"},
		"no status":            {more("// Reasons of Ready.\nconst (\n\t// Other: x.\n\tOther = \"Other\"\n)\n"), "the comment of Other says no status"},
		"of no condition":      {more("// Reasons of Reddy.\nconst (\n\t// Other (True): x.\n\tOther = \"Other\"\n)\n"), `"Reasons of Reddy." is of no type of conditions`},
		"a literal":            {more("func g() { c.Status, c.Reason = 1, \"Other\" }\n"), `below a comment "Reasons of …": "Other"`},
		"declared elsewhere":   {more("const Other = \"Other\"\nfunc g() finding { return finding{reason: Other} }\n"), `below a comment "Reasons of …": Other`},
		"as an argument":       {more("func g() { condition(a, b, \"Other\", c); say(true, Else, d) }\n"), `below a comment "Reasons of …": "Other", Else`},
		"a type without":       {map[string]string{apiDir + "/b.go": "package v1alpha1\n// Types of the conditions of a policy.\nconst (\n\t// Held: x.\n\tHeld = \"Held\"\n)\n"}, `no constants with the comment "Reasons of Held"`},
		"a name that is gone":  {more("// Reasons of Ready.\nconst (\n\t// Other (True): x.\n\tOther = Gone\n)\n"), "there is no constant Gone"},
		"what does not matter": {more("func g() { f.Reason = \"\"; c.Reason = string(phase); reason := text }\n"), ""},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := conditionsPage(module(t, tc.change))
			if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
}

// The pages of the code itself have something of everything.
func TestReasonsOfTheCode(t *testing.T) {
	conditions, err := conditionsPage(root)
	if err != nil {
		t.Fatal(err)
	}
	events, err := eventsPage(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"| `TargetNotFound` | False |", "| `NeverAvailable` | False |", "| `UnknownOrigin` | True |", "| `GivenUp` | True |", "| `Aborted` | False |", "| `Enforced` |"} {
		if !strings.Contains(conditions, want) {
			t.Errorf("no %s in\n%s", want, conditions)
		}
	}
	for _, want := range []string{"| `HPAStopped` | Warning |", "| `SwitchBegun` | Normal |", "| `ScrapeRefused` | Warning |"} {
		if !strings.Contains(events, want) {
			t.Errorf("no %s in\n%s", want, events)
		}
	}
}
