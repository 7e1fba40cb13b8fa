// Command loadline-policy writes HorizontalPodAutoscalers from AutoscalingPolicies.
package main

import (
	"os"
	_ "time/tzdata" // schedules name time zones, and an image need not have them

	"k8s.io/component-base/cli"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/loadline/loadline/policy/controller"
)

func main() {
	os.Exit(cli.Run(controller.NewCommand(ctrl.SetupSignalHandler())))
}
