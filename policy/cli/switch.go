package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/loadline/loadline/policy/api/v1alpha1"
	"github.com/loadline/loadline/policy/decide"
	"github.com/loadline/loadline/policy/handoff"
	"github.com/loadline/loadline/policy/owner"
)

// fieldManager is the name under which commands write to policies.
const fieldManager = "kubectl-loadline"

type switchOptions struct {
	dryRun, wait bool
	timeout      time.Duration
}

func newSwitch(e *env) *cobra.Command {
	o := switchOptions{wait: true, timeout: 30 * time.Minute}
	cmd := &cobra.Command{
		Use:   "switch POLICY [WORKLOAD]",
		Short: "Move the Service of a policy with blueGreen to its other workload, or back.",
		Long: "Ask for a switch of the Service of a policy with spec.blueGreen in mode Managed: to the workload that is named or,\n" +
			"without a name, to the one that does not serve; while a switch is under way, to the other one than was asked for\n" +
			"last. Loadline brings that one to the size of what serves and more, waits until its pods serve, holds the HPA's\n" +
			"minimum, changes the Service's selector, and moves the HPA.\n\n" +
			"The command only sets spec.blueGreen.active, for which you need the rights that the switch takes: patch on the\n" +
			"Service, update on the scales of both workloads. It prints the phases, and ends when the Service and the HPA have\n" +
			"moved, with exit code 1 if the switch was given up. To ask for the workload that served before takes the switch\n" +
			"back, in any phase, and ends when that one serves. Which way it goes is said on stderr.",
		Example: "  kubectl loadline switch web\n" +
			"  kubectl loadline switch web web-blue\n" +
			"  kubectl loadline switch web --dry-run",
		Args:              cobra.RangeArgs(1, 2),
		ValidArgsFunction: e.completePolicies,
		RunE: runE(func(cmd *cobra.Command, args []string) error {
			to := ""
			if len(args) == 2 {
				to = args[1]
			}
			return e.switchTo(cmd.Context(), o, args[0], to)
		}),
	}
	fs := cmd.Flags()
	fs.BoolVar(&o.dryRun, "dry-run", o.dryRun, "Print what would be done, as far as what you may read tells, and ask the API server whether you may, without storing anything. The exit code is 1 if the switch would be given up at once.")
	fs.BoolVar(&o.wait, "wait", o.wait, "Wait until the Service and the HPA have moved, and print the phases.")
	fs.DurationVar(&o.timeout, "timeout", o.timeout, "How long to wait. The switch goes on when the command has ended.")
	return cmd
}

func (e *env) switchTo(ctx context.Context, o switchOptions, name, to string) error {
	c, err := e.cluster()
	if err != nil {
		return err
	}
	read, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	u, err := c.client.Resource(policiesResource()).Namespace(c.namespace).Get(read, name, metav1.GetOptions{})
	if err != nil {
		return explain(err, policiesResource())
	}
	writer := owner.Continuing(u.GetManagedFields(), fieldManager, "spec", "blueGreen", "active")
	p, err := typed[v1alpha1.AutoscalingPolicy](u)
	if err != nil {
		return err
	}
	to, err = switchTarget(p, to)
	if err != nil {
		return err
	}
	if writer != "" {
		return fmt.Errorf("%s writes spec.blueGreen.active of %s, and would undo it: set it to %s there", writer, name, to)
	}
	patch, request, err := switchPatch(p, to, e.now())
	if err != nil {
		return err
	}
	options := metav1.PatchOptions{FieldManager: fieldManager}
	if o.dryRun {
		options.DryRun = []string{metav1.DryRunAll}
	}
	write, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	if _, err := c.client.Resource(policiesResource()).Namespace(c.namespace).Patch(write, name, types.MergePatchType, patch, options); err != nil {
		return explain(err, policiesResource())
	}
	if o.dryRun {
		return e.rehearse(ctx, c, p, to)
	}
	fmt.Fprintln(e.ErrOut, way(p, to))
	if !o.wait {
		fmt.Fprintf(e.Out, "Asked for %s.\n", to)
		return nil
	}
	ctx, cancel = context.WithTimeout(ctx, o.timeout)
	defer cancel()
	return e.watchSwitch(ctx, c, scope{namespace: c.namespace, name: name}, to, request)
}

// switchTarget is the workload to switch to, by name or, without one, the other one: than
// was asked for while a switch is under way, than serves otherwise.
func switchTarget(p *v1alpha1.AutoscalingPolicy, to string) (string, error) {
	b := p.Spec.BlueGreen
	if b == nil {
		return "", fmt.Errorf("the policy %s has no spec.blueGreen", p.Name)
	}
	first, other := p.Spec.TargetRef.Name, b.OtherRef.Name
	if to != "" && to != first && to != other {
		return "", usagef("%s is neither of the two workloads: give %s or %s", to, first, other)
	}
	if to == "" {
		last := p.Scaled().Name
		if w := p.Status.BlueGreen.Managing(); w != nil {
			last = cmp.Or(b.Active, w.To)
		}
		to = first
		if last == first {
			to = other
		}
	}
	if b.Mode != v1alpha1.Managed {
		return "", fmt.Errorf("the mode of the policy %s is Observed: change the selector of the Service %s to the labels of the pods of %s, and the HPA goes along; or set spec.blueGreen.mode to Managed",
			p.Name, b.Service, to)
	}
	return to, nil
}

