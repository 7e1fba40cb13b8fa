// Package realnode is a Kubernetes node on this machine: etcd and the control plane of
// package cluster, and besides them containerd, kubelet and kube-proxy, which run images in
// containers. Package node is the lighter one, whose pods are processes.
//
// All of it lives in a network, a mount and a process namespace of its own, which [Run]
// makes. No port, mount, firewall rule or setting of the machine is touched: what is
// mounted or started inside ends with the namespaces, however that comes about. Only
// control groups outlive them, and Run removes those.
//
// It needs root, and the Debian packages of packages.sh.
package realnode
