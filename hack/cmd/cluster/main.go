// Command cluster builds, starts and stops a local Kubernetes cluster with a
// node, a Prometheus and, if asked, the adapter and Remind Me. It also gives the
// demo, the benchmark and the end-to-end tests the namespace that they start
// clusters in.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/loadline/loadline/hack/netns"
)

func main() {
	ctx, stop := context.WithCancel(context.Background())
	// A process that is about to become a command takes signals as the command
	// would: none may get lost between the two.
	if len(os.Args) < 2 || os.Args[1] != enterName {
		ctx, stop = signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM)
	}
	err := newCommand().ExecuteContext(ctx)
	interrupted := ctx.Err() != nil && errors.Is(err, context.Canceled)
	stop()
	var exit *netns.ExitError
	switch {
	case err == nil:
	case errors.As(err, &exit):
		os.Exit(exit.Code)
	case interrupted:
		fmt.Fprintln(os.Stderr, "cluster: interrupted")
		os.Exit(130)
	default:
		fmt.Fprintln(os.Stderr, "cluster:", err)
		os.Exit(1)
	}
}
