package main

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/loadline/loadline/hack/demo"
	"github.com/loadline/loadline/hack/lab"
)

func newCommand(size func() (demo.Size, bool)) *cobra.Command {
	o := demo.Options{Size: size}
	source := ""
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Show AutoscalingPolicies scale Remind Me on its own metrics",
		Long: "Show AutoscalingPolicies scale Remind Me on its own metrics.\n" +
			"Run it in a network namespace: bin/cluster exec -- bin/demo",
		Args:         cobra.NoArgs,
		SilenceUsage: true, SilenceErrors: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			root, err := filepath.Abs(o.Root)
			if err != nil {
				return err
			}
			if o.Source, err = lab.ParseSource(source); err != nil {
				return fmt.Errorf("--source: %w", err)
			}
			if o.Downscale < time.Second {
				return fmt.Errorf("--downscale-stabilization: %s: must be at least 1s", o.Downscale)
			}
			if o.HPASyncPeriod < 0 {
				return fmt.Errorf("--hpa-sync-period: %s: must not be negative", o.HPASyncPeriod)
			}
			o.Root, o.Out = root, cmd.OutOrStdout()
			o.Script = demo.DefaultScript(o.HPASyncPeriod, o.Downscale)
			return demo.Run(cmd.Context(), o)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.Root, "root", cmp.Or(os.Getenv("LOADLINE_ROOT"), "."), "the repository; bin/ in it holds the programs")
	f.StringVar(&source, "source", string(lab.Embedded), "where the adapter has its numbers from: embedded (it scrapes pods itself) or prometheus")
	f.DurationVar(&o.HPASyncPeriod, "hpa-sync-period", 0, "how often HPAs are reconciled (0: Kubernetes' default, 15s)")
	f.DurationVar(&o.Downscale, "downscale-stabilization", 20*time.Second, "how long an HPA waits before it scales in; 5 minutes in Remind Me's policies")
	f.BoolVar(&o.Keep, "keep", false, "leave everything running after the summary, until Ctrl-C")
	return cmd
}
