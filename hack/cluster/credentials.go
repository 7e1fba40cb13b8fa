package cluster

import (
	"os"
	"path/filepath"
	"time"
)

// Names of the files in the PKI directory, without extension.
const (
	caName         = "ca"
	frontProxyCA   = "front-proxy-ca"
	frontProxy     = "front-proxy-client"
	etcdCAName     = "etcd-ca"
	etcdServer     = "etcd-server"
	etcdClient     = "etcd-client"
	kubeletClient  = "kube-apiserver-kubelet-client"
	serviceAccount = "service-account"
)

// credentials are the authorities of one cluster. Each trust has its own: a
// front proxy's certificate must not be a user's, and etcd knows neither.
type credentials struct {
	dir        string
	cluster    *pair
	frontProxy *pair
	etcd       *pair
}

// newCredentials makes the authorities and every certificate the servers need,
// and writes them to dir. The API server is known by the hosts, too.
func newCredentials(dir string, now time.Time, hosts ...string) (*credentials, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	c := &credentials{dir: dir}
	for _, ca := range []struct {
		name string
		to   **pair
	}{{caName, &c.cluster}, {frontProxyCA, &c.frontProxy}, {etcdCAName, &c.etcd}} {
		p, err := newCA("loadline-"+ca.name, now)
		if err != nil {
			return nil, err
		}
		if err := p.write(dir, ca.name); err != nil {
			return nil, err
		}
		*ca.to = p
	}
	loopback := []string{"localhost", "127.0.0.1"}
	apiHosts := append([]string{
		"kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local",
		kubernetesServiceIP,
	}, append(loopback, hosts...)...)
	for _, leaf := range []struct {
		ca *pair
		id identity
	}{
		{c.cluster, identity{name: apiServer, hosts: apiHosts}},
		{c.cluster, identity{name: controllerManager, hosts: loopback}},
		{c.cluster, identity{name: scheduler, hosts: loopback}},
		{c.cluster, identity{name: kubeletClient, groups: []string{"system:masters"}}},
		{c.frontProxy, identity{name: frontProxy}},
		{c.etcd, identity{name: etcdServer, hosts: loopback}},
		{c.etcd, identity{name: etcdClient}},
	} {
		p, err := leaf.ca.issue(leaf.id, now)
		if err != nil {
			return nil, err
		}
		if err := p.write(dir, leaf.id.name); err != nil {
			return nil, err
		}
	}
	return c, c.writeServiceAccountKey(now)
}

func (c *credentials) writeServiceAccountKey(now time.Time) error {
	p, err := newCA(serviceAccount, now)
	if err != nil {
		return err
	}
	public, err := p.publicPEM()
	if err != nil {
		return err
	}
	if err := os.WriteFile(c.path(serviceAccount+".pub"), public, 0o600); err != nil {
		return err
	}
	return os.WriteFile(c.path(serviceAccount+".key"), p.keyPEM, 0o600)
}

func (c *credentials) path(file string) string { return filepath.Join(c.dir, file) }
