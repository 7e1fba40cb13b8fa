package cli

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

func newVersion(e *env) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version of this program.",
		Args:  cobra.NoArgs,
		RunE: runE(func(*cobra.Command, []string) error {
			info, _ := debug.ReadBuildInfo()
			_, err := fmt.Fprintln(e.Out, versionText(info))
			return err
		}),
	}
}

// versionText is what the build recorded: the module's version or, of a build in a work
// tree, its commit.
func versionText(info *debug.BuildInfo) string {
	version, modified := "unknown", ""
	if info != nil {
		if info.Main.Version != "" {
			version = info.Main.Version
		}
		for _, s := range info.Settings {
			switch {
			case s.Key == "vcs.revision" && version == "(devel)":
				version = s.Value
			case s.Key == "vcs.modified" && s.Value == "true":
				modified = ", with changes"
			}
		}
	}
	return fmt.Sprintf("kubectl-loadline %s%s (%s %s/%s)", version, modified, runtime.Version(), runtime.GOOS, runtime.GOARCH)
}
