// Flux does to a file of manifests what Flux's kustomize-controller does to a
// Kustomization, by Flux's own code: it applies them server-side where they have
// drifted, deletes what its inventory has and the file no longer has, and says what
// has drifted. It exists for the end-to-end tests: what is left out is where manifests
// come from and when.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"time"
)

const usage = `usage: flux sync|diff --name NAME --namespace NAMESPACE --inventory FILE MANIFESTS

  sync  applies the manifests and prunes, and prints what it did to each object
  diff  prints what sync would do; with both versions of what has drifted

Exit code 1 for a drift of diff, 2 for an error. The cluster is that of KUBECONFIG.
`

var errDrift = errors.New("drift")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	err := run(ctx, os.Args[1:])
	switch {
	case errors.Is(err, errDrift):
		os.Exit(1)
	case err != nil:
		fmt.Fprintln(os.Stderr, "flux:", err)
		os.Exit(2)
	}
}

func run(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("flux", flag.ContinueOnError)
	flags.Usage = func() { fmt.Fprint(os.Stderr, usage) }
	var k kustomization
	flags.StringVar(&k.name, "name", "", "")
	flags.StringVar(&k.namespace, "namespace", "", "")
	flags.StringVar(&k.inventory, "inventory", "", "")
	command := ""
	if len(args) > 0 {
		command, args = args[0], args[1:]
	}
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() != 1 || k.name == "" || k.namespace == "" || k.inventory == "" {
		return errors.New(usage)
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if err := k.connect(flags.Arg(0)); err != nil {
		return err
	}
	switch command {
	case "sync":
		return k.sync(ctx)
	case "diff":
		return k.diff(ctx)
	}
	return fmt.Errorf("there is no command %q\n%s", command, usage)
}
