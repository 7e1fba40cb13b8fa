package realnode

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/loadline/loadline/hack/build"
	"github.com/loadline/loadline/hack/cluster"
)

// Options say what kind of node [Start] starts.
type Options struct {
	Images                 []string            // archives of images that the node has, besides Sandbox's among them
	HPASyncPeriod          time.Duration       // Kubernetes' 15 s if 0
	DownscaleStabilization time.Duration       // Kubernetes' 5 min if 0
	AuditLog               bool                // see cluster.Options
	ExtraArgs              map[string][]string // flags of the control plane's servers, by name
	Log                    io.Writer           // progress
}

// Node is a running cluster of one node.
type Node struct {
	*cluster.Cluster
	Client kubernetes.Interface
	layout layout
	images []string
}

// readyTimeout bounds each part's start, which takes seconds on two idle cores.
const readyTimeout = 2 * time.Minute

// Start starts the control plane and the node, and returns when pods can run on it. It
// needs the namespaces of [Run], and what it starts ends with those at the latest.
func Start(ctx context.Context, o Options) (*Node, error) {
	l := layout{dir: os.Getenv(envState), cgroup: os.Getenv(envCgroup)}
	if l.dir == "" || l.cgroup == "" {
		return nil, errors.New("not in the namespaces of a real node: make e2e-node, or bin/realnode exec")
	}
	tools, err := build.Locate(build.Node()...)
	if err != nil {
		return nil, err
	}
	c, err := cluster.Start(ctx, cluster.Options{
		StateDir: filepath.Join(l.dir, "cluster"), NodeAddress: NodeAddress,
		HPASyncPeriod: o.HPASyncPeriod, DownscaleStabilization: o.DownscaleStabilization,
		AuditLog: o.AuditLog, ExtraArgs: o.ExtraArgs, Log: o.Log,
	})
	if err != nil {
		return nil, err
	}
	n := &Node{Cluster: c, layout: l, images: o.Images}
	config := c.RESTConfig()
	config.QPS, config.Burst = 200, 400
	if n.Client, err = kubernetes.NewForConfig(config); err != nil {
		return nil, errors.Join(err, c.Stop())
	}
	ctx, cancel := context.WithTimeoutCause(ctx, readyTimeout, fmt.Errorf("the node is not up within %s", readyTimeout))
	defer cancel()
	if err := n.start(ctx, tools); err != nil {
		return nil, errors.Join(err, c.Stop())
	}
	return n, nil
}

// start starts what makes a machine a node.
func (n *Node) start(ctx context.Context, tools build.Tools) error {
	kubelet, err := n.writeFiles()
	if err != nil {
		return err
	}
	if err := n.Run(ctx, cluster.Server{
		Name: "containerd", Path: "/usr/bin/containerd",
		Args:  []string{"--config=" + n.layout.containerd("config.toml")},
		Ready: func(ctx context.Context) error { return n.ctr(ctx, "version") },
	}); err != nil {
		return err
	}
	for _, image := range n.images {
		if err := n.Import(ctx, image); err != nil {
			return err
		}
	}
	if err := n.bindProxy(ctx); err != nil {
		return err
	}
	if err := n.Run(ctx, cluster.Server{
		Name: "kubelet", Path: tools.Path("kubelet"),
		Args:  kubeletArgs(n.layout, kubelet),
		Ready: func(ctx context.Context) error { return answers(ctx, kubeletHealthPort, "/healthz") },
	}); err != nil {
		return err
	}
	if err := n.awaitReady(ctx); err != nil {
		return err
	}
	// Not before: it ends when the addresses of its node change, and those of one that is
	// not there yet are none.
	return n.Run(ctx, cluster.Server{
		Name: "kube-proxy", Path: tools.Path("kube-proxy"),
		Args:  []string{"--config=" + n.layout.proxy("config.json"), "--v=2"},
		Ready: func(ctx context.Context) error { return answers(ctx, proxyHealthPort, "/livez") },
	})
}

