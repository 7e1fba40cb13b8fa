// Command gendocs writes docs/reference out of the code: gendocs DIRECTORY. It runs in the
// repository's root, whose sources it reads for what only comments say.
package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"k8s.io/cli-runtime/pkg/genericiooptions"

	"github.com/loadline/loadline/adapter"
	"github.com/loadline/loadline/policy/cli"
	"github.com/loadline/loadline/policy/controller"
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

// What the libraries of a program have in /metrics.
const (
	adapterLibraries = "the delegated reviews (`apiserver_delegated_auth…`) and the requests to the API server (`rest_client_requests_total`,\n" +
		"`rest_client_request_duration_seconds`).\n"
	policyLibraries = "the work on policies (`controller_runtime_…`, `workqueue_…`) and the requests to the API server\n(`rest_client_requests_total`).\n"
)

func write(dir string) error {
	adapterMetrics, err := metricsPage("loadline-adapter", adapterLibraries, adapter.DescribeMetrics)
	if err != nil {
		return err
	}
	policyMetrics, err := metricsPage("loadline-policy", policyLibraries, controller.DescribeMetrics)
	if err != nil {
		return err
	}
	conditions, err := conditionsPage(".")
	if err != nil {
		return err
	}
	events, err := eventsPage(".")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	server := adapter.NewCommand(context.Background())
	pages := map[string]string{
		"flags.md":            flagsPage("loadline-adapter", server.Flags()) + commandsOf(server),
		"metrics.md":          adapterMetrics,
		"policy-flags.md":     flagsPage("loadline-policy", controller.NewCommand(context.Background()).Flags()),
		"policy-metrics.md":   policyMetrics,
		"guard.md":            guardPage(),
		"conditions.md":       conditions,
		"events.md":           events,
		"doctor.md":           doctorPage(),
		"kubectl-loadline.md": commandPage(cli.NewCommand(genericiooptions.NewTestIOStreamsDiscard())),
	}
	for name, text := range pages {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}
