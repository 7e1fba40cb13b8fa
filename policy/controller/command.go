package controller

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/component-base/logs"
	logsapi "k8s.io/component-base/logs/api/v1"
	_ "k8s.io/component-base/logs/json/register" // --logging-format=json
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"
)

// NewCommand returns the command that runs the controller until ctx ends.
func NewCommand(ctx context.Context) *cobra.Command {
	o := NewOptions()
	logging := logs.NewOptions()
	cmd := &cobra.Command{
		Use:          Name,
		Short:        "Write HorizontalPodAutoscalers from AutoscalingPolicies, and keep them so.",
		Args:         cobra.NoArgs,
		SilenceUsage: true,
		RunE: func(*cobra.Command, []string) error {
			if err := logsapi.ValidateAndApply(logging, nil); err != nil {
				return err
			}
			if err := o.Validate(); err != nil {
				return err
			}
			config, err := clientConfig(o)
			if err != nil {
				return err
			}
			// The library's own logger, of which there is one for the process.
			ctrl.SetLogger(klog.Background())
			return Run(ctx, config, o)
		},
	}
	o.AddFlags(cmd.Flags())
	logsapi.AddFlags(logging, cmd.Flags())
	return cmd
}

// clientConfig is how we talk to the Kubernetes API server.
func clientConfig(o *Options) (*rest.Config, error) {
	config, err := rest.InClusterConfig()
	if o.Kubeconfig != "" {
		config, err = clientcmd.BuildConfigFromFlags("", o.Kubeconfig)
	}
	if err != nil {
		return nil, fmt.Errorf("--kubeconfig: %w", err)
	}
	return config, nil
}
