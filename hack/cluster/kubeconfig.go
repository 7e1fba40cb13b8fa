package cluster

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// restConfig is a client configuration for the API server at url. A nil
// client makes it anonymous.
func restConfig(url string, ca, client *pair) *rest.Config {
	config := &rest.Config{
		Host:            url,
		TLSClientConfig: rest.TLSClientConfig{CAData: ca.certPEM},
	}
	if client != nil {
		config.CertData, config.KeyData = client.certPEM, client.keyPEM
	}
	return config
}

// kubeconfig says the same as a file that needs no other file.
func kubeconfig(config *rest.Config, user string) ([]byte, error) {
	const name = "loadline"
	file := clientcmdapi.NewConfig()
	file.Clusters[name] = &clientcmdapi.Cluster{
		Server:                   config.Host,
		CertificateAuthorityData: config.CAData,
	}
	file.AuthInfos[user] = &clientcmdapi.AuthInfo{
		ClientCertificateData: config.CertData,
		ClientKeyData:         config.KeyData,
	}
	file.Contexts[name] = &clientcmdapi.Context{Cluster: name, AuthInfo: user}
	file.CurrentContext = name
	return clientcmd.Write(*file)
}

// UserConfig is a client configuration for a user of any name and groups, by a
// certificate of the cluster's CA. The user has the rights that RBAC gives.
func (c *Cluster) UserConfig(name string, groups ...string) (*rest.Config, error) {
	p, err := c.credentials.cluster.issue(identity{name: name, groups: groups}, time.Now())
	if err != nil {
		return nil, err
	}
	return restConfig(c.URL(), c.credentials.cluster, p), nil
}

// UserKubeconfig writes [Cluster.UserConfig] to a file of the state directory
// and returns its path.
func (c *Cluster) UserKubeconfig(name string, groups ...string) (string, error) {
	config, err := c.UserConfig(name, groups...)
	if err != nil {
		return "", err
	}
	data, err := kubeconfig(config, name)
	if err != nil {
		return "", err
	}
	f, err := os.CreateTemp(c.dir, "user-*.kubeconfig") // 0600; a user's name may hold slashes and colons
	if err != nil {
		return "", err
	}
	defer f.Close()
	if _, err := f.Write(data); err != nil {
		return "", fmt.Errorf("kubeconfig of %s: %w", name, err)
	}
	return f.Name(), f.Close()
}

// ServingCertificate writes a certificate of the cluster's CA for a server at the
// hosts, names or addresses, and returns the paths of it and of its key.
func (c *Cluster) ServingCertificate(name string, hosts ...string) (cert, key string, err error) {
	p, err := c.credentials.cluster.issue(identity{name: name, hosts: hosts}, time.Now())
	if err != nil {
		return "", "", err
	}
	return c.pki(name + ".crt"), c.pki(name + ".key"), p.write(c.credentials.dir, name)
}

// CAFile is the path of the CA that signs the certificates of the cluster's servers and
// users.
func (c *Cluster) CAFile() string { return c.pki(caName + ".crt") }

// nodeHosts is what the API server is known by besides its usual names.
func (c *Cluster) nodeHosts() []string {
	if c.node == "" {
		return nil
	}
	return []string{c.node}
}

// AnonymousConfig is a client configuration that trusts the cluster and shows
// no credentials.
func (c *Cluster) AnonymousConfig() *rest.Config {
	return restConfig(c.URL(), c.credentials.cluster, nil)
}

// RESTConfig is the administrator's client configuration, a copy of its own.
// It has client-go's default rate limits.
func (c *Cluster) RESTConfig() *rest.Config { return rest.CopyConfig(c.admin) }

// Kubeconfig is the path of the administrator's kubeconfig. It works inside
// and outside of the namespace.
func (c *Cluster) Kubeconfig() string { return filepath.Join(c.dir, "admin.kubeconfig") }
