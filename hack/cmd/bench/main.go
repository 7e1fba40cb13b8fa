// Command bench measures the adapter's reads on the local cluster and prints a
// table. It must run in a namespace: cluster exec -- bench.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/pflag"

	"github.com/loadline/loadline/hack/bench"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	o, err := options(os.Args[1:])
	var report *bench.Report
	if err == nil {
		report, err = bench.Run(ctx, o)
	}
	stop()
	if err == nil {
		err = report.Write(os.Stdout)
	}
	if err != nil && !errors.Is(err, pflag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}