// way says which way the Service goes when a workload is asked for.
func way(p *v1alpha1.AutoscalingPolicy, to string) string {
	service, w := p.Spec.BlueGreen.Service, p.Status.BlueGreen.Managing()
	switch serving := p.Scaled().Name; {
	case w != nil && to == w.From:
		return fmt.Sprintf("The switch of the Service %s to %s (%s) is taken back: %s is to serve.", service, w.To, w.Phase, to)
	case w != nil && p.Spec.BlueGreen.Active == w.From:
		return fmt.Sprintf("The Service %s is to go to %s after all.", service, to)
	case w != nil:
		return fmt.Sprintf("The switch of the Service %s to %s goes on (%s).", service, to, w.Phase)
	case to == serving:
		return fmt.Sprintf("The Service %s stays with %s.", service, to)
	default:
		return fmt.Sprintf("The Service %s is to go from %s to %s.", service, serving, to)
	}
}

// asking is a policy that asks for a workload. What was asked for before, and given up or
// undone by somebody, is asked for anew: with the stamp that it returns.
func asking(p *v1alpha1.AutoscalingPolicy, to string, now time.Time) (asked *v1alpha1.AutoscalingPolicy, stamp string) {
	asked = p.DeepCopy()
	asked.Spec.BlueGreen.Active = to
	if p.Spec.BlueGreen.Active == to && p.Scaled().Name != to {
		stamp = now.UTC().Format(time.RFC3339Nano)
		metav1.SetMetaDataAnnotation(&asked.ObjectMeta, handoff.RequestAnnotation, stamp)
	}
	return asked, stamp
}

// switchPatch asks for a workload, and returns what the status calls that request.
func switchPatch(p *v1alpha1.AutoscalingPolicy, to string, now time.Time) (patch []byte, request string, err error) {
	body := map[string]any{"spec": map[string]any{"blueGreen": map[string]any{"active": to}}}
	asked, stamp := asking(p, to, now)
	if stamp != "" {
		body["metadata"] = map[string]any{"annotations": map[string]string{handoff.RequestAnnotation: stamp}}
	}
	patch, err = json.Marshal(body)
	return patch, handoff.Request(asked), err
}

// watchSwitch prints the phases until a workload serves and the HPA scales it.
func (e *env) watchSwitch(ctx context.Context, c *cluster, s scope, to, request string) error {
	changed, trouble := make(chan struct{}, 1), &trouble{to: c.said}
	policies, reader := follow[v1alpha1.AutoscalingPolicy](c, policiesResource(), s, changed, trouble)
	stop, synced := read(ctx, reader)
	defer stop()
	last := ""
	for synced {
		p := first(held[v1alpha1.AutoscalingPolicy](policies))
		if p == nil {
			return fmt.Errorf("the %s %s is gone", v1alpha1.Kind, s.name)
		}
		text := ""
		if cond := meta.FindStatusCondition(p.Status.Conditions, v1alpha1.Switching); cond != nil {
			text = fmt.Sprintf("%s: %s", cond.Reason, cond.Message)
		}
		if text != "" && text != last {
			fmt.Fprintf(e.Out, "%s  %s\n", e.now().Format("15:04:05"), text)
			last = text
		}
		if done, err := switchOver(p, to, request); done {
			return err
		}
		if !waitFor(ctx, changed) {
			break
		}
	}
	return fmt.Errorf("not seen to its end: the switch goes on; kubectl loadline rollout status %s -w", s.name)
}

// switchOver says whether the switch to a workload is over, and how it ended.
func switchOver(p *v1alpha1.AutoscalingPolicy, to, request string) (bool, error) {
	b := p.Status.BlueGreen
	switch {
	case p.Spec.BlueGreen == nil:
		return true, fmt.Errorf("the policy %s has no spec.blueGreen any more", p.Name)
	case b == nil:
		return false, nil
	case b.Serving == to && b.Switch != nil && b.Switch.From == to && b.Switch.Phase == v1alpha1.Aborted:
		return true, nil // it never went away, or was taken back
	case b.Serving == to && b.Doubt == "":
		// The status says first what the HPA is about to scale, and the condition what it does.
		c := meta.FindStatusCondition(p.Status.Conditions, v1alpha1.Switching)
		return c != nil && slices.Contains([]string{decide.NoSwitch, string(v1alpha1.Soaking), string(v1alpha1.Retiring), string(v1alpha1.Complete)}, c.Reason), nil
	case b.Switch != nil && b.Switch.To == to && b.Switch.Phase == v1alpha1.Aborted && b.Handled == request:
		return true, errTold // the last line says why
	case b.Switch != nil && b.Switch.Phase.Over() && b.Handled == handoff.Request(p) && b.Handled != request:
		return true, fmt.Errorf("%s was asked for meanwhile", cmp.Or(p.Spec.BlueGreen.Active, "nothing"))
	}
	return false, nil
}
