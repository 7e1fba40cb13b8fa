package lint

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"
)

// kustomization says whether a file of this name is one.
func kustomization(name string) bool {
	return slices.Contains([]string{"kustomization.yaml", "kustomization.yml", "Kustomization"}, name)
}

// kustomizedBy is the kustomization, in a file's directory or above it, that may put the
// file together with others and give it another namespace or name; empty if there is none.
func (in *Input) kustomizedBy(file string) string {
	for dir := filepath.Dir(file); ; dir = filepath.Dir(dir) {
		if k := in.kustomized[dir]; k != "" || filepath.Dir(dir) == dir {
			return k
		}
	}
}

// kustomizePatches are the files that a kustomization uses and that are no objects by
// themselves: patches, and what configures kustomize. What cannot be read has none.
func kustomizePatches(path string) []string {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil
	}
	var k struct {
		Patches               []struct{ Path string }
		PatchesJSON6902       []struct{ Path string } `json:"patchesJson6902"`
		PatchesStrategicMerge []string
		Replacements          []struct{ Path string }
		Configurations        []string
		Transformers          []string
		Generators            []string
		Validators            []string
		HelmCharts            []struct{ ValuesFile string }
		OpenAPI               struct{ Path string }
	}
	if yaml.Unmarshal(data, &k) != nil {
		return nil
	}
	names := slices.Concat(k.PatchesStrategicMerge, k.Configurations, k.Transformers, k.Generators, k.Validators, []string{k.OpenAPI.Path})
	for _, p := range slices.Concat(k.Patches, k.PatchesJSON6902, k.Replacements) {
		names = append(names, p.Path)
	}
	for _, c := range k.HelmCharts {
		names = append(names, c.ValuesFile)
	}
	var files []string
	for _, name := range names {
		if name != "" && !strings.Contains(name, "\n") { // a patch may be written there itself
			files = append(files, filepath.Join(filepath.Dir(path), name))
		}
	}
	return files
}
