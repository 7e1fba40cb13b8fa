package cli

import "github.com/spf13/cobra"

// complete offers the values of a flag to the shell.
func complete(cmd *cobra.Command, flag string, values ...cobra.Completion) {
	// The error is about a flag that does not exist: a test calls every command.
	_ = cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
}
