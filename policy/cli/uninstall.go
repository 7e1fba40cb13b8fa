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
)

type uninstallOptions struct {
	keepCRD bool
	yes     bool
	dryRun  bool
	timeout time.Duration
}

func newUninstall(e *env) *cobra.Command {
	o := uninstallOptions{timeout: 2 * time.Minute}
	cmd := &cobra.Command{
		Use:   "uninstall",
		Short: "Take loadline-policy and the policies out of the cluster, and leave their HPAs.",
		Long: "Take loadline-policy and the policies out of the cluster, and leave their HPAs.\n\n" +
			"Whoever deletes the CRD deletes the policies, and with them the HPAs that they own. This command stops\n" +
			"loadline-policy first, lets every HPA go, and then deletes the CRD, which takes no HPA along. An HPA keeps\n" +
			"its spec, with the policy's own minimum in place of what held it higher; while its metrics cannot be read\n" +
			"it keeps the minimum that it has, and the command that lowers it is printed.\n\n" +
			"The adapter stays. Without it, HPAs on its metrics keep their size, with ScalingActive false.\n\n" +
			"It can be interrupted and called again.",
		Example: "  kubectl loadline uninstall --dry-run\n  kubectl loadline uninstall --yes",
		Args:    cobra.NoArgs,
		RunE:    runE(func(cmd *cobra.Command, _ []string) error { return e.uninstall(cmd.Context(), o) }),
	}
	fs := cmd.Flags()
	fs.BoolVar(&o.keepCRD, "keep-crd", o.keepCRD, "Leave the CRD and the policies. Installed again, loadline-policy takes an HPA over only if that has the annotation loadline.dev/adopt.")
	fs.BoolVarP(&o.yes, "yes", "y", o.yes, "Do not ask.")
	fs.BoolVar(&o.dryRun, "dry-run", o.dryRun, "Print what would be done, and do nothing.")
	fs.DurationVar(&o.timeout, "timeout", o.timeout, "How long to wait for what was deleted to be gone.")
	return cmd
}

func (e *env) uninstall(ctx context.Context, o uninstallOptions) error {
	c, err := e.cluster()
	if err != nil {
		return err
	}
	u := uninstaller{cluster: c, timeout: o.timeout}
	plan, err := u.plan(ctx, o.keepCRD)
	if err != nil {
		return err
	}
	if len(plan) == 0 {
		fmt.Fprintln(e.Out, "There is nothing of Loadline's policies in the cluster.")
		return nil
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
	again := func(ctx context.Context) ([]phase, error) { return u.plan(ctx, o.keepCRD) }
	if err := carryOut(ctx, e.Out, again, u.do); err != nil {
		return err
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
func carryOut(ctx context.Context, to io.Writer, plan func(context.Context) ([]phase, error), do func(context.Context, step) error) error {
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
		for _, s := range next.steps {
			fmt.Fprintln(to, s)
			if err := do(ctx, s); err != nil {
				return fmt.Errorf("%s: %w", s, err)
			}
		}
	}
}

// plan reads the cluster and decides what is left to do.
func (u *uninstaller) plan(ctx context.Context, keepCRD bool) ([]phase, error) {
	found, err := u.read(ctx)
	if err != nil {
		return nil, err
	}
	return planUninstall(found, keepCRD), nil
}
