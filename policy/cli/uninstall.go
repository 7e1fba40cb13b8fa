package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
)

type uninstallOptions struct {
	keepCRD bool
	atOnce  bool
	yes     bool
	dryRun  bool
	timeout time.Duration
	// limit is for how long minimums are lowered.
	limit time.Duration
}

func newUninstall(e *env) *cobra.Command {
	o := uninstallOptions{timeout: 2 * time.Minute, limit: time.Hour}
	cmd := &cobra.Command{
		Use:   "uninstall",
		Short: "Take loadline-policy and the policies out of the cluster, and leave their HPAs.",
		Long: "Take loadline-policy and the policies out of the cluster, and leave their HPAs.\n\n" +
			"Whoever deletes the CRD deletes the policies, and with them the HPAs that they own. This command stops\n" +
			"loadline-policy first, lets every HPA go, and then deletes the CRD, which takes no HPA along. An HPA keeps\n" +
			"its spec, with the policy's own minimum in place of what held it higher. That comes down in the steps of\n" +
			"the HPA's scaleDown behavior, of all HPAs side by side, once its metrics were good for a window, and takes\n" +
			"minutes. With --now it takes one write, and targets may lose most of their pods at once; an HPA whose\n" +
			"metrics cannot be read then keeps the minimum that it has, and the command that lowers it is printed.\n\n" +
			"The adapter stays, and serves its metrics on, but for the queries of policies: these go with the CRD. An HPA\n" +
			"keeps its size without them, and one with other metrics, too, only scales out; the plan names each.\n\n" +
			"It can be interrupted and called again: it goes on where it was.",
		Example: "  kubectl loadline uninstall --dry-run\n  kubectl loadline uninstall --yes\n  kubectl loadline uninstall --now",
		Args: func(cmd *cobra.Command, args []string) error {
			if o.limit <= 0 || o.timeout <= 0 {
				return usagef("--timeout and --release-timeout must be more than 0")
			}
			return cobra.NoArgs(cmd, args)
		},
		RunE: runE(func(cmd *cobra.Command, _ []string) error { return e.uninstall(cmd.Context(), o) }),
	}
	fs := cmd.Flags()
	fs.BoolVar(&o.keepCRD, "keep-crd", o.keepCRD, "Leave the CRD and the policies. Installed again, loadline-policy takes an HPA over only if that has the annotation loadline.dev/adopt.")
	fs.BoolVarP(&o.yes, "yes", "y", o.yes, "Do not ask.")
	fs.BoolVar(&o.dryRun, "dry-run", o.dryRun, "Print what would be done, and do nothing.")
	fs.BoolVar(&o.atOnce, "now", o.atOnce, "Take floors away at once instead of step by step: a target's size may fall to what its metrics ask for in one sync of the HPA controller.")
	fs.DurationVar(&o.limit, "release-timeout", o.limit, "How long to go on taking minimums down step by step. What is left then stays as it is, and so does the CRD.")
	fs.DurationVar(&o.timeout, "timeout", o.timeout, "How long to wait for what was deleted to be gone.")
	return cmd
}

func (e *env) uninstall(ctx context.Context, o uninstallOptions) error {
	c, err := e.cluster()
	if err != nil {
		return err
	}
	u := uninstaller{cluster: c, timeout: o.timeout, now: e.now}
	found, err := u.read(ctx)
	if err != nil {
		return err
	}
	options := func() planOptions { return planOptions{keepCRD: o.keepCRD, atOnce: o.atOnce, now: e.now()} }
	plan := planUninstall(found, options())
	if len(plan) == 0 {
		fmt.Fprintln(e.Out, "There is nothing of Loadline's policies in the cluster.")
		return nil
	}
	if n := cliffs(found, e.now()); o.atOnce && n > 0 {
		fmt.Fprintf(e.ErrOut, "warning: --now takes the floors of %d HPAs away at once: their targets may lose most of their pods in one sync, more than the load can bear\n", n)
	}
	if o.dryRun || !o.yes {
		for _, p := range plan {
			p.print(e.Out)
		}
	}
	if o.dryRun {
		return nil
	}
	if !o.yes && !confirm(e.In, e.Out) {
		return errors.New("nothing was done")
	}
	again := func(ctx context.Context) ([]phase, error) {
		found, err := u.read(ctx)
		return planUninstall(found, options()), err
	}
	if err := carryOut(ctx, again, func(ctx context.Context, p phase) error {
		if p.name == releasePhase {
			return u.departures(e.Out, o).run(ctx)
		}
		return inTurn(ctx, e.Out, p, u.do)
	}); err != nil {
		return cause(ctx, err)
	}
	fmt.Fprintln(e.Out, "Loadline's policies are out of the cluster.")
	return nil
}

// confirm asks. An end of the input is a no.
func confirm(in io.Reader, out io.Writer) bool {
	fmt.Fprint(out, "Do this? [y/N] ")
	answer, _ := bufio.NewReader(in).ReadString('\n')
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes":
		return true
	}
	return false
}

// carryOut carries out one phase after the other. Before each the plan is made anew, so
// that a phase begins from what there is, and only if those before it are through.
func carryOut(ctx context.Context, plan func(context.Context) ([]phase, error), do func(context.Context, phase) error) error {
	done := map[string]bool{}
	for {
		left, err := plan(ctx)
		if err != nil {
			return err
		}
		if len(left) == 0 {
			return nil
		}
		next := left[0]
		if done[next.name] {
			return fmt.Errorf("there is something to %s again. What makes it, such as a GitOps tool, comes first: take Loadline out there, then call this again", next.steps[0])
		}
		done[next.name] = true
		if err := do(ctx, next); err != nil {
			return err
		}
	}
}

// inTurn carries out the steps of a phase one after the other.
func inTurn(ctx context.Context, to io.Writer, p phase, do func(context.Context, step) error) error {
	for _, s := range p.steps {
		fmt.Fprintln(to, s)
		if err := do(ctx, s); err != nil {
			return fmt.Errorf("%s: %w", s, err)
		}
	}
	return nil
}

// departures lets go of all HPAs.
func (u *uninstaller) departures(out io.Writer, o uninstallOptions) *departures {
	return &departures{
		left: u.ours, apply: u.apply,
		free: func(ctx context.Context, h *autoscalingv2.HorizontalPodAutoscaler) error {
			return u.free(ctx, h, o.atOnce)
		},
		atOnce: o.atOnce, limit: o.limit, now: u.now, out: out,
	}
}
