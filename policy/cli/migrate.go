package cli

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/loadline/loadline/policy/migrate"
	"github.com/loadline/loadline/provider/rule"
)

func newMigrate(e *env) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "migrate",
		Short: "Say what becomes of a prometheus-adapter configuration, or of HorizontalPodAutoscalers.",
		Args:  cobra.NoArgs,
		Run:   func(cmd *cobra.Command, _ []string) { _ = cmd.Help() },
	}
	cmd.AddCommand(newMigrateConfig(e), newMigrateHPA(e))
	return cmd
}

func newMigrateConfig(e *env) *cobra.Command {
	output := ""
	cmd := &cobra.Command{
		Use:   "config (FILE | -)",
		Short: "Check a configuration of prometheus-adapter, and say what becomes of each rule.",
		Long: "Check a configuration of prometheus-adapter, or of loadline-adapter, and print it with what becomes of each rule in\n" +
			"comments above it: which metrics it serves for which objects; whether one query answers all its reads, which the\n" +
			"syntax tree of its query has to prove, or why not; and the differences from prometheus-adapter, on purpose, that\n" +
			"concern this rule. The file's own text and comments stay as they are; comments of an earlier call are replaced.\n\n" +
			"FILE is the configuration, or a ConfigMap that has it as config.yaml; - is the standard input. No cluster is asked:\n" +
			"which series there are, and so whether a rule finds any, is not known (kubectl loadline doctor says that).\n\n" +
			"All mistakes of the file are said at once, as FILE:LINE: error: FIELD: MESSAGE; then nothing is printed. What has no\n" +
			"effect is a warning.\n\n" +
			"With -o json or yaml the fields are those of Config in policy/migrate; fields are only ever added.\n\n" +
			"Exit codes: 0 loadline-adapter takes the file; 1 it does not, or it could not be read.",
		Example: "  kubectl loadline migrate config config.yaml > annotated.yaml\n" +
			"  kubectl -n monitoring get configmap adapter-config -o yaml | kubectl loadline migrate config -\n" +
			"  kubectl loadline migrate config config.yaml -o json | jq -r '.rules[] | .id + \": \" + (.reads[] | select(.shared | not).alone)'",
		Args: cobra.ExactArgs(1),
		RunE: runE(func(_ *cobra.Command, args []string) error { return e.migrateConfig(output, args[0]) }),
	}
	cmd.Flags().StringVarP(&output, "output", "o", output, "Output format: yaml or json, a report; if it is left out, the file with comments.")
	complete(cmd, "output", "yaml", "json")
	return cmd
}

func (e *env) migrateConfig(output, file string) error {
	if output != "" && output != "yaml" && output != "json" {
		return usagef("-o %s: must be yaml or json", output)
	}
	data, name, err := e.bytesOf(file)
	if err != nil {
		return err
	}
	c, err := migrate.ReadConfig(name, data)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	for _, w := range c.Warnings {
		fmt.Fprintf(e.ErrOut, "warning: %s: %s\n", name, oneLine(w))
	}
	for _, p := range c.Errors {
		fmt.Fprintln(e.ErrOut, placed(name, p))
	}
	switch {
	case output != "":
		err = printData(e.Out, output, c)
	case !c.Failed():
		_, err = io.WriteString(e.Out, c.Annotated())
	}
	if err == nil && c.Failed() {
		return errTold
	}
	return err
}

// placed is a problem as editors understand it.
func placed(file string, p migrate.Problem) string {
	text := oneLine(p.Text)
	if p.Path != "" {
		text = p.Path + ": " + text
	}
	if p.Line == 0 {
		return fmt.Sprintf("%s: error: %s", file, text)
	}
	return fmt.Sprintf("%s:%d: error: %s", file, p.Line, text)
}

// bytesOf reads a file, or the standard input, and returns how messages name it.
func (e *env) bytesOf(file string) ([]byte, string, error) {
	in, name := e.In, stdin
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return nil, "", err
		}
		defer f.Close()
		in, name = f, file
	}
	// The manifest around a configuration is longer than it.
	const most = 2 * rule.MaxBytes
	data, err := io.ReadAll(io.LimitReader(in, most+1))
	if err == nil && len(data) > most {
		err = errors.New("it has more bytes than a configuration may have")
	}
	if err != nil {
		return nil, "", fmt.Errorf("%s: %w", name, err)
	}
	return data, name, nil
}
