package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestChosen(t *testing.T) {
	const pseudo = "v0.0.0-20260304050607-0123456789ab"
	for name, tc := range map[string]struct {
		version string
		tags    []string
		want    string
		wrong   string
	}{
		"nothing":             {want: pseudo},
		"other tags":          {tags: []string{"nightly", "v1", "v2.0.0"}, want: pseudo},
		"one tag":             {tags: []string{"nightly", "v0.1.0"}, want: "v0.1.0"},
		"a candidate":         {tags: []string{"v0.1.0-rc.1"}, want: "v0.1.0-rc.1"},
		"two":                 {tags: []string{"v0.1.0", "v0.2.0"}, wrong: "several versions"},
		"two, and one chosen": {version: "v0.2.0", tags: []string{"v0.1.0", "v0.2.0"}, want: "v0.2.0"},
		"given":               {version: "v1.2.3", want: "v1.2.3"},
		"without v":           {version: "1.2.3", wrong: "is no version"},
		"a leading zero":      {version: "v1.02.3", wrong: "is no version"},
		"another module":      {version: "v2.0.0", wrong: "is no version"},
		"build metadata":      {version: "v1.2.3+dirty", wrong: "is no version"},
		"an option":           {version: "--help", wrong: "is no version"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := chosen(tc.version, tc.tags, pseudo)
			if got != tc.want || (err == nil) != (tc.wrong == "") || err != nil && !strings.Contains(err.Error(), tc.wrong) {
				t.Errorf("got %q, %v", got, err)
			}
		})
	}
}

// A clone has what is committed, and the version as its only tag.
func TestCheckout(t *testing.T) {
	root := t.TempDir()
	git := func(dir string, args ...string) string {
		t.Helper()
		cmd := exec.Command("git", append([]string{"-C", dir, "-c", "user.name=x", "-c", "user.email=x@y", "-c", "init.defaultBranch=main"}, args...)...)
		cmd.Env = append(os.Environ(), "GIT_AUTHOR_DATE=2026-03-04T05:06:07Z", "GIT_COMMITTER_DATE=2026-03-04T05:06:07Z")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("git %v: %v\n%s", args, err, out)
		}
		return strings.TrimSpace(string(out))
	}
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(root, "file"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	git(root, "init", "--quiet")
	write("committed")
	git(root, "add", "file")
	git(root, "commit", "--quiet", "-m", "x")
	git(root, "tag", "nightly")
	write("not committed")
	commit := git(root, "rev-parse", "HEAD")

	look := func(version, want string, tags ...string) {
		t.Helper()
		s, err := checkout(t.Context(), root, "HEAD", t.TempDir(), version)
		if err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(filepath.Join(s.dir, "file"))
		if err != nil || string(text) != "committed" {
			t.Errorf("the file is %q, %v", text, err)
		}
		if s.version != want || s.commit != commit || s.at.Format("15:04:05") != "05:06:07" {
			t.Errorf("%s, %s, %s", s.version, s.commit, s.at)
		}
		if diff := cmp.Diff(tags, strings.Fields(git(s.dir, "tag"))); diff != "" && len(tags) > 0 {
			t.Error(diff)
		}
	}
	look("", "v0.0.0-20260304050607-"+commit[:12])
	look("v0.3.0", "v0.3.0", "v0.3.0")
	git(root, "tag", "v0.2.0")
	look("", "v0.2.0", "v0.2.0")
	if got := git(root, "tag"); got != "nightly\nv0.2.0" {
		t.Errorf("the repository's own tags are %q", got)
	}
	if _, err := checkout(t.Context(), t.TempDir(), "HEAD", t.TempDir(), ""); err == nil {
		t.Error("a directory that is no repository is one")
	}
}
