// Argocd does to a file of manifests what Argo CD does to an Application, by Argo CD's
// own engine: it applies and prunes, compares in each way that Argo CD can be told to,
// and shows the tree of what came of it. It exists for the end-to-end tests: where
// manifests come from, and which differences a user has told Argo CD to ignore, is left
// out.
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

const usage = `usage: argocd sync|diff|tree --app NAME --namespace NAMESPACE [--tracking annotation] [--server-side] MANIFESTS

  sync  applies the manifests, prunes, and prints what it did to each object
  diff  prints what is out of sync, by each way to compare
  tree  prints the objects of the app, and what each of them owns

Exit code 1 for a difference of diff, 2 for an error. The cluster is that of KUBECONFIG.
`

var errOutOfSync = errors.New("out of sync")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	err := run(ctx, os.Args[1:])
	switch {
	case errors.Is(err, errOutOfSync):
		os.Exit(1)
	case err != nil:
		fmt.Fprintln(os.Stderr, "argocd:", err)
		os.Exit(2)
	}
}

func run(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("argocd", flag.ContinueOnError)
	flags.Usage = func() { fmt.Fprint(os.Stderr, usage) }
	var a application
	tracking := flags.String("tracking", "label", "")
	flags.StringVar(&a.name, "app", "", "")
	flags.StringVar(&a.namespace, "namespace", "", "")
	flags.BoolVar(&a.serverSide, "server-side", false, "")
	command := ""
	if len(args) > 0 {
		command, args = args[0], args[1:]
	}
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() != 1 || a.name == "" || a.namespace == "" {
		return errors.New(usage)
	}
	switch *tracking {
	case "label":
		a.track = byLabel
	case "annotation":
		a.track = byAnnotation
	default:
		return fmt.Errorf("--tracking %q is neither label nor annotation", *tracking)
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	stop, err := a.connect(flags.Arg(0))
	if err != nil {
		return err
	}
	defer stop()
	switch command {
	case "sync":
		return a.sync(ctx)
	case "diff":
		return a.diff()
	case "tree":
		return a.tree()
	}
	return fmt.Errorf("there is no command %q\n%s", command, usage)
}
