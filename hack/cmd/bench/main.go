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
	if err == nil {
		err = run(ctx, o)
	}
	stop()
	if err != nil && !errors.Is(err, pflag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o bench.Options) error {
	switch {
	case o.Child:
		return bench.Discover(ctx, o.URL, os.Stdout)
	case o.Wide > 0:
		report, err := bench.RunWide(ctx, o)
		if err != nil {
			return err
		}
		return report.Write(os.Stdout)
	}
	report, err := bench.Run(ctx, o)
	if err != nil {
		return err
	}
	return report.Write(os.Stdout)
}
