// Command realnode builds what a real node needs, and runs commands where they can start
// one.
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
	if len(os.Args) < 2 || os.Args[1] != enterName {
		ctx, stop = signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM)
	}
	err := newCommand().ExecuteContext(ctx)
	stop()
	var exit *netns.ExitError
	switch {
	case err == nil:
	case errors.As(err, &exit):
		os.Exit(exit.Code)
	default:
		fmt.Fprintln(os.Stderr, "realnode:", err)
		os.Exit(1)
	}
}
