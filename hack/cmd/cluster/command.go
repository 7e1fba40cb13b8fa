package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/loadline/loadline/hack/build"
	"github.com/loadline/loadline/hack/netns"
)

func newCommand() *cobra.Command {
	root := &cobra.Command{
		Use:           "cluster",
		Short:         "A real Kubernetes control plane on this machine, with nothing but Go",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.CompletionOptions.DisableDefaultCmd = true
	root.AddCommand(buildCommand(), upCommand(), downCommand(), statusCommand(), execCommand(), enterCommand(), serveCommand())
	return root
}

func buildCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "build",
		Short: "Build the servers that are not in the cache yet (minutes, once)",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			tools, err := build.Ensure(cmd.Context(), os.Stderr)
			if err != nil {
				return err
			}
			for _, tool := range build.Catalog() {
				for _, p := range tool.Programs {
					fmt.Fprintln(cmd.OutOrStdout(), tools.Path(p.Name))
				}
			}
			return nil
		},
	}
}

func execCommand() *cobra.Command {
	var host bool
	cmd := &cobra.Command{
		Use:   "exec [--host-network] -- COMMAND [ARGUMENT…]",
		Short: "Run a command in a fresh network namespace, where it can start clusters",
		Long: "Run a command in a fresh network namespace in which the pod range " + netns.PodCIDR + " is local.\n" +
			"Standard streams, signals and the exit status are the command's. Missing servers are built before.",
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			// Inside there is no way to the module proxy.
			if _, err := build.Ensure(cmd.Context(), os.Stderr); err != nil {
				return err
			}
			return isolated(cmd.Context(), args, host)
		},
	}
	hostFlag(cmd, &host)
	return cmd
}

func hostFlag(cmd *cobra.Command, host *bool) {
	cmd.Flags().BoolVar(host, "host-network", false, "use the machine's own network, as where namespaces are not to be had")
}

// isolated runs a command in a namespace. A signal ends ctx until netns.Run takes
// the signals over, and passes them on to the command.
func isolated(ctx context.Context, command []string, host bool) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	return netns.Run(ctx, netns.Options{
		Entry:   []string{self, enterName, "--"},
		Command: command,
		Log:     os.Stderr,
		Host:    host,
		Grace:   stopGrace,
	})
}

// stopGrace is how long a command may take to stop the cluster that it has started. It is
// more than all deadlines of that together: 10 s for the tests, 30 s for the node and 10 s
// for each of five servers. `down` does not wait as long.
const stopGrace = 2 * time.Minute

const enterName = "enter-namespace"

// enterCommand is the first program in a namespace. It prepares it and becomes
// the command that was asked for.
func enterCommand() *cobra.Command {
	return &cobra.Command{
		Use:    enterName,
		Hidden: true,
		Args:   cobra.ArbitraryArgs,
		RunE:   func(_ *cobra.Command, args []string) error { return netns.Enter(args) },
	}
}
