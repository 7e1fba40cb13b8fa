package cli

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/loadline/loadline/policy/api/v1alpha1"
)

// complete offers the values of a flag to the shell.
func complete(cmd *cobra.Command, flag string, values ...cobra.Completion) {
	// The error is about a flag that does not exist: a test calls every command.
	_ = cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
}

// completionTimeout is how long somebody waits at a prompt.
const completionTimeout = 3 * time.Second

// completePolicies offers the names of the namespace's policies.
func (e *env) completePolicies(cmd *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), completionTimeout)
	defer cancel()
	c, err := e.cluster()
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	policies, err := list[v1alpha1.AutoscalingPolicy](ctx, c, policiesResource(), scope{namespace: c.namespace})
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	names := make([]cobra.Completion, 0, len(policies))
	for _, p := range policies {
		names = append(names, p.Name)
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}
