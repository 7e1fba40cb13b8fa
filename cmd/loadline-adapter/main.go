// Command loadline-adapter serves custom and external metrics to Kubernetes.
package main

import (
	"os"

	genericapiserver "k8s.io/apiserver/pkg/server"
	"k8s.io/component-base/cli"

	"github.com/loadline/loadline/adapter"
)

func main() {
	os.Exit(cli.Run(adapter.NewCommand(genericapiserver.SetupSignalContext())))
}
