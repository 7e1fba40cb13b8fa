package main

import (
	"fmt"
	"slices"
	"strings"
)

// platform is an operating system and an architecture, in Go's words.
type platform struct{ os, arch string }

func (p platform) String() string { return p.os + "/" + p.arch }

// program is a directory of cmd, and what of it is given out.
type program struct {
	name      string
	platforms []platform
	image     bool
	// files go into the archive beside the program: by their names there, from where.
	files map[string]string
}

var (
	servers = []platform{{"linux", "amd64"}, {"linux", "arm64"}}
	clients = append(slices.Clone(servers), platform{"darwin", "amd64"}, platform{"darwin", "arm64"})
)

// programs are all that is given out.
func programs() []program {
	return []program{
		{name: "loadline-adapter", platforms: servers, image: true},
		{name: "loadline-policy", platforms: servers, image: true},
		{name: "kubectl-loadline", platforms: clients, files: map[string]string{
			"kubectl_complete-loadline": "cmd/kubectl-loadline/kubectl_complete-loadline",
		}},
	}
}

// wanted leaves out the platforms that are not among these; none leaves all.
func wanted(all []program, only []string) ([]program, error) {
	if len(only) == 0 {
		return all, nil
	}
	known := map[string]bool{}
	var out []program
	for _, p := range all {
		p.platforms = slices.DeleteFunc(slices.Clone(p.platforms), func(of platform) bool {
			known[of.String()] = true
			return !slices.Contains(only, of.String())
		})
		if len(p.platforms) > 0 {
			out = append(out, p)
		}
	}
	for _, name := range only {
		if !known[name] {
			return nil, fmt.Errorf("-platforms: nothing is made for %q", name)
		}
	}
	return out, nil
}

// Names of what is made.
func archiveName(program, version string, p platform) string {
	return fmt.Sprintf("%s_%s_%s_%s.tar.gz", program, version, p.os, p.arch)
}

func imageName(program, version string, p platform) string {
	return fmt.Sprintf("%s_%s_%s_%s.image.tar", program, version, p.os, p.arch)
}

func chartName(version string) string {
	return fmt.Sprintf("loadline-%s.tgz", strings.TrimPrefix(version, "v"))
}

const sumsName = "SHA256SUMS"
