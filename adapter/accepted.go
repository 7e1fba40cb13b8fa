package adapter

import (
	"fmt"
	"slices"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"k8s.io/klog/v2"
)

// predecessorPath is the first argument of prometheus-adapter's container in its Helm
// chart: the program itself, which it overlooks.
const predecessorPath = "/adapter"

// meaningless are flags of prometheus-adapter with nothing to set here: where klog writes
// to. A container writes to its standard error.
func meaningless() (switches, texts []string) {
	return []string{"add_dir_header", "alsologtostderr", "legacy_stderr_threshold_behavior", "logtostderr", "one_output", "skip_headers", "skip_log_headers"},
		[]string{"log_backtrace_at", "log_dir", "log_file", "log_file_max_size", "stderrthreshold"}
}

// addMeaningless has them accepted, and left out of the help.
func addMeaningless(fs *pflag.FlagSet) {
	switches, texts := meaningless()
	add := func(name, without string) {
		if fs.Lookup(name) != nil {
			return
		}
		fs.String(name, "", "Has no meaning any more.")
		f := fs.Lookup(name)
		f.Hidden, f.NoOptDefVal = true, without
	}
	for _, name := range switches {
		add(name, "true")
	}
	for _, name := range texts {
		add(name, "")
	}
}

// sayMeaningless names those that were given.
func sayMeaningless(log klog.Logger, fs *pflag.FlagSet) {
	switches, texts := meaningless()
	var given []string
	for _, name := range slices.Concat(switches, texts) {
		if fs.Changed(name) {
			given = append(given, "--"+name)
		}
	}
	if len(given) > 0 {
		log.Info("These flags have no meaning any more and are overlooked; logs go to the standard error", "flags", given)
	}
}

// arguments takes none but the path of the predecessor's program.
func arguments(_ *cobra.Command, args []string) error {
	if len(args) > 0 && args[0] == predecessorPath {
		args = args[1:]
	}
	if len(args) > 0 {
		return fmt.Errorf("%q is no flag: begin flags with --, and join a flag and its value by =", args[0])
	}
	return nil
}
