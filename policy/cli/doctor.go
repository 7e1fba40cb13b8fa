package cli

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/loadline/loadline/policy/doctor"
)

// doctorTimeout bounds all that doctor reads; readTimeout is that of each request.
const doctorTimeout = 15 * time.Second

func newDoctor(e *env) *cobra.Command {
	output := ""
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Look whether the cluster has what HorizontalPodAutoscalers need.",
		Long: "Look whether the cluster has what HorizontalPodAutoscalers need, with or without policies: the aggregation layer,\n" +
			"the metrics APIs and who serves them, whether the HPA controller runs and what it may, feature gates, clocks, the\n" +
			"adapter and loadline-policy, rules that match nothing, HPAs that ask for what nobody serves. docs/reference/doctor.md\n" +
			"has each check, and by which rights it looks. HPAs and workloads are those of all namespaces, or of that of -n.\n\n" +
			"A line for each check: ok, warn, fail or unknown, the check's name, and what was seen; below it what to do. A check\n" +
			"that cannot look is unknown, with the reason and the right that is missing; the others go on. It changes nothing,\n" +
			"reads no Secrets, and takes 15 s at most, 5 s for each request. HPAs that KEDA or another controller makes are\n" +
			"theirs: what these ask for is no fault.\n\n" +
			"With -o json or yaml the fields are those of Report in policy/doctor; fields are only ever added.\n\n" +
			"Exit codes: 0 all is well, or there are only warnings; 1 a check failed; 2 none failed, and one is unknown, or the\n" +
			"API server could not be reached.",
		Example: "  kubectl loadline doctor\n" +
			"  kubectl loadline doctor -n shop\n" +
			"  kubectl loadline doctor -o json | jq -r '.checks[] | select(.state == \"fail\") | .id + \": \" + .seen'",
		Args: cobra.NoArgs,
		RunE: runE(func(cmd *cobra.Command, _ []string) error { return e.doctor(cmd.Context(), output) }),
	}
	cmd.Flags().StringVarP(&output, "output", "o", output, "Output format: yaml or json; text if it is left out.")
	complete(cmd, "output", "yaml", "json")
	return cmd
}

func (e *env) doctor(ctx context.Context, output string) error {
	if output != "" && output != "yaml" && output != "json" {
		return usagef("-o %s: must be yaml or json", output)
	}
	c, err := e.cluster()
	if err != nil {
		return unreadError{err}
	}
	ctx, cancel := context.WithTimeout(ctx, doctorTimeout)
	defer cancel()
	s, err := c.examine(ctx, *e.flags.Namespace, e.now)
	if err != nil {
		return unreadError{err}
	}
	r := doctor.Check(s)
	if output != "" {
		err = printData(e.Out, output, r)
	} else {
		err = r.Text(e.Out)
	}
	switch {
	case err != nil:
		return err
	case r.Summary.Fail > 0:
		return errTold
	case r.Summary.Unknown > 0:
		return unreadError{errTold}
	}
	return nil
}
