package lab

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/loadline/loadline/hack/build"
	"github.com/loadline/loadline/hack/node"
)

// CheckPrograms checks that our programs and those of Remind Me are built, which a
// pod would otherwise only say in its status. root is the repository.
func CheckPrograms(root string) error {
	for _, name := range []string{"loadline-adapter", "loadline-policy", "remindmeweb-v1", "remindmeapi-v1", "remindme-worker", "remindme-queue"} {
		if _, err := os.Stat(filepath.Join(root, "bin", name)); err != nil {
			return fmt.Errorf("%w: build the programs by `make build`, and give the repository by --root", err)
		}
	}
	return nil
}

// images says which program an image of the manifests is.
func (l *Lab) images(tools build.Tools) map[string]node.Image {
	bin := func(name string) node.Image { return node.Image{Path: filepath.Join(l.opts.Root, "bin", name)} }
	images := map[string]node.Image{
		"prometheus:local":   {Path: tools.Path("prometheus")},
		"remindme-worker:v1": bin("remindme-worker"),
		"remindme-queue:v1":  bin("remindme-queue"),
	}
	for _, version := range []string{"v1", "v2"} {
		images["remindmeweb:"+version] = bin("remindmeweb-" + version)
		images["remindmeapi:"+version] = bin("remindmeapi-" + version)
	}
	// There is no mount namespace, so rest.InClusterConfig finds no token; and
	// pods share a network namespace, so each binds to its own address.
	adapter := bin("loadline-adapter")
	adapter.ExtraArgs = []string{
		"--lister-kubeconfig=$(KUBECONFIG)", "--authentication-kubeconfig=$(KUBECONFIG)", "--authorization-kubeconfig=$(KUBECONFIG)",
	}
	images["loadline-adapter:local"] = adapter
	predecessor := adapter
	predecessor.Path = tools.Path("prometheus-adapter")
	images["prometheus-adapter:v0.12.0"] = predecessor
	policy := bin("loadline-policy")
	policy.ExtraArgs = []string{"--kubeconfig=$(KUBECONFIG)"}
	images["loadline-policy:local"] = policy
	return images
}
