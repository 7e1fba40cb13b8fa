package cli

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	"sigs.k8s.io/yaml"

	"github.com/loadline/loadline/policy/hpa"
	"github.com/loadline/loadline/policy/manifest"
	"github.com/loadline/loadline/policy/migrate"
)

type migrateOptions struct {
	output, kubernetes string
}

func newMigrateHPA(e *env) *cobra.Command {
	o := migrateOptions{kubernetes: newestKubernetes}
	cmd := &cobra.Command{
		Use:   "hpa (FILE... | - | NAME...)",
		Short: "Print the policies that make the same HorizontalPodAutoscalers, and what could not be carried over.",
		Long: "Print the AutoscalingPolicies that make the same HorizontalPodAutoscalers as those in files (other kinds in them\n" +
			"are left out), on the standard input (-), or of these names in the namespace of the cluster. It applies nothing.\n\n" +
			"Comments above each policy say whether the HPA that it makes is equal to the one that it was made of or, if not,\n" +
			"in which fields of the spec it differs; and, field by field, what could not be carried over. An HPA that no\n" +
			"policy can say is left out, and why is on the standard error; so is how Loadline takes each HPA over.\n\n" +
			"It makes of HPAs what kubectl loadline autoscale --from-hpa and -f make of them, which also applies it.\n\n" +
			"With -o json or yaml it is a report of the fields of HPA in policy/migrate below hpas; fields are only ever added.\n\n" +
			"Exit codes: 0 there is a policy for each; 1 for one there is none, or there is no such HPA.",
		Example: "  kubectl loadline migrate hpa web\n" +
			"  kubectl loadline migrate hpa deploy/hpa.yaml > policies.yaml\n" +
			"  kubectl get hpa -A -o yaml | kubectl loadline migrate hpa - -o json | jq '.hpas[] | select(.equal | not)'",
		Args: cobra.MinimumNArgs(1),
		ValidArgsFunction: func(cmd *cobra.Command, _ []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
			names, directive := e.completeNames(cmd.Context(), hpasResource(), "")
			return names, directive &^ cobra.ShellCompDirectiveNoFileComp
		},
		RunE: runE(func(cmd *cobra.Command, args []string) error { return e.migrateHPAs(cmd.Context(), o, args) }),
	}
	fs := cmd.Flags()
	fs.StringVarP(&o.output, "output", "o", o.output, "Output format: yaml or json, a report; if it is left out, policies with comments.")
	fs.StringVar(&o.kubernetes, "kubernetes", o.kubernetes, "Version of Kubernetes whose features are assumed, with its default feature gates.")
	complete(cmd, "output", "yaml", "json")
	return cmd
}

func (e *env) migrateHPAs(ctx context.Context, o migrateOptions, args []string) error {
	if o.output != "" && o.output != "yaml" && o.output != "json" {
		return usagef("-o %s: must be yaml or json", o.output)
	}
	capabilities, err := hpa.Assume(o.kubernetes)
	if err != nil {
		return usagef("--kubernetes: %s", err)
	}
	all, err := e.draftsOfHPAs(ctx, args)
	if err != nil {
		return err
	}
	reports := make([]*migrate.HPA, 0, len(all))
	var found []finding
	var order []string
	among, namespaces := neighbours{}, checker{namespace: *e.flags.Namespace}
	for i := range all {
		m := &all[i]
		if m.policy != nil {
			m.problems = append(m.problems, among.add(m.document, namespaces.orDefault(m.policy.Namespace), m.policy, m.rename())...)
		}
		if m.policy != nil {
			_, more := hpa.Build(m.policy, nil, capabilities)
			for _, p := range more {
				if !slices.Contains(m.problems, p) {
					m.problems = append(m.problems, p)
				}
			}
		}
		if hpa.Failed(m.problems) {
			m.policy = nil
		}
		found = append(found, m.findings()...)
		if m.document != nil {
			order = append(order, m.document.File)
		}
		if m.original == nil { // it could not be read, and the findings say why
			m.original = &autoscalingv2.HorizontalPodAutoscaler{ObjectMeta: m.meta}
		}
		reports = append(reports, migrate.NewHPA(m.original, m.policy, m.problems, capabilities))
	}
	report(e.ErrOut, found, order)
	if o.output != "" {
		err = printData(e.Out, o.output, map[string][]*migrate.HPA{"hpas": reports})
	} else {
		err = e.printMigrated(reports)
	}
	if err != nil {
		return err
	}
	for i, m := range all {
		if reports[i].Policy != nil {
			fmt.Fprintln(e.ErrOut, m.note())
		}
	}
	if slices.ContainsFunc(reports, func(r *migrate.HPA) bool { return r.Policy == nil }) {
		return errTold
	}
	return nil
}

// draftsOfHPAs are those of files, of the standard input, or of names.
func (e *env) draftsOfHPAs(ctx context.Context, args []string) ([]draft, error) {
	for i, arg := range args {
		if slices.Contains(args[:i], arg) {
			return nil, usagef("%s is given twice", arg)
		}
	}
	var all []draft
	for _, arg := range args {
		if !isFile(arg) {
			m, err := e.draftOfLive(ctx, arg)
			if err != nil {
				return nil, err
			}
			all = append(all, m)
			continue
		}
		docs, err := readFile(arg, e.In)
		if err != nil {
			return nil, err
		}
		docs = slices.DeleteFunc(docs, func(d manifest.Document) bool {
			gvk := d.GroupVersionKind()
			return gvk.Group != autoscalingv2.GroupName || gvk.Kind != "HorizontalPodAutoscaler"
		})
		if len(docs) == 0 {
			return nil, fmt.Errorf("there is no HorizontalPodAutoscaler in %s", arg)
		}
		drafts, err := e.draftsOf(docs, &autoscaleOptions{})
		if err != nil {
			return nil, err
		}
		all = append(all, drafts...)
	}
	return all, nil
}

// isFile says whether an argument is a file, and not the name of an HPA.
func isFile(arg string) bool {
	if arg == "-" || strings.ContainsRune(arg, os.PathSeparator) || strings.HasSuffix(arg, ".yaml") || strings.HasSuffix(arg, ".yml") || strings.HasSuffix(arg, ".json") {
		return true
	}
	info, err := os.Stat(arg)
	return err == nil && info.Mode().IsRegular()
}

func (e *env) printMigrated(reports []*migrate.HPA) error {
	first := true
	for _, r := range reports {
		if r.Policy == nil {
			continue
		}
		object, err := withoutStatus(r.Policy)
		if err != nil {
			return err
		}
		text, err := yaml.Marshal(object.Object)
		if err != nil {
			return err
		}
		if !first {
			fmt.Fprintln(e.Out, "---")
		}
		first = false
		for _, line := range r.Comments() {
			fmt.Fprintln(e.Out, "# "+line)
		}
		if _, err := e.Out.Write(text); err != nil {
			return err
		}
	}
	return nil
}
