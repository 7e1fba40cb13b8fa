package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	"sigs.k8s.io/yaml"

	"github.com/loadline/loadline/policy/api/v1alpha1"
)

type statusOptions struct {
	output        string
	allNamespaces bool
	watch         bool
}

func newStatus(e *env) *cobra.Command {
	var o statusOptions
	cmd := &cobra.Command{
		Use:   "status [NAME]",
		Short: "Print how policies and their HorizontalPodAutoscalers are.",
		Long: "Print how AutoscalingPolicies and their HorizontalPodAutoscalers are. Sizes and metrics are the HPAs' own,\n" +
			"live. MIN is the minimum in force, with the policy's own in parentheses where a floor holds it above that.\n" +
			"A metric that cannot be read is ?. Below the table is what somebody should know.\n\n" +
			"The exit code is 1 if a policy is not Ready, which one in mode Paused or DryRun is not either. With -w each\n" +
			"policy is printed again when it changes, until the command is interrupted.",
		Example: "  kubectl loadline status\n" +
			"  kubectl loadline status web -w\n" +
			"  kubectl loadline status -A -o json | jq '.policies[] | select(.ready | not)'",
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: e.completePolicies,
		RunE: runE(func(cmd *cobra.Command, args []string) error {
			name := ""
			if len(args) > 0 {
				name = args[0]
			}
			return e.status(cmd.Context(), o, name)
		}),
	}
	fs := cmd.Flags()
	fs.StringVarP(&o.output, "output", "o", o.output, "Output format: yaml or json; a table if it is left out.")
	fs.BoolVarP(&o.allNamespaces, "all-namespaces", "A", o.allNamespaces, "Policies of all namespaces.")
	fs.BoolVarP(&o.watch, "watch", "w", o.watch, "Go on and print what changes.")
	complete(cmd, "output", "yaml", "json")
	return cmd
}

func (e *env) status(ctx context.Context, o statusOptions, name string) error {
	switch {
	case o.output != "" && o.output != "yaml" && o.output != "json":
		return usagef("-o %s: must be yaml or json", o.output)
	case o.allNamespaces && name != "":
		return usagef("%s: a name is of one namespace: leave out -A", name)
	case o.watch && o.output != "":
		return usagef("-w prints a table: leave out -o")
	}
	c, err := e.cluster()
	if err != nil {
		return err
	}
	s := scope{namespace: c.namespace, name: name}
	if o.allNamespaces {
		s.namespace = ""
	}
	rows, err := c.rows(ctx, s)
	if err != nil {
		return err
	}
	if name != "" && len(rows) == 0 {
		return fmt.Errorf("there is no %s %s in the namespace %s", v1alpha1.Kind, name, s.namespace)
	}
	if o.watch {
		return c.watch(ctx, s, newTable(e.Out, o.allNamespaces))
	}
	if err := e.printRows(rows, o, s); err != nil {
		return err
	}
	if slices.ContainsFunc(rows, func(r row) bool { return !r.Ready }) {
		return errTold
	}
	return nil
}

// rows reads the policies of a scope and their HPAs.
func (c *cluster) rows(ctx context.Context, s scope) ([]row, error) {
	policies, err := list[v1alpha1.AutoscalingPolicy](ctx, c, policiesResource(), s)
	if err != nil {
		return nil, err
	}
	hpas, err := list[autoscalingv2.HorizontalPodAutoscaler](ctx, c, hpasResource(), s)
	if err != nil {
		return nil, err
	}
	return newRows(policies, hpas), nil
}

func (e *env) printRows(rows []row, o statusOptions, s scope) error {
	if o.output != "" {
		return printData(e.Out, o.output, map[string][]row{"policies": rows})
	}
	if len(rows) == 0 {
		where := "in the namespace " + s.namespace
		if s.namespace == "" {
			where = "in the cluster"
		}
		fmt.Fprintf(e.ErrOut, "There are no AutoscalingPolicies %s.\n", where)
		return nil
	}
	return newTable(e.Out, o.allNamespaces).print(rows)
}

// printData prints a value as yaml or json.
func printData(to io.Writer, format string, value any) error {
	data, err := json.MarshalIndent(value, "", "    ")
	if err != nil {
		return err
	}
	data = append(data, '\n')
	if format == "yaml" {
		if data, err = yaml.JSONToYAML(data); err != nil {
			return err
		}
	}
	_, err = to.Write(data)
	return err
}
