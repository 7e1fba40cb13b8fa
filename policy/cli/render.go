package cli

import (
	"fmt"
	"slices"

	"github.com/spf13/cobra"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	"k8s.io/cli-runtime/pkg/genericclioptions"

	"github.com/loadline/loadline/deploy/crd"
	"github.com/loadline/loadline/policy/api/v1alpha1"
	"github.com/loadline/loadline/policy/decide"
	"github.com/loadline/loadline/policy/hpa"
	"github.com/loadline/loadline/policy/manifest"
	"github.com/loadline/loadline/policy/query"
)

// newestKubernetes is the version that policies are judged by if none is given.
const newestKubernetes = "1.37"

type renderOptions struct {
	inputFlags
	kubernetes       string
	output           string
	warningsAsErrors bool
	queries          query.Settings
}

func newRender(e *env) *cobra.Command {
	o := renderOptions{kubernetes: newestKubernetes, output: "yaml", queries: query.Defaults()}
	cmd := &cobra.Command{
		Use:   "render -f FILE",
		Short: "Print the HorizontalPodAutoscalers of policies in files, without a cluster.",
		Long: "Print the HorizontalPodAutoscalers of the AutoscalingPolicies in files, without a cluster, and say what is\n" +
			"wrong with the policies: also what the API server cannot (PromQL, cron, time zones, two policies for one\n" +
			"target). Problems go to the standard error, as FILE:LINE: LEVEL: POLICY: FIELD: MESSAGE. Queries are judged\n" +
			"by the flags that the adapter has.\n\n" +
			"The HPAs are those without floors, and bear none of the labels by which Loadline knows its own: applied\n" +
			"by hand they are yours. A query (loadline-query.…) is served only while its policy is in the cluster; where an\n" +
			"HPA reads one, a note says so. Nothing is printed if a policy has an error.",
		Example: "  kubectl loadline render -f policies.yaml\n" +
			"  kubectl get autoscalingpolicies -A -o yaml | kubectl loadline render -f -\n" +
			"  kubectl loadline render -f policies.yaml --kubernetes 1.34 >/dev/null   # check only",
		Args: cobra.NoArgs,
		RunE: runE(func(*cobra.Command, []string) error { return e.render(o) }),
	}
	fs := cmd.Flags()
	o.inputFlags.addFlags(fs, "File with AutoscalingPolicies; other kinds of objects in it are left out.")
	fs.StringVar(&o.kubernetes, "kubernetes", o.kubernetes, "Version of Kubernetes whose features are assumed, with its default feature gates.")
	fs.StringVarP(&o.output, "output", "o", o.output, "Output format: yaml or json.")
	fs.BoolVar(&o.warningsAsErrors, "warnings-as-errors", o.warningsAsErrors, "Exit with 1 if there are warnings, too.")
	o.queries.AddFlags(fs)
	if err := cmd.MarkFlagRequired("filename"); err != nil {
		panic(err) // there is no such flag
	}
	complete(cmd, "output", "yaml", "json")
	return cmd
}

func (e *env) render(o renderOptions) error {
	print := genericclioptions.JSONYamlPrintFlags{}
	printer, err := print.ToPrinter(o.output)
	if err != nil {
		return usagef("-o %s: must be yaml or json", o.output)
	}
	capabilities, err := hpa.Assume(o.kubernetes)
	if err != nil {
		return usagef("--kubernetes: %s", err)
	}
	if err := o.queries.Validate(); err != nil {
		return usageError{err.Error()}
	}
	docs, err := o.readAll(e.In)
	if err != nil {
		return err
	}
	schema, err := manifest.NewSchema(crd.AutoscalingPolicies(), v1alpha1.GroupVersion.Version)
	if err != nil {
		return err
	}
	built, found := checker{capabilities: capabilities, queries: o.queries, namespace: *e.flags.Namespace}.renderAll(schema, docs)
	report(e.ErrOut, found, files(docs))
	if failed(found) || o.warningsAsErrors && len(found) > 0 {
		return errTold
	}
	if len(built) == 0 {
		return fmt.Errorf("there is no %s in %v", v1alpha1.Kind, o.files)
	}
	for _, h := range built {
		if dying := decide.Dying(h.Spec); dying != "" {
			fmt.Fprintf(e.ErrOut, "note: the HPA %s: %s\n", h.Name, dying)
		}
		object, err := plain(h)
		if err != nil {
			return err
		}
		if err := printer.PrintObj(object, e.Out); err != nil {
			return err
		}
	}
	return nil
}

// renderAll returns the HPAs of the policies among docs, in their order.
func (c checker) renderAll(schema *manifest.Schema, docs []manifest.Document) ([]*autoscalingv2.HorizontalPodAutoscaler, []finding) {
	var built []*autoscalingv2.HorizontalPodAutoscaler
	var found []finding
	among := neighbours{}
	for _, d := range docs {
		add := func(problems ...hpa.Problem) {
			for _, p := range problems {
				found = append(found, finding{file: d.File, line: d.Line(p.Field), policy: d.Name(), problem: p})
			}
		}
		if !d.IsPolicy() {
			add(otherVersion(d)...)
			continue
		}
		policy, said, forbidden := schema.Policy(d)
		if policy == nil {
			add(append(said, forbidden...)...)
			continue
		}
		h, more := c.build(policy)
		if !hpa.Failed(more) {
			// The schema has nothing to add to what is said in better words.
			more = append(more, forbidden...)
		}
		if hpa.Failed(said) {
			h = nil // it would be made of what stands in
		}
		said = hpa.Merge(said, more)
		add(said...)
		add(among.add(&d, c.orDefault(policy.Namespace), policy, "rename one of them")...)
		if h != nil {
			built = append(built, h)
		}
	}
	return built, found
}

// otherVersion refuses a policy of a version that this program does not read, which it
// would otherwise leave out in silence.
func otherVersion(d manifest.Document) []hpa.Problem {
	gvk := d.GroupVersionKind()
	if gvk.Group != v1alpha1.GroupVersion.Group || gvk.Kind != v1alpha1.Kind {
		return nil
	}
	return []hpa.Problem{{
		Level: hpa.Error, Field: "apiVersion", Message: fmt.Sprintf("%s is no version of an %s that this program knows", gvk.GroupVersion(), v1alpha1.Kind),
		Remedy: "write " + v1alpha1.GroupVersion.String(),
	}}
}

// files returns the names of the files of docs, each once.
func files(docs []manifest.Document) []string {
	var names []string
	for _, d := range docs {
		if !slices.Contains(names, d.File) {
			names = append(names, d.File)
		}
	}
	return names
}
