package main

import (
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/loadline/loadline/hack/build"
	"github.com/loadline/loadline/hack/realnode"
)

func newCommand() *cobra.Command {
	root := &cobra.Command{
		Use:           "realnode",
		Short:         "A real Kubernetes node on this machine: kubelet, containerd, kube-proxy, and images of our own",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.CompletionOptions.DisableDefaultCmd = true
	root.AddCommand(buildCommand(), imagesCommand(), execCommand(), enterCommand())
	return root
}

func buildCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "build",
		Short: "Build the servers that are not in the cache yet (minutes, once)",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := build.Ensure(cmd.Context(), os.Stderr, build.Node()...)
			return err
		},
	}
}

func imagesCommand() *cobra.Command {
	var root, into string
	cmd := &cobra.Command{
		Use:   "images",
		Short: "Build our images and those of Remind Me from their Dockerfiles, without a registry",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cache, err := build.CacheDir()
			if err != nil {
				return err
			}
			return realnode.BuildImages(cmd.Context(), realnode.ImageOptions{
				Root: root, Into: into, Storage: filepath.Join(cache, "buildah"), Log: os.Stderr,
			})
		},
	}
	cmd.Flags().StringVar(&root, "root", ".", "the repository")
	cmd.Flags().StringVar(&into, "into", filepath.Join("bin", "images"), "where the archives of the images go")
	return cmd
}

func execCommand() *cobra.Command {
	var keep bool
	cmd := &cobra.Command{
		Use:   "exec [--keep] -- COMMAND [ARGUMENT…]",
		Short: "Run a command in namespaces of its own, where it can start a node",
		Args:  cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			// Inside there is no way to the module proxy.
			if _, err := build.Ensure(cmd.Context(), os.Stderr, build.Node()...); err != nil {
				return err
			}
			self, err := os.Executable()
			if err != nil {
				return err
			}
			return realnode.Run(cmd.Context(), realnode.RunOptions{
				Entry:   []string{self, enterName, "--"},
				Command: args,
				Keep:    keep,
				Log:     os.Stderr,
			})
		},
	}
	cmd.Flags().BoolVar(&keep, "keep", false, "leave the state directory, to read the logs")
	return cmd
}

const enterName = "enter-namespaces"

// enterCommand is the first program in the namespaces.
func enterCommand() *cobra.Command {
	return &cobra.Command{
		Use:    enterName,
		Hidden: true,
		Args:   cobra.ArbitraryArgs,
		RunE:   func(_ *cobra.Command, args []string) error { return realnode.Enter(args) },
	}
}
