package adapter

import (
	"context"

	"github.com/spf13/cobra"
	"k8s.io/component-base/logs"
	logsapi "k8s.io/component-base/logs/api/v1"
	_ "k8s.io/component-base/logs/json/register" // --logging-format=json
)

// NewCommand returns the command that runs the adapter until ctx ends.
func NewCommand(ctx context.Context) *cobra.Command {
	o := NewOptions()
	logging := logs.NewOptions()
	cmd := &cobra.Command{
		Use:           "loadline-adapter",
		Short:         "Serve custom.metrics.k8s.io and external.metrics.k8s.io from Prometheus.",
		Args:          cobra.NoArgs,
		SilenceUsage:  true,
		SilenceErrors: false,
		RunE: func(*cobra.Command, []string) error {
			if err := logsapi.ValidateAndApply(logging, nil); err != nil {
				return err
			}
			if err := o.Validate(); err != nil {
				return err
			}
			return Run(ctx, o)
		},
	}
	o.AddFlags(cmd.Flags())
	logsapi.AddFlags(logging, cmd.Flags())
	return cmd
}
