package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/genericiooptions"
)

// Exit codes.
const (
	exitFound = 1 // something is wrong with what was asked about, or it could not be done
	exitUsage = 2 // the command was called wrongly, or it could not read what it was asked about
)

// Run runs the command that args name until it is done or ctx ends, and returns the
// exit code of the process.
func Run(ctx context.Context, args []string, streams genericiooptions.IOStreams) int {
	cmd := NewCommand(streams)
	cmd.SetArgs(args)
	called, err := cmd.ExecuteContextC(ctx)
	return exitCode(err, called.CommandPath(), streams.ErrOut)
}

// env is what all commands share.
type env struct {
	genericiooptions.IOStreams
	flags *genericclioptions.ConfigFlags
	now   func() time.Time
}

// NewCommand returns kubectl-loadline.
func NewCommand(streams genericiooptions.IOStreams) *cobra.Command {
	e := &env{IOStreams: streams, flags: genericclioptions.NewConfigFlags(true), now: time.Now}
	root := &cobra.Command{
		Use:   "kubectl-loadline",
		Short: "Write, convert and watch AutoscalingPolicies; explain what an HPA decides; examine a cluster; find where HPAs and workloads come apart.",
		Long: "Write, convert and watch AutoscalingPolicies, from which Loadline makes HorizontalPodAutoscalers, and find\n" +
			"where HorizontalPodAutoscalers and what they scale come apart.\n\n" +
			"Exit codes: 0 success; 1 something is wrong with what was asked about, or it could not be done; 2 wrong usage,\n" +
			"and of lint and doctor also that something could not be read.",
		Annotations:   map[string]string{cobra.CommandDisplayNameAnnotation: "kubectl loadline"},
		SilenceUsage:  true,
		SilenceErrors: true,
		Run:           func(cmd *cobra.Command, _ []string) { _ = cmd.Help() },
	}
	root.SetIn(streams.In)
	root.SetOut(streams.Out)
	root.SetErr(streams.ErrOut)
	e.flags.AddFlags(root.PersistentFlags())
	// The help and the documents are the same whoever prints them.
	root.PersistentFlags().Lookup("cache-dir").DefValue = "$HOME/.kube/cache"
	root.AddCommand(newAutoscale(e), newDoctor(e), newExplain(e), newLint(e), newMetrics(e), newMigrate(e), newRender(e), newRollout(e), newStatus(e), newSwitch(e), newUninstall(e), newVersion(e))
	return root
}

// failure is an error of a command that was called rightly. cobra's own errors, about
// flags and arguments, are not wrapped in one.
type failure struct{ error }

func (f failure) Unwrap() error { return f.error }

// usageError is one that a command finds itself.
type usageError struct{ text string }

func (e usageError) Error() string { return e.text }

func usagef(format string, args ...any) error { return usageError{fmt.Sprintf(format, args...)} }

// unreadError is one of a command that says nothing certain without what it could not
// read.
type unreadError struct{ error }

func (e unreadError) Unwrap() error { return e.error }

// errTold is a failure about which everything has been said.
var errTold = errors.New("told")

// runE makes a function the body of a command.
func runE(f func(cmd *cobra.Command, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		if err := f(cmd, args); err != nil {
			return failure{err}
		}
		return nil
	}
}

func exitCode(err error, command string, to io.Writer) int {
	var found failure
	var usage usageError
	var unread unreadError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &unread):
		if !errors.Is(err, errTold) {
			fmt.Fprintf(to, "error: %s\n", err)
		}
		return exitUsage
	case errors.Is(err, errTold):
		return exitFound
	case errors.As(err, &usage) || !errors.As(err, &found):
		fmt.Fprintf(to, "error: %s\nSee '%s --help'.\n", strings.TrimSpace(err.Error()), command)
		return exitUsage
	default:
		fmt.Fprintf(to, "error: %s\n", err)
		return exitFound
	}
}
