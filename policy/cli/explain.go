package cli

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/loadline/loadline/policy/chain"
)

// explainTimeout bounds all that explain reads, readTimeout each request of it. The HPA
// controller's own requests have no deadline, but its syncs come every 15 s.
const (
	explainTimeout = 10 * time.Second
	readTimeout    = 5 * time.Second
)

func newExplain(e *env) *cobra.Command {
	output := ""
	cmd := &cobra.Command{
		Use:   "explain (hpa/NAME | policy/NAME)",
		Short: "Print how a HorizontalPodAutoscaler comes to its decision, and where that is broken.",
		Long: "Print how a HorizontalPodAutoscaler comes to its decision, with or without a policy: what each metric is asked for,\n" +
			"the value and its age for each pod, and what the metric proposes; what the controller's steps make of that (bounds,\n" +
			"stabilisation, rates); the HPA's conditions and what they mean; who holds the minimum; and at last the decision. It\n" +
			"changes nothing.\n\n" +
			"It asks the metrics APIs as the HPA controller does, and computes as Kubernetes 1.37's does. What only the\n" +
			"controller knows (its earlier recommendations, the changes it made, its flags) is named as not observable, and\n" +
			"the size is then a range. What is read is of now, and not of the controller's last sync. Ages go by the\n" +
			"clock of your machine.\n\n" +
			"Where the chain is broken, the reason and the remedy are below Broken, and the rest goes on. It takes 10 s at most,\n" +
			"5 s for each request. It needs get on the HPA, on the scale of its target and on the policy, list on pods, and get\n" +
			"and list on what the metrics APIs serve; what you lack is said.\n\n" +
			"What is behind an answer (rule, PromQL, when it was evaluated) is from loadline-adapter's own API, and is left out,\n" +
			"with one line about it, where that is not served or you may not get it.\n\n" +
			"With -o json or yaml the fields are those of Report in policy/chain; fields are only ever added.\n\n" +
			"Exit codes: 0 the chain is whole; 1 a part of it is broken, or there is no such HPA.",
		Example: "  kubectl loadline explain hpa/web\n" +
			"  kubectl loadline explain hpa web -n shop\n" +
			"  kubectl loadline explain policy/web -o json | jq '.broken'",
		Args:              cobra.RangeArgs(1, 2),
		ValidArgsFunction: e.completeExplained,
		RunE: runE(func(cmd *cobra.Command, args []string) error {
			return e.explain(cmd.Context(), output, args)
		}),
	}
	cmd.Flags().StringVarP(&output, "output", "o", output, "Output format: yaml or json; text if it is left out.")
	complete(cmd, "output", "yaml", "json")
	return cmd
}

func (e *env) explain(ctx context.Context, output string, args []string) error {
	if output != "" && output != "yaml" && output != "json" {
		return usagef("-o %s: must be yaml or json", output)
	}
	name, err := explained(args)
	if err != nil {
		return err
	}
	c, err := e.cluster()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, explainTimeout)
	defer cancel()
	in, err := c.gather(ctx, name, e.now)
	if err != nil {
		return err
	}
	r := chain.New(in)
	if output != "" {
		err = printData(e.Out, output, r)
	} else {
		err = r.Text(e.Out)
	}
	if err == nil && !r.Whole() {
		return errTold
	}
	return err
}

// explained is the name of the HPA that is meant; a policy's has the policy's name.
func explained(args []string) (string, error) {
	of, name, ok := args[0], "", false
	if len(args) == 2 {
		name, ok = args[1], !strings.Contains(args[0]+args[1], "/")
	} else if of, name, ok = strings.Cut(args[0], "/"); strings.Contains(name, "/") {
		ok = false
	}
	if !ok || name == "" {
		return "", usagef("%q is no HPA: give hpa/NAME or policy/NAME", strings.Join(args, " "))
	}
	known := []string{
		"hpa", "horizontalpodautoscaler", "horizontalpodautoscalers", "horizontalpodautoscaler.autoscaling", "horizontalpodautoscalers.autoscaling",
		"policy", "asp", "autoscalingpolicy", "autoscalingpolicies", "autoscalingpolicy.loadline.dev", "autoscalingpolicies.loadline.dev",
	}
	if !slices.Contains(known, strings.ToLower(of)) {
		return "", usagef("%s: there is nothing to explain of that: give hpa/NAME or policy/NAME", of)
	}
	return name, nil
}

// completeExplained offers the names of the namespace's HPAs.
func (e *env) completeExplained(cmd *cobra.Command, args []string, toComplete string) ([]cobra.Completion, cobra.ShellCompDirective) {
	of, _, named := strings.Cut(toComplete, "/")
	switch {
	case len(args) > 1 || len(args) == 1 && strings.Contains(args[0], "/"):
		return nil, cobra.ShellCompDirectiveNoFileComp
	case len(args) == 1:
		return e.completeNames(cmd.Context(), hpasResource(), "")
	case !named:
		return []cobra.Completion{"hpa/", "policy/"}, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
	case of == "policy":
		return e.completeNames(cmd.Context(), policiesResource(), "policy/")
	}
	return e.completeNames(cmd.Context(), hpasResource(), of+"/")
}
