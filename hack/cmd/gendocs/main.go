// Command gendocs writes docs/reference out of the code: gendocs DIRECTORY.
package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/loadline/loadline/adapter"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: gendocs DIRECTORY")
		os.Exit(2)
	}
	if err := write(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "gendocs:", err)
		os.Exit(1)
	}
}

func write(dir string) error {
	metrics, err := metricsPage(adapter.DescribeMetrics)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	pages := map[string]string{
		"flags.md":   flagsPage(adapter.NewCommand(context.Background()).Flags()),
		"metrics.md": metrics,
	}
	for name, text := range pages {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}
