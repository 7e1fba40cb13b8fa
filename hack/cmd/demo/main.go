// Command demo shows AutoscalingPolicies and their real HorizontalPodAutoscalers scale
// Remind Me on metrics that the adapter serves. Run it by `make demo`.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/loadline/loadline/hack/demo"
)

func main() {
	// Nobody gives the signals back: a second Ctrl-C must not keep the first
	// from stopping everything.
	ctx, _ := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	err := newCommand(demo.TerminalSize(os.Stdout)).ExecuteContext(ctx)
	switch {
	case err == nil:
	case ctx.Err() != nil && errors.Is(err, context.Canceled):
		fmt.Fprintln(os.Stderr, "demo: interrupted")
		if err != context.Canceled { // nor did it stop well
			fmt.Fprintln(os.Stderr, "demo:", err)
		}
		os.Exit(130)
	default:
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}
