package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/printers"

	"github.com/loadline/loadline/policy/chain"
	diagnostics "github.com/loadline/loadline/provider/api/v1alpha1"
)

type metricsOptions struct {
	output        string
	allNamespaces bool
}

func newMetrics(e *env) *cobra.Command {
	var o metricsOptions
	cmd := &cobra.Command{
		Use:   "metrics",
		Short: "Print which metrics are wanted, what gives them, how old they are, and who asks.",
		Long: "Print which metrics HPAs and readers want of loadline-adapter in a namespace: the rule that gives each and the source\n" +
			"that is asked, of how many of the objects there is a value, how long ago it was evaluated, and which HPAs ask.\n" +
			"Reads are those within the last minutes (--wanted-idle of the adapter). Below the table is why a metric is not\n" +
			"served, or has no value, and what to do.\n\n" +
			"It is what one of the adapter's replicas has in its memory; ages are by its clock. It needs list on\n" +
			"metrics.diagnostics.loadline.dev, which whoever may view a namespace has; -A needs it in all of them.\n\n" +
			"With -o json or yaml it is a list of the API's objects, which have the PromQL, the values and the rest as well:\n" +
			"kubectl explain metrics.diagnostics.loadline.dev describes their fields.\n\n" +
			"Exit codes: 0 all that are shown have values; 1 one has none, or nothing could be read.",
		Example: "  kubectl loadline metrics\n" +
			"  kubectl loadline metrics -A\n" +
			"  kubectl loadline metrics -o json | jq -r '.metrics[].reads[].promQL'",
		Args: cobra.NoArgs,
		RunE: runE(func(cmd *cobra.Command, _ []string) error { return e.metrics(cmd.Context(), o) }),
	}
	cmd.Flags().StringVarP(&o.output, "output", "o", o.output, "Output format: yaml or json; a table if it is left out.")
	cmd.Flags().BoolVarP(&o.allNamespaces, "all-namespaces", "A", o.allNamespaces, "Metrics of all namespaces.")
	complete(cmd, "output", "yaml", "json")
	return cmd
}

func (e *env) metrics(ctx context.Context, o metricsOptions) error {
	if o.output != "" && o.output != "yaml" && o.output != "json" {
		return usagef("-o %s: must be yaml or json", o.output)
	}
	c, err := e.cluster()
	if err != nil {
		return err
	}
	namespace := c.namespace
	if o.allNamespaces {
		namespace = ""
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	all, err := c.diagnostics(ctx, namespace)
	if err != nil {
		return err
	}
	if o.output != "" {
		err = printData(e.Out, o.output, map[string][]diagnostics.Metric{"metrics": all})
	} else {
		err = e.printMetrics(all, namespace)
	}
	if err == nil && troubled(all) {
		return errTold
	}
	return err
}

// diagnostics reads what the adapter says of the metrics of a namespace, or of all if it is
// empty.
func (c *cluster) diagnostics(ctx context.Context, namespace string) ([]diagnostics.Metric, error) {
	client, err := c.anyPath()
	if err != nil {
		return nil, err
	}
	q := question{of: diagnostics.GroupVersion, right: "list " + diagnostics.Plural}
	all := []diagnostics.Metric{}
	for next := ""; ; {
		r := client.Get().AbsPath(root(q.of)).Timeout(0).Resource(diagnostics.Plural).Param("limit", fmt.Sprint(pageSize))
		if namespace != "" {
			r.Namespace(namespace)
		}
		var page diagnostics.MetricList
		if b := fetch(ctx, with(r, "continue", next), q, &page); b != nil {
			return nil, said(b)
		}
		all = append(all, page.Items...)
		if next = page.Continue; next == "" {
			return all, nil
		}
	}
}

// said is what is broken as an error.
func said(b *chain.Break) error { return fmt.Errorf("%s: %s", b.Reason, b.Remedy) }

// troubled says whether somebody wants a metric that has no value.
func troubled(all []diagnostics.Metric) bool {
	for i := range all {
		if len(problems(&all[i])) > 0 {
			return true
		}
	}
	return false
}

func (e *env) printMetrics(all []diagnostics.Metric, namespace string) error {
	if len(all) == 0 {
		where := "in the namespace " + namespace
		if namespace == "" {
			where = "in any namespace"
		}
		fmt.Fprintf(e.ErrOut, "Nobody wants a metric %s of loadline-adapter.\n", where)
		return nil
	}
	t := newTable(e.Out, namespace == "")
	t.line("NAMESPACE", []string{"METRIC", "OF", "RULE", "SOURCE", "VALUES", "AGE", "ASKED BY"})
	for i := range all {
		m := &all[i]
		for j := range m.Reads {
			t.line(m.Namespace, readCells(m, &m.Reads[j]))
		}
	}
	if err := t.cells.Flush(); err != nil {
		return err
	}
	for i := range all {
		m := &all[i]
		name := m.Name
		if namespace == "" {
			name = m.Namespace + "/" + name
		}
		for _, p := range problems(m) {
			fmt.Fprintf(e.Out, "  %s\n", printers.EscapeTerminal(oneLine(name+": "+p)))
		}
		if m.OmittedReads > 0 {
			fmt.Fprintf(e.Out, "  %s\n", printers.EscapeTerminal(oneLine(name+": "+chain.NotShown(m.OmittedReads))))
		}
	}
	return nil
}
