package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// source is a clone of a commit.
type source struct {
	dir     string
	commit  string
	at      time.Time // of the commit
	version string    // as the Go toolchain stamps it into the programs
}

// semantic is a version that the module can have: its path has no /v2.
var semantic = regexp.MustCompile(`^v[01]\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)(-[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*)?$`)

// checkout clones what a commit of the repository at root is, into dir. The version is the
// given one or, if it is empty, the one tag that the commit has or else its pseudo-version.
func checkout(ctx context.Context, root, commit, dir, version string) (*source, error) {
	// A repository may belong to another user, and git then reads nothing of it. Here only its
	// objects are read, into a clone of our own.
	settings := filepath.Join(dir, "gitconfig")
	if err := os.WriteFile(settings, []byte("[safe]\n\tdirectory = *\n"), 0o600); err != nil {
		return nil, err
	}
	root, err := filepath.Abs(root)
	if err != nil {
		return nil, err
	}
	s := &source{dir: filepath.Join(dir, "source"), version: version}
	git := func(in string, args ...string) (string, error) {
		cmd := exec.CommandContext(ctx, "git", append([]string{"-C", in}, args...)...)
		cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL="+settings, "GIT_CONFIG_NOSYSTEM=1")
		var failure bytes.Buffer
		cmd.Stderr = &failure
		out, err := cmd.Output()
		if err != nil {
			return "", fmt.Errorf("git %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(failure.String()))
		}
		return strings.TrimSpace(string(out)), nil
	}
	head, err := git(root, "show", "-s", "--format=%H %ct", commit+"^{commit}")
	if err != nil {
		return nil, err
	}
	hash, seconds, _ := strings.Cut(head, " ")
	unix, err := strconv.ParseInt(seconds, 10, 64)
	if err != nil {
		return nil, fmt.Errorf("the time of commit %s: %w", hash, err)
	}
	s.commit, s.at = hash, time.Unix(unix, 0).UTC()
	tags, err := git(root, "tag", "--points-at", hash)
	if err != nil {
		return nil, err
	}
	pseudo := s.pseudoVersion()
	if s.version, err = chosen(version, strings.Fields(tags), pseudo); err != nil {
		return nil, err
	}
	if _, err := git(root, "clone", "--quiet", "--no-tags", "--no-checkout", root, s.dir); err != nil {
		return nil, err
	}
	if _, err := git(s.dir, "checkout", "--quiet", "--detach", s.commit); err != nil {
		return nil, err
	}
	if s.version != pseudo { // Go makes that one itself
		if _, err := git(s.dir, "tag", s.version); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// pseudoVersion is the version that Go gives a commit before which there is no tag.
func (s *source) pseudoVersion() string {
	return fmt.Sprintf("v0.0.0-%s-%s", s.at.Format("20060102150405"), s.commit[:12])
}

func chosen(version string, tags []string, pseudo string) (string, error) {
	var versions []string
	for _, t := range tags {
		if semantic.MatchString(t) {
			versions = append(versions, t)
		}
	}
	switch {
	case version != "" && !semantic.MatchString(version):
		return "", fmt.Errorf("%q is no version: give one such as v0.1.0 or v0.1.0-rc.1", version)
	case version != "":
		return version, nil
	case len(versions) > 1:
		return "", errors.New("the commit has several versions as tags, " + strings.Join(versions, ", ") + ": say which one with VERSION")
	case len(versions) == 1:
		return versions[0], nil
	}
	return pseudo, nil
}

// build compiles a program of the clone into a file.
func (s *source) build(ctx context.Context, program string, p platform, file string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=true", "-ldflags", "-s -w -buildid=", "-o", file, "./cmd/"+program)
	cmd.Dir = s.dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+p.os, "GOARCH="+p.arch, "GOAMD64=v1", "GOARM64=v8.0", "GOWORK=off", "GOEXPERIMENT=", "GOFLAGS=", "GOFIPS140=off")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s for %s: %w\n%s", program, p, err, out)
	}
	return nil
}