// writeFiles writes what the node's programs read, and returns the kubelet's kubeconfig.
func (n *Node) writeFiles() (kubelet string, err error) {
	l := n.layout
	if kubelet, err = n.UserKubeconfig("system:node:"+NodeName, "system:nodes"); err != nil {
		return "", err
	}
	proxy, err := n.UserKubeconfig("system:kube-proxy")
	if err != nil {
		return "", err
	}
	cert, key, err := n.ServingCertificate("kubelet", NodeName, NodeAddress)
	if err != nil {
		return "", err
	}
	kubeletFile, err := kubeletConfig(l, n.CAFile(), cert, key)
	if err != nil {
		return "", err
	}
	proxyFile, err := proxyConfig(proxy)
	if err != nil {
		return "", err
	}
	cniFile, err := cniConfig()
	if err != nil {
		return "", err
	}
	for path, data := range map[string][]byte{
		l.containerd("config.toml"):                    []byte(containerdConfig(l)),
		l.kubelet("config.json"):                       kubeletFile,
		l.proxy("config.json"):                         proxyFile,
		filepath.Join(l.cni(), "10-loadline.conflist"): cniFile,
	} {
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return "", err
		}
		if err := os.WriteFile(path, data, 0o600); err != nil {
			return "", err
		}
	}
	return kubelet, nil
}

// Import gives the node an image, from an archive whose file's name does not matter.
func (n *Node) Import(ctx context.Context, archive string) error {
	return n.ctr(ctx, "--namespace=k8s.io", "images", "import", archive)
}

// Kill ends the first process of a container by SIGKILL. The kubelet hears of it as it does
// of any end.
func (n *Node) Kill(ctx context.Context, container string) error {
	return n.ctr(ctx, "--namespace=k8s.io", "tasks", "kill", "--signal=SIGKILL", container)
}

// PID is the number of a container's first process in the node's process namespace.
func (n *Node) PID(ctx context.Context, container string) (int, error) {
	out, err := exec.CommandContext(ctx, "ctr", "--address="+socket, "--namespace=k8s.io", "tasks", "list").CombinedOutput()
	if err != nil {
		return 0, fmt.Errorf("ctr tasks list: %w\n%s", err, out)
	}
	for line := range strings.Lines(string(out)) {
		if fields := strings.Fields(line); len(fields) == 3 && fields[0] == container {
			return strconv.Atoi(fields[1])
		}
	}
	return 0, fmt.Errorf("container %s does not run", container)
}

// ctr calls containerd's own client.
func (n *Node) ctr(ctx context.Context, args ...string) error {
	cmd := exec.CommandContext(ctx, "ctr", append([]string{"--address=" + socket}, args...)...)
	cmd.WaitDelay = 5 * time.Second
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("ctr %v: %w\n%s", args, err, out)
	}
	return nil
}

// bindProxy gives kube-proxy's user its rights, as kubeadm does.
func (n *Node) bindProxy(ctx context.Context) error {
	out, err := n.Kubectl(ctx, "create", "clusterrolebinding", "kube-proxy",
		"--clusterrole=system:node-proxier", "--user=system:kube-proxy").CombinedOutput()
	if err != nil {
		return fmt.Errorf("rights of kube-proxy: %w\n%s", err, out)
	}
	return nil
}

func answers(ctx context.Context, port int, path string) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	url := fmt.Sprintf("http://127.0.0.1:%d%s", port, path)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s", url, resp.Status)
	}
	return nil
}

// awaitReady waits until the kubelet says that pods can run.
func (n *Node) awaitReady(ctx context.Context) error {
	state := "the node is not there"
	for {
		node, err := n.Client.CoreV1().Nodes().Get(ctx, NodeName, metav1.GetOptions{})
		if err == nil {
			for _, c := range node.Status.Conditions {
				if c.Type != corev1.NodeReady {
					continue
				}
				if c.Status == corev1.ConditionTrue {
					return nil
				}
				state = c.Message
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: %s; logs are in %s", context.Cause(ctx), state, n.Logs())
		case err := <-n.Failed():
			return err
		case <-time.After(100 * time.Millisecond):
		}
	}
}
