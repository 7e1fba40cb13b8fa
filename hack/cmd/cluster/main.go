// Command cluster builds, starts and stops a local Kubernetes cluster with a
// node, a Prometheus and, if asked, the adapter and Remind Me. It also gives the
// demo, the benchmark and the end-to-end tests the namespace that they start
// clusters in.
package main

import "github.com/loadline/loadline/hack/netns"

func main() { netns.Main("cluster", enterName, newCommand().ExecuteContext) }
