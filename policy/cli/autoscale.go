package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericclioptions"

	"github.com/loadline/loadline/policy/api/v1alpha1"
	"github.com/loadline/loadline/policy/convert"
)

type autoscaleOptions struct {
	convert.Options
	min int32
	inputFlags
	kustomize string
	fromHPA   string
	applyOptions
}

func newAutoscale(e *env) *cobra.Command {
	o := &autoscaleOptions{min: -1, applyOptions: applyOptions{print: genericclioptions.NewPrintFlags("serverside-applied"), manager: "kubectl-loadline", dryRun: dryRunNone}}
	o.Max = -1
	o.CPUPercent = -1
	cmd := &cobra.Command{
		Use:   "autoscale (TYPE NAME | TYPE/NAME | -f FILE | -k DIR | --from-hpa NAME) --max=MAXPODS",
		Short: "Make an AutoscalingPolicy of flags, as kubectl autoscale makes an HPA, or of an HPA.",
		Long: "Make an AutoscalingPolicy of flags, as kubectl autoscale makes an HPA, or of an existing HPA of\n" +
			"autoscaling/v1 or v2. It is printed; with --apply it is applied, server-side.\n\n" +
			"The flags that kubectl autoscale has mean the same here, but for --min: if it is not given it is 2. The\n" +
			"built-in kinds are known without a cluster; others are looked up in it.",
		Example: "  kubectl loadline autoscale deployment/web --requests-per-pod 50 --min 2 --max 6\n" +
			"  kubectl loadline autoscale deployment worker --queue reminders --queue-per-pod 100 --max 20 --apply\n" +
			"  kubectl loadline autoscale rc/kubia --cpu-percent=30 --min=1 --max=5\n" +
			"  kubectl loadline autoscale --from-hpa web > policy.yaml\n" +
			"  kubectl get hpa -o yaml | kubectl loadline autoscale -f -",
		ValidArgsFunction: e.completeTargets,
		RunE: runE(func(cmd *cobra.Command, args []string) error {
			if err := emptyFlag(cmd); err != nil {
				return err
			}
			e.tellIgnored(cmd)
			if cmd.Flags().Changed("min") {
				o.Min = &o.min
			}
			return e.autoscale(cmd.Context(), o, args, flagsOfTargets(cmd))
		}),
	}
	fs := cmd.Flags()
	fs.Int32Var(&o.min, "min", o.min, "The lower limit for the number of pods. If it is not given or negative: 2, or the upper limit if that is less.")
	fs.Int32Var(&o.Max, "max", o.Max, "The upper limit for the number of pods. Required.")
	fs.StringVar(&o.RequestsPerPod, "requests-per-pod", "", "Target: requests a second for each pod.")
	fs.StringVar(&o.Queue, "queue", "", "Target: the queue of this name, see --queue-per-pod.")
	fs.StringVar(&o.QueuePerPod, "queue-per-pod", "", "Waiting items of the queue for each pod.")
	fs.StringVar(&o.CPU, "cpu", "", `Target: CPU for each pod. 70% is a share of what is requested, 500m or 500 an amount.`)
	fs.StringVar(&o.Memory, "memory", "", `Target: memory for each pod. 70% is a share of what is requested, 200Mi or 200 an amount.`)
	fs.Int32Var(&o.CPUPercent, "cpu-percent", o.CPUPercent, "Target: CPU as a percentage of what is requested. The same as --cpu with a %.")
	fs.StringVar(&o.Profile, "profile", "", "How fast the size follows: Steady, Balanced or Responsive.")
	fs.StringVar(&o.Name, "name", "", "The name of the policy, and so of its HPA. If it is not given, the target's.")
	o.inputFlags.addFlags(fs, "File with what to autoscale, or with HPAs to make policies of.")
	fs.StringVarP(&o.kustomize, "kustomize", "k", "", "Directory of a kustomization with what to autoscale, or with HPAs to make policies of.")
	fs.StringVar(&o.fromHPA, "from-hpa", "", "The name of an HPA in the cluster to make a policy of.")
	o.applyOptions.addFlags(cmd)
	addIgnored(fs)
	complete(cmd, "profile", string(v1alpha1.Steady), string(v1alpha1.Balanced), string(v1alpha1.Responsive))
	return cmd
}

// flagsOfTargets returns those of the given flags that say how to scale.
func flagsOfTargets(cmd *cobra.Command) []string {
	var given []string
	for _, name := range []string{"min", "max", "requests-per-pod", "queue", "queue-per-pod", "cpu", "memory", "cpu-percent", "profile", "name"} {
		if cmd.Flags().Changed(name) {
			given = append(given, "--"+name)
		}
	}
	return given
}

// emptyFlag refuses a flag that is given without a value, as $QUEUE is that was never set:
// to go on as if it were not given would scale by something else.
func emptyFlag(cmd *cobra.Command) error {
	for _, name := range []string{"requests-per-pod", "queue", "queue-per-pod", "cpu", "memory", "profile", "name", "kustomize", "from-hpa"} {
		if f := cmd.Flags().Lookup(name); f.Changed && strings.TrimSpace(f.Value.String()) == "" {
			return usagef("--%s: it is empty: give a value, or leave it out", name)
		}
	}
	return nil
}

func (e *env) autoscale(ctx context.Context, o *autoscaleOptions, args, given []string) error {
	if err := o.applyOptions.validate(); err != nil {
		return err
	}
	all, err := e.drafts(ctx, o, args)
	if err != nil {
		return err
	}
	if fromHPA := slices.ContainsFunc(all, func(d draft) bool { return d.hpa != "" }); fromHPA && len(given) > 0 {
		return usagef("%s: an HPA says that itself: change the policy that is made of it", strings.Join(given, ", "))
	}
	if len(all) > 1 && o.Name != "" {
		return usagef("--name %s: there are %d targets, and each policy needs a name of its own", o.Name, len(all))
	}
	var found []finding
	var policies []*v1alpha1.AutoscalingPolicy
	among, namespaces := neighbours{}, checker{namespace: *e.flags.Namespace}
	for _, m := range all {
		if m.policy != nil {
			m.problems = append(m.problems, among.add(m.document, namespaces.orDefault(m.policy.Namespace), m.policy, m.rename())...)
		}
		found = append(found, m.findings()...)
		policies = append(policies, m.policy)
	}
	report(e.ErrOut, found, nil)
	if failed(found) {
		if slices.ContainsFunc(found, finding.aboutFlag) {
			return usageError{"nothing was made"}
		}
		return errTold
	}
	if err := e.printOrApply(ctx, o.applyOptions, policies); err != nil {
		return err
	}
	for _, m := range all {
		if m.hpa != "" {
			fmt.Fprintln(e.ErrOut, m.note())
		}
	}
	return nil
}
