package cluster

import (
	"fmt"
	"path/filepath"
	"time"

	"github.com/loadline/loadline/hack/netns"
)

// Names of the servers: of their logs, certificates and programs.
const (
	etcd              = "etcd"
	apiServer         = "kube-apiserver"
	controllerManager = "kube-controller-manager"
	scheduler         = "kube-scheduler"
	kwok              = "kwok"
)

// kubernetesServiceIP is the first address of the service range, which the API
// server gives to its own Service.
const kubernetesServiceIP = "10.96.0.1"

// kwokCIDR is the upper half of the pod range; the lower is for pods that are
// real processes.
const kwokCIDR = "10.244.128.0/17"

// FakeNode is the annotation, with value "fake", of the nodes that kwok plays.
const FakeNode = "kwok.x-k8s.io/node"

// layout is where everything of one cluster is.
type layout struct {
	dir   string
	bind  string // address the API server listens on
	node  string // address at which kubelets and pods reach it; empty if there are none
	ports ports
	audit bool
}

type ports struct{ api, etcdClient, etcdPeer, controllerManager, scheduler, kwok int }

func (l layout) pki(file string) string { return filepath.Join(l.dir, "pki", file) }
func (l layout) logs() string           { return filepath.Join(l.dir, "logs") }
func (l layout) kubeconfig(component string) string {
	return filepath.Join(l.dir, component+".kubeconfig")
}
func (l layout) auditPolicy() string { return filepath.Join(l.dir, "audit-policy.yaml") }
func (l layout) auditLog() string    { return filepath.Join(l.logs(), "audit.log") }
func (l layout) apiURL() string      { return local("https", l.ports.api) }

func local(scheme string, port int) string { return fmt.Sprintf("%s://127.0.0.1:%d", scheme, port) }

// etcdArgs: nothing survives the cluster, so nothing is synced to disk. TLS
// both ways, because loopback without a namespace is shared with every user of
// the machine.
func etcdArgs(l layout) []string {
	client, peer := local("https", l.ports.etcdClient), local("https", l.ports.etcdPeer)
	return []string{
		"--name=loadline",
		"--data-dir=" + filepath.Join(l.dir, "etcd"),
		"--unsafe-no-fsync",
		"--listen-client-urls=" + client,
		"--advertise-client-urls=" + client,
		"--listen-peer-urls=" + peer,
		"--initial-advertise-peer-urls=" + peer,
		"--initial-cluster=loadline=" + peer,
		"--cert-file=" + l.pki(etcdServer+".crt"),
		"--key-file=" + l.pki(etcdServer+".key"),
		"--trusted-ca-file=" + l.pki(etcdCAName+".crt"),
		"--client-cert-auth",
		"--peer-cert-file=" + l.pki(etcdServer+".crt"),
		"--peer-key-file=" + l.pki(etcdServer+".key"),
		"--peer-trusted-ca-file=" + l.pki(etcdCAName+".crt"),
		"--peer-client-cert-auth",
	}
}

func apiServerArgs(l layout) []string {
	args := []string{
		"--etcd-servers=" + local("https", l.ports.etcdClient),
		"--etcd-cafile=" + l.pki(etcdCAName+".crt"),
		"--etcd-certfile=" + l.pki(etcdClient+".crt"),
		"--etcd-keyfile=" + l.pki(etcdClient+".key"),
		"--bind-address=" + l.bind,
		fmt.Sprintf("--secure-port=%d", l.ports.api),
		"--cert-dir=" + filepath.Join(l.dir, "pki"),
		"--tls-cert-file=" + l.pki(apiServer+".crt"),
		"--tls-private-key-file=" + l.pki(apiServer+".key"),
		"--client-ca-file=" + l.pki(caName+".crt"),
		"--allow-privileged=true",
		"--service-cluster-ip-range=" + netns.ServiceCIDR,
		"--service-account-issuer=https://kubernetes.default.svc.cluster.local",
		"--service-account-key-file=" + l.pki(serviceAccount+".pub"),
		"--service-account-signing-key-file=" + l.pki(serviceAccount+".key"),
		// Aggregation.
		"--proxy-client-cert-file=" + l.pki(frontProxy+".crt"),
		"--proxy-client-key-file=" + l.pki(frontProxy+".key"),
		"--requestheader-client-ca-file=" + l.pki(frontProxyCA+".crt"),
		"--requestheader-allowed-names=" + frontProxy,
		"--requestheader-username-headers=X-Remote-User",
		"--requestheader-group-headers=X-Remote-Group",
		"--requestheader-extra-headers-prefix=X-Remote-Extra-",
	}
	if l.node != "" {
		args = append(args, kubeletArgs(l)...)
	} else {
		args = append(args,
			// A namespace has no default route to take an address from. The
			// address is only needed to start: Endpoints refuse loopback, so none
			// are published for the Service "kubernetes".
			"--advertise-address=127.0.0.1",
			"--endpoint-reconciler-type=none",
			"--authorization-mode=RBAC",
			// Routing to endpoints takes the place of kube-proxy.
			"--enable-aggregator-routing=true",
		)
	}
	if l.audit {
		args = append(args,
			"--audit-policy-file="+l.auditPolicy(),
			"--audit-log-path="+l.auditLog(),
		)
	}
	return args
}

