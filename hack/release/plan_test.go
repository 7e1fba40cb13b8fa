package main

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestWanted(t *testing.T) {
	made := func(only ...string) []string {
		t.Helper()
		all, err := wanted(programs(), only)
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, p := range all {
			for _, of := range p.platforms {
				names = append(names, archiveName(p.name, "v1.2.3", of))
				if p.image {
					names = append(names, imageName(p.name, "v1.2.3", of))
				}
			}
		}
		return names
	}
	all := []string{
		"loadline-adapter_v1.2.3_linux_amd64.tar.gz", "loadline-adapter_v1.2.3_linux_amd64.image.tar",
		"loadline-adapter_v1.2.3_linux_arm64.tar.gz", "loadline-adapter_v1.2.3_linux_arm64.image.tar",
		"loadline-policy_v1.2.3_linux_amd64.tar.gz", "loadline-policy_v1.2.3_linux_amd64.image.tar",
		"loadline-policy_v1.2.3_linux_arm64.tar.gz", "loadline-policy_v1.2.3_linux_arm64.image.tar",
		"kubectl-loadline_v1.2.3_linux_amd64.tar.gz", "kubectl-loadline_v1.2.3_linux_arm64.tar.gz",
		"kubectl-loadline_v1.2.3_darwin_amd64.tar.gz", "kubectl-loadline_v1.2.3_darwin_arm64.tar.gz",
	}
	if diff := cmp.Diff(all, made()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{all[10]}, made("darwin/amd64")); diff != "" {
		t.Error(diff)
	}
	if got := made("linux/arm64", "darwin/arm64"); len(got) != 6 || !slices.Contains(got, all[11]) {
		t.Errorf("%q", got)
	}
	if _, err := wanted(programs(), []string{"linux/amd64", "plan9/386"}); err == nil {
		t.Error("plan9/386 is made")
	}
}
