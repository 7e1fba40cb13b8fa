package cli

import (
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/loadline/loadline/policy/convert"
)

// complete offers the values of a flag to the shell.
func complete(cmd *cobra.Command, flag string, values ...cobra.Completion) {
	if err := cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp)); err != nil {
		panic(err) // the command has no such flag
	}
}

// completionTimeout is how long somebody waits at a prompt.
const completionTimeout = 3 * time.Second

// completePolicies offers the names of the namespace's policies.
func (e *env) completePolicies(cmd *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return e.completeNames(cmd.Context(), policiesResource(), "")
}

// completeTargets offers the built-in kinds and, after the slash, what there is of one.
func (e *env) completeTargets(cmd *cobra.Command, args []string, toComplete string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	of, _, named := strings.Cut(toComplete, "/")
	if !named {
		return []cobra.Completion{"deployment/", "replicaset/", "replicationcontroller/", "statefulset/"},
			cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
	}
	target, err := convert.Target(of + "/any")
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	// It guesses right for the kinds of Kubernetes.
	plural, _ := meta.UnsafeGuessKindToResource(schema.FromAPIVersionAndKind(target.APIVersion, target.Kind))
	return e.completeNames(cmd.Context(), plural, of+"/")
}

// completeNames offers the names of the namespace's objects of a kind.
func (e *env) completeNames(ctx context.Context, resource schema.GroupVersionResource, before string) ([]cobra.Completion, cobra.ShellCompDirective) {
	ctx, cancel := context.WithTimeout(ctx, completionTimeout)
	defer cancel()
	c, err := e.cluster()
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	all, err := list[metav1.PartialObjectMetadata](ctx, c, resource, scope{namespace: c.namespace})
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	names := make([]cobra.Completion, 0, len(all))
	for _, o := range all {
		names = append(names, before+o.Name)
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}
