package realnode

import (
	"encoding/json"
	"fmt"
	"path/filepath"

	"github.com/loadline/loadline/hack/netns"
)

// NodeName is the node's.
const NodeName = "node-1"

// Sandbox is the image that keeps a pod's namespaces.
const Sandbox = "localhost/pause:local"

// layout is where everything of the node is.
type layout struct {
	dir    string // of all state
	cgroup string // that the kubelet puts pods under, such as "/loadline-realnode-1"
}

func (l layout) containerd(name string) string { return filepath.Join(l.dir, "containerd", name) }
func (l layout) kubelet(name string) string    { return filepath.Join(l.dir, "kubelet", name) }
func (l layout) proxy(name string) string      { return filepath.Join(l.dir, "kube-proxy", name) }
func (l layout) cni() string                   { return filepath.Join(l.dir, "cni") }

// socket is containerd's. A path in the state directory could be longer than the kernel
// takes.
const socket = "/run/loadline/containerd.sock"

// containerdConfig: restrict_oom_score_adj for machines that do not let even root lower
// it, and no AppArmor, whose profile would outlive the node.
func containerdConfig(l layout) string {
	return fmt.Sprintf(`version = 2
root = %q
state = "/run/loadline/containerd"
disabled_plugins = ["io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs", "io.containerd.internal.v1.opt"]

[grpc]
  address = %q

[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = %q
  restrict_oom_score_adj = true
  disable_apparmor = true
  stream_server_address = "127.0.0.1"
  stream_server_port = "0"

  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    default_runtime_name = "runc"

    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"

      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        SystemdCgroup = false

  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = %q
`, l.containerd("root"), socket, Sandbox, l.cni())
}

// cniConfig: a bridge that all pods are on. It enforces no NetworkPolicy.
func cniConfig() ([]byte, error) {
	return json.MarshalIndent(map[string]any{
		"cniVersion": "1.0.0",
		"name":       "loadline",
		"plugins": []any{
			map[string]any{
				"type":        "bridge",
				"bridge":      "cni0",
				"isGateway":   true,
				"ipMasq":      false,
				"hairpinMode": true,
				"ipam": map[string]any{
					"type":   "host-local",
					"ranges": []any{[]any{map[string]any{"subnet": netns.PodCIDR}}},
					"routes": []any{map[string]any{"dst": "0.0.0.0/0"}},
				},
			},
			map[string]any{"type": "portmap", "capabilities": map[string]any{"portMappings": true}},
		},
	}, "", "  ")
}

// kubeletConfig has no limits by which a machine that is full of other things would evict
// pods, and collects no images, for there is no registry to get them from again.
func kubeletConfig(l layout, ca, cert, key string) ([]byte, error) {
	return json.MarshalIndent(map[string]any{
		"apiVersion": "kubelet.config.k8s.io/v1beta1",
		"kind":       "KubeletConfiguration",
		"authentication": map[string]any{
			"anonymous": map[string]any{"enabled": false},
			"webhook":   map[string]any{"enabled": true},
			"x509":      map[string]any{"clientCAFile": ca},
		},
		"authorization":               map[string]any{"mode": "Webhook"},
		"containerRuntimeEndpoint":    "unix://" + socket,
		"tlsCertFile":                 cert,
		"tlsPrivateKeyFile":           key,
		"address":                     NodeAddress,
		"healthzBindAddress":          "127.0.0.1",
		"healthzPort":                 kubeletHealthPort,
		"failCgroupV1":                false,
		"cgroupDriver":                "cgroupfs",
		"cgroupRoot":                  l.cgroup,
		"failSwapOn":                  false,
		"resolvConf":                  "",
		"podLogsDir":                  l.kubelet("pods"),
		"volumePluginDir":             l.kubelet("volume-plugins"),
		"imageGCHighThresholdPercent": 100,
		"evictionHard": map[string]any{
			"memory.available": "50Mi", "nodefs.available": "1%", "imagefs.available": "1%", "nodefs.inodesFree": "1%",
		},
		"registerNode":        true,
		"maxPods":             110,
		"serializeImagePulls": false,
		// A node is lost after 40 s without news of it; the default of 10 s is for large clusters.
		"nodeStatusUpdateFrequency": "5s",
	}, "", "  ")
}

func kubeletArgs(l layout, kubeconfig string) []string {
	return []string{
		"--config=" + l.kubelet("config.json"),
		"--kubeconfig=" + kubeconfig,
		"--hostname-override=" + NodeName,
		"--node-ip=" + NodeAddress,
		"--root-dir=" + l.kubelet("root"),
		"--cert-dir=" + l.kubelet("pki"),
		"--v=2",
	}
}

const (
	kubeletHealthPort = 10248
	proxyHealthPort   = 10256
)

// proxyConfig leaves the machine's table of connections as it is.
func proxyConfig(kubeconfig string) ([]byte, error) {
	return json.MarshalIndent(map[string]any{
		"apiVersion":         "kubeproxy.config.k8s.io/v1alpha1",
		"kind":               "KubeProxyConfiguration",
		"clientConnection":   map[string]any{"kubeconfig": kubeconfig},
		"clusterCIDR":        netns.PodCIDR,
		"detectLocalMode":    "ClusterCIDR",
		"hostnameOverride":   NodeName,
		"bindAddress":        NodeAddress,
		"healthzBindAddress": fmt.Sprintf("127.0.0.1:%d", proxyHealthPort),
		"metricsBindAddress": "127.0.0.1:10249",
		"mode":               "nftables",
		"conntrack": map[string]any{
			"maxPerCore": 0, "min": 0,
			"tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s", "udpTimeout": "0s", "udpStreamTimeout": "0s",
		},
	}, "", "  ")
}
