package cli

import (
	"bytes"
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"

	"github.com/loadline/loadline/policy/manifest"
)

// ignored are flags of kubectl autoscale that have nothing to do here, and why: who has
// them in a script is not kept from using it.
var ignored = []struct{ name, usage, why string }{
	{"save-config", "Taken as kubectl autoscale takes it, and ignored: policies are applied server-side, which needs no such annotation.", "a policy is applied server-side, and needs no annotation for that"},
	{"record", "Taken as kubectl autoscale takes it, and ignored: it is deprecated there.", "kubectl is about to remove it"},
}

func addIgnored(fs *pflag.FlagSet) {
	for _, f := range ignored {
		fs.Bool(f.name, false, f.usage)
	}
}

func (e *env) tellIgnored(cmd *cobra.Command) {
	for _, f := range ignored {
		if cmd.Flags().Changed(f.name) {
			fmt.Fprintf(e.ErrOut, "note: --%s is ignored: %s\n", f.name, f.why)
		}
	}
}

// readKustomization reads what kubectl kustomize prints of a directory. Lines are those
// of what it prints.
func readKustomization(dir string) ([]manifest.Document, error) {
	built, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), dir)
	if err != nil {
		return nil, fmt.Errorf("-k %s: %w", dir, err)
	}
	text, err := built.AsYaml()
	if err != nil {
		return nil, fmt.Errorf("-k %s: %w", dir, err)
	}
	return manifest.Read(dir, bytes.NewReader(text))
}