// kubeletArgs are the flags of an API server that has kubelets. Aggregated APIs are
// reached through kube-proxy, as where kubeadm has made the cluster.
func kubeletArgs(l layout) []string {
	return []string{
		"--advertise-address=" + l.node,
		"--authorization-mode=Node,RBAC",
		"--enable-admission-plugins=NodeRestriction",
		"--kubelet-client-certificate=" + l.pki(kubeletClient+".crt"),
		"--kubelet-client-key=" + l.pki(kubeletClient+".key"),
		"--kubelet-certificate-authority=" + l.pki(caName+".crt"),
		"--kubelet-preferred-address-types=InternalIP",
	}
}

// auditPolicy records who asked for what, without bodies, for the requests that
// an aggregated API server causes and receives.
const auditPolicy = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: Metadata
  resources:
  - group: authorization.k8s.io
  - group: authentication.k8s.io
  - group: custom.metrics.k8s.io
  - group: external.metrics.k8s.io
  - group: metrics.k8s.io
- level: None
`

// controllerManagerArgs: a zero duration keeps Kubernetes' default (15 s and
// 5 min).
func controllerManagerArgs(l layout, hpaSync, downscaleStabilization time.Duration) []string {
	args := append(delegated(l, controllerManager, l.ports.controllerManager),
		"--use-service-account-credentials=true",
		"--service-account-private-key-file="+l.pki(serviceAccount+".key"),
		"--root-ca-file="+l.pki(caName+".crt"),
		"--cluster-signing-cert-file="+l.pki(caName+".crt"),
		"--cluster-signing-key-file="+l.pki(caName+".key"),
	)
	if hpaSync > 0 {
		args = append(args, "--horizontal-pod-autoscaler-sync-period="+hpaSync.String())
	}
	if downscaleStabilization > 0 {
		args = append(args, "--horizontal-pod-autoscaler-downscale-stabilization="+downscaleStabilization.String())
	}
	return args
}

func schedulerArgs(l layout) []string {
	return delegated(l, scheduler, l.ports.scheduler)
}

// delegated are the flags that the controller manager and the scheduler share.
func delegated(l layout, component string, port int) []string {
	config := l.kubeconfig(component)
	return []string{
		"--kubeconfig=" + config,
		"--authentication-kubeconfig=" + config,
		"--authorization-kubeconfig=" + config,
		"--leader-elect=false",
		"--bind-address=127.0.0.1",
		fmt.Sprintf("--secure-port=%d", port),
		"--tls-cert-file=" + l.pki(component+".crt"),
		"--tls-private-key-file=" + l.pki(component+".key"),
	}
}

// kwokArgs: kwok plays the nodes annotated as fake, and their pods, and leaves
// all others alone. Stages are files: kwok does nothing without.
func kwokArgs(l layout, stages []string) []string {
	args := []string{
		"--kubeconfig=" + l.kubeconfig(kwok),
		"--manage-nodes-with-annotation-selector=" + FakeNode + "=fake",
		"--cidr=" + kwokCIDR,
		"--node-lease-duration-seconds=40",
		fmt.Sprintf("--server-address=127.0.0.1:%d", l.ports.kwok),
	}
	for _, file := range stages {
		args = append(args, "--config="+file)
	}
	return args
}
