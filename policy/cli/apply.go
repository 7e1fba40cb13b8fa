package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/printers"

	"github.com/loadline/loadline/policy/api/v1alpha1"
)

// The values of --dry-run.
const (
	dryRunNone   = "none"
	dryRunClient = "client"
	dryRunServer = "server"
)

// applyOptions say what becomes of a policy that was made.
type applyOptions struct {
	print   *genericclioptions.PrintFlags
	apply   bool
	dryRun  string
	manager string
}

func (o *applyOptions) addFlags(cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.BoolVar(&o.apply, "apply", o.apply, "Apply the policy, server-side, instead of printing it.")
	fs.StringVar(&o.dryRun, "dry-run", o.dryRun, "none, client, which sends nothing, or server, which has the API server check the policy and not store it.")
	fs.Lookup("dry-run").NoOptDefVal = dryRunClient // as kubectl takes it without a value
	fs.StringVar(&o.manager, "field-manager", o.manager, "The name under which the fields of an applied policy are owned.")
	o.print.AddFlags(cmd)
	complete(cmd, "dry-run", dryRunNone, dryRunClient, dryRunServer)
}

func (o *applyOptions) validate() error {
	switch o.dryRun {
	case dryRunNone, dryRunClient, dryRunServer:
		return nil
	}
	return usagef("--dry-run=%s: must be none, client or server", o.dryRun)
}

// printer prints what was applied by its name and, unless it is applied, all of it as
// YAML, if nothing else is asked for.
func (o *applyOptions) printer() (printers.ResourcePrinter, error) {
	if !o.apply && *o.print.OutputFormat == "" {
		*o.print.OutputFormat = "yaml"
	}
	if o.dryRun != dryRunNone {
		words := map[string]string{dryRunClient: "%s (dry run)", dryRunServer: "%s (server dry run)"}
		if err := o.print.Complete(words[o.dryRun]); err != nil {
			return nil, err
		}
	}
	p, err := o.print.ToPrinter()
	if err != nil {
		return nil, usageError{err.Error()}
	}
	return p, nil
}

func (e *env) printOrApply(ctx context.Context, o applyOptions, policies []*v1alpha1.AutoscalingPolicy) error {
	printer, err := o.printer()
	if err != nil {
		return err
	}
	var c *cluster
	if o.dryRun == dryRunServer || o.apply && o.dryRun == dryRunNone {
		if c, err = e.cluster(); err != nil {
			return err
		}
	}
	for _, p := range policies {
		object, err := withoutStatus(p)
		if err != nil {
			return err
		}
		if c != nil {
			if object, err = c.apply(ctx, object, o); err != nil {
				return err
			}
		}
		if err := printer.PrintObj(object, e.Out); err != nil {
			return err
		}
	}
	return nil
}

// apply applies a policy server-side, and returns it as it is then.
func (c *cluster) apply(ctx context.Context, object *unstructured.Unstructured, o applyOptions) (*unstructured.Unstructured, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	namespace := object.GetNamespace()
	if namespace == "" {
		namespace = c.namespace
	}
	options := metav1.ApplyOptions{FieldManager: o.manager}
	if o.dryRun == dryRunServer {
		options.DryRun = []string{metav1.DryRunAll}
	}
	applied, err := c.client.Resource(policiesResource()).Namespace(namespace).Apply(ctx, object.GetName(), object, options)
	if apierrors.IsConflict(err) {
		return nil, fmt.Errorf("%w\nThe policy is written by somebody else: print it without --apply and change it there", err)
	}
	if err != nil {
		return nil, explain(err, policiesResource())
	}
	return applied, nil
}
