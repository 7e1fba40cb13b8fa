package monitoring

import (
	"fmt"
	"os"
	"path/filepath"

	"sigs.k8s.io/yaml"
)

// Programs are what there are alerts for. Each has its file, for a cluster may have one
// without the other.
var Programs = []string{"adapter", "policy"}

// File is a rule file of Prometheus, and the spec of a PrometheusRule.
type File struct {
	Groups []Group `json:"groups"`
}

// Group is evaluated in order.
type Group struct {
	Name  string `json:"name"`
	Rules []Rule `json:"rules"`
}

// Rule is an alert; there are no recording rules.
type Rule struct {
	Alert       string            `json:"alert"`
	Expr        string            `json:"expr"`
	For         string            `json:"for,omitempty"`
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
}

// Load reads the rule file of a program out of deploy/monitoring.
func Load(dir, program string) (File, error) {
	var f File
	path := filepath.Join(dir, program+".rules.yaml")
	data, err := os.ReadFile(path)
	if err != nil {
		return f, err
	}
	if err := yaml.UnmarshalStrict(data, &f); err != nil {
		return f, fmt.Errorf("%s: %w", path, err)
	}
	return f, nil
}
