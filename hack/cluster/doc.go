// Package cluster runs a real Kubernetes control plane as plain processes: etcd,
// kube-apiserver, kube-controller-manager, kube-scheduler, and on request kwok
// for nodes and pods that exist only in the API, and Prometheus.
//
// The programs come from package build. In a network namespace of package
// netns every pod address is local and the API server's port is the same
// inside and outside, so one kubeconfig serves both.
package cluster
