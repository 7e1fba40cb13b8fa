package adapter

import (
	"context"
	"log"

	"github.com/spf13/cobra"
	"k8s.io/component-base/logs"
	logsapi "k8s.io/component-base/logs/api/v1"
	_ "k8s.io/component-base/logs/json/register" // --logging-format=json
	"k8s.io/klog/v2"
)

// NewCommand returns the command that runs the adapter until ctx ends.
func NewCommand(ctx context.Context) *cobra.Command {
	o := NewOptions()
	logging := logs.NewOptions()
	cmd := &cobra.Command{
		Use:           "loadline-adapter",
		Short:         "Serve custom.metrics.k8s.io, external.metrics.k8s.io and metrics.k8s.io from Prometheus.",
		Args:          arguments,
		SilenceUsage:  true,
		SilenceErrors: false,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := logsapi.ValidateAndApply(logging, nil); err != nil {
				return err
			}
			log.SetOutput(withoutUnsolicited{log.Writer()})
			if err := o.Validate(); err != nil {
				return err
			}
			sayMeaningless(klog.FromContext(ctx), cmd.Flags())
			return Run(ctx, o)
		},
	}
	o.AddFlags(cmd.Flags())
	logsapi.AddFlags(logging, cmd.Flags())
	addMeaningless(cmd.Flags())
	cmd.AddCommand(newCheckCommand(ctx))
	cmd.CompletionOptions.DisableDefaultCmd = true
	return cmd
}
