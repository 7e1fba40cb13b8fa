package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/loadline/loadline/deploy/crd"
	"github.com/loadline/loadline/policy/api/v1alpha1"
	"github.com/loadline/loadline/policy/guard"
	"github.com/loadline/loadline/policy/lint"
	"github.com/loadline/loadline/policy/manifest"
)

type lintOptions struct {
	live          bool
	allNamespaces bool
	diff          bool
	output        string
	failOn        string
	ignoreFile    string
}

func newLint(e *env) *cobra.Command {
	o := lintOptions{output: "text", failOn: string(guard.Medium)}
	cmd := &cobra.Command{
		Use:   "lint (PATH... | - | --diff OLD NEW | --live)",
		Short: "Find where HorizontalPodAutoscalers and what they scale come apart.",
		Long: "Find where HorizontalPodAutoscalers and what they scale come apart, in manifests, in a change of manifests,\n" +
			"or in a cluster. docs/reference/guard.md has all that is looked for.\n\n" +
			"A PATH is a file of YAML or JSON, or a directory with all that is in it; - is the standard input. An\n" +
			"AutoscalingPolicy counts as the HPA that it becomes. As soon as there is a workload among what is given, that\n" +
			"is taken for all that there is: an HPA whose target is not in it has none. Where objects are there several\n" +
			"times, as those of several environments are, each directory is looked at by itself. Helm charts and\n" +
			"kustomizations are not rendered: give what helm template or kubectl kustomize prints.\n\n" +
			"--diff reports what a change brings about, and what only a change shows. --live reads a namespace of the\n" +
			"cluster (-n), or all (-A); it writes nothing, reads no Secrets, and says what it may not read.\n\n" +
			"A finding is FILE:LINE:COLUMN: SEVERITY: ID NAME: OBJECT: FIELD: MESSAGE, upstream's reason, and the remedy.\n" +
			"To ignore one, give the reason: on one of the objects that take part, as the annotation that deploy/admission reads,\n" +
			"too, such as " + lint.AllowAnnotation + "12-replicas-in-manifest: REASON; or in the file " + lint.IgnoreFile + " of the working\n" +
			"directory:\n\n" +
			"    ignore:\n" +
			"    - id: GUARD-12\n" +
			"      object: {kind: Deployment, namespace: shop, name: web-*}\n" +
			"      reason: Argo CD ignores the field\n\n" +
			"Exit codes: 0 nothing found; 1 findings of the severity --fail-on or worse; 2 something could not be read.",
		Example: "  kubectl loadline lint deploy/\n" +
			"  helm template charts/shop | kubectl loadline lint - --fail-on high\n" +
			"  kubectl loadline lint --diff main/ branch/\n" +
			"  kubectl loadline lint --live -A -o json | jq '.findings[] | .id + \" \" + .object.name'",
		RunE: runE(func(cmd *cobra.Command, args []string) error { return e.lint(cmd.Context(), o, args) }),
	}
	f := cmd.Flags()
	f.BoolVar(&o.live, "live", o.live, "Read the cluster: the namespace of -n or of the kubeconfig.")
	f.BoolVarP(&o.allNamespaces, "all-namespaces", "A", o.allNamespaces, "With --live: all namespaces.")
	f.BoolVar(&o.diff, "diff", o.diff, "Compare two paths: what the change from the first to the second brings about.")
	f.StringVarP(&o.output, "output", "o", o.output, "Output format: text or json.")
	f.StringVar(&o.failOn, "fail-on", o.failOn, "The least severity of a finding for which the exit code is 1: critical, high or medium.")
	f.StringVar(&o.ignoreFile, "ignore-file", o.ignoreFile, "File of ignores. If it is not given, "+lint.IgnoreFile+" in the working directory, if that is there.")
	complete(cmd, "output", "text", "json")
	complete(cmd, "fail-on", string(guard.Critical), string(guard.High), string(guard.Medium))
	return cmd
}

func (e *env) lint(ctx context.Context, o lintOptions, args []string) error {
	bar, err := o.validate(args)
	if err != nil {
		return err
	}
	ignores, err := o.ignores()
	if err != nil {
		return unreadError{err}
	}
	schema, err := manifest.NewSchema(crd.AutoscalingPolicies(), v1alpha1.GroupVersion.Version)
	if err != nil {
		return err
	}
	options := lint.Options{Namespace: *e.flags.Namespace, Schema: schema}
	if options.Namespace == "" {
		options.Namespace = metav1.NamespaceDefault
	}
	var result *lint.Result
	switch {
	case o.live:
		result, err = e.lintLive(ctx, o, ignores, options)
	case o.diff:
		old := lint.Read(args[:1], e.In)
		result, err = lint.Lint(lint.Read(args[1:], e.In), old, ignores, options)
	default:
		result, err = lint.Lint(lint.Read(args, e.In), nil, ignores, options)
	}
	if err != nil {
		return unreadError{err}
	}
	return e.tell(result, o, bar)
}

// tell prints a result, and says by its error how the command is to end.
func (e *env) tell(r *lint.Result, o lintOptions, bar guard.Severity) error {
	if o.output == "json" {
		if err := r.JSON(e.Out); err != nil {
			return err
		}
	} else {
		r.Text(e.Out)
	}
	for _, text := range r.Errors {
		fmt.Fprintf(e.ErrOut, "error: %s\n", oneLine(text))
	}
	switch {
	case len(r.Errors) > 0:
		return unreadError{errTold}
	case !o.live && r.Summary.Objects == 0:
		return unreadError{errors.New("there is no Kubernetes object in what was given, so that nothing was looked at")}
	case r.Worst(bar):
		return errTold
	}
	return nil
}

func (o lintOptions) validate(args []string) (guard.Severity, error) {
	bar, err := guard.ParseSeverity(o.failOn)
	switch {
	case err != nil:
		return "", usagef("--fail-on: %s", err)
	case o.output != "text" && o.output != "json":
		return "", usagef("-o %s: must be text or json", o.output)
	case o.live && (len(args) > 0 || o.diff):
		return "", usagef("--live reads the cluster: give no PATH and no --diff with it")
	case o.allNamespaces && !o.live:
		return "", usagef("-A is for --live: files say their namespaces")
	case o.diff && len(args) != 2:
		return "", usagef("--diff compares two paths: give OLD and NEW")
	case !o.live && len(args) == 0:
		return "", usagef("give a PATH, or - for the standard input, or --live")
	}
	stdins := 0
	for _, a := range args {
		if a == "-" {
			stdins++
		}
	}
	if stdins > 1 {
		return "", usagef("-: the standard input can be read once")
	}
	return bar, nil
}

// ignores reads the file of ignores; that it is not there is an error only if somebody
// named it.
func (o lintOptions) ignores() ([]lint.Ignore, error) {
	name := o.ignoreFile
	if name == "" {
		name = lint.IgnoreFile
	}
	f, err := os.Open(name)
	if errors.Is(err, fs.ErrNotExist) && o.ignoreFile == "" {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return lint.ReadIgnores(name, f)
}
