package build

import (
	"os"
	"strings"
)

// Tool is a set of programs built from one wrapper module, hack/tools/<Name>.
type Tool struct {
	Name     string    // directory under hack/tools, unless Source names another, and prefix of the cache directory
	Source   string    // directory under hack/tools; Name if empty
	Module   string    // required module whose version is the tool's version
	Programs []Program // built in this order
	Tags     string    // build tags, comma separated
	Version  []string  // packages whose gitVersion, gitMajor and gitMinor are set when linking
	Files    []string  // directories of Module that are copied next to the programs
}

// Program is one executable of a Tool.
type Program struct {
	Name    string
	Package string
}

// Catalog lists everything the local cluster runs, largest first, so that a
// build that cannot work fails before the small ones have been waited for.
// Kubernetes is the newest that is supported, or where $LOADLINE_KUBERNETES
// says so an older minor, such as 1.34, that hack/tools has a module for.
func Catalog() []Tool { return catalog(os.Getenv("LOADLINE_KUBERNETES")) }

func catalog(kubernetes string) []Tool {
	source := ""
	if kubernetes != "" {
		source = "kubernetes-" + kubernetes
	}
	return []Tool{
		{
			Name:   "kubernetes",
			Source: source,
			Module: "k8s.io/kubernetes",
			Programs: []Program{
				{"kube-apiserver", "k8s.io/kubernetes/cmd/kube-apiserver"},
				{"kube-controller-manager", "k8s.io/kubernetes/cmd/kube-controller-manager"},
				{"kube-scheduler", "k8s.io/kubernetes/cmd/kube-scheduler"},
				{"kubectl", "k8s.io/kubernetes/cmd/kubectl"},
			},
			// The servers report the first, client-go's user agent the second.
			// Unset they read v0.0.0, and feature gates see that version too.
			Version: []string{"k8s.io/component-base/version", "k8s.io/client-go/pkg/version"},
		},
		{
			Name:     "etcd",
			Module:   "go.etcd.io/etcd/server/v3",
			Programs: []Program{{"etcd", "go.etcd.io/etcd/server/v3"}},
		},
		{
			Name:     "kwok",
			Module:   "sigs.k8s.io/kwok",
			Programs: []Program{{"kwok", "sigs.k8s.io/kwok/cmd/kwok"}},
			// kwok does nothing without stages, and carries none in its binary.
			Files: []string{
				"kustomize/stage/node/fast",
				"kustomize/stage/node/heartbeat-with-lease",
				"kustomize/stage/pod/fast",
			},
		},
		{
			Name:   "prometheus",
			Module: "github.com/prometheus/prometheus",
			Programs: []Program{
				{"prometheus", "github.com/prometheus/prometheus/cmd/prometheus"},
				{"promtool", "github.com/prometheus/prometheus/cmd/promtool"},
			},
			// All other service discoveries together are most of the binary.
			Tags: "netgo,remove_all_sd,enable_kubernetes_sd",
		},
		{
			// What the adapter takes the place of, for the way there and back.
			Name:     "prometheus-adapter",
			Module:   "sigs.k8s.io/prometheus-adapter",
			Programs: []Program{{"prometheus-adapter", "sigs.k8s.io/prometheus-adapter/cmd/adapter"}},
		},
		{
			// No program: the definition of ServiceMonitor, to check ours by.
			Name:   "prometheus-operator",
			Module: "github.com/prometheus-operator/prometheus-operator",
			Files:  []string{"example/prometheus-operator-crd"},
		},
	}
}

// Node lists what a node runs besides, for those who ask for it: it takes minutes to build,
// and most tests need no node.
func Node() []Tool {
	return []Tool{{
		Name:   "kubelet",
		Module: "k8s.io/kubernetes",
		Programs: []Program{
			{"kubelet", "k8s.io/kubernetes/cmd/kubelet"},
			{"kube-proxy", "k8s.io/kubernetes/cmd/kube-proxy"},
		},
		Version: []string{"k8s.io/component-base/version", "k8s.io/client-go/pkg/version"},
	}}
}

// ldflags strips the programs and stamps version ("v1.37.2") where the tool
// asks for it.
func (t Tool) ldflags(version string) string {
	flags := []string{"-s", "-w"}
	major, rest, _ := strings.Cut(strings.TrimPrefix(version, "v"), ".")
	minor, _, _ := strings.Cut(rest, ".")
	for _, pkg := range t.Version {
		flags = append(flags,
			"-X", pkg+".gitVersion="+version,
			"-X", pkg+".gitMajor="+major,
			"-X", pkg+".gitMinor="+minor,
			"-X", pkg+".gitTreeState=clean",
		)
	}
	return strings.Join(flags, " ")
}
