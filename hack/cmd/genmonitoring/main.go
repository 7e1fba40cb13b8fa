// Command genmonitoring writes what is generated of deploy/monitoring: the manifests of the
// rule files in the first directory, and the dashboard, into the second.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/loadline/loadline/hack/monitoring"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: genmonitoring RULES-DIRECTORY DIRECTORY")
		os.Exit(2)
	}
	if err := write(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "genmonitoring:", err)
		os.Exit(1)
	}
}

func write(rules, dir string) error {
	for _, program := range monitoring.Programs {
		file, err := monitoring.Load(rules, program)
		if err != nil {
			return err
		}
		text, err := monitoring.Manifest(program, file)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, "prometheusrule-"+program+".yaml"), text, 0o644); err != nil {
			return err
		}
	}
	text, err := monitoring.NewDashboard().JSON()
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "dashboard.json"), text, 0o644)
}
