package netns

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

// Interrupted is the exit code of a program whose work a signal cut short, as a shell
// reports it.
const Interrupted = 130

// Main is what a program does that calls [Run]: it runs command until that returns or
// SIGINT or SIGTERM ends its context, and exits if command failed. The exit code is that of
// the command that Run ran, [Interrupted] after such a signal, 1 otherwise. name is the
// program's, for what it says, and entry its subcommand that calls [Enter].
func Main(name, entry string, command func(context.Context) error) {
	ctx, stop := context.WithCancel(context.Background())
	// A process that is about to become a command takes signals as the command
	// would: none may get lost between the two.
	if len(os.Args) < 2 || os.Args[1] != entry {
		ctx, stop = signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM)
	}
	err := command(ctx)
	code, says := outcome(err, ctx.Err() != nil)
	stop()
	if says != "" {
		fmt.Fprintf(os.Stderr, "%s: %s\n", name, says)
	}
	if code != 0 {
		os.Exit(code)
	}
}

// outcome is the exit code of a program that ended with err, and what it says of it.
// signaled: a signal had ended its context.
func outcome(err error, signaled bool) (code int, says string) {
	var exit *ExitError
	switch {
	case err == nil:
		return 0, ""
	case errors.As(err, &exit):
		// The command has spoken for itself. What failed besides is said.
		if all := err.Error(); all != exit.Error() {
			says = all
		}
		return exit.Code, says
	case signaled && errors.Is(err, context.Canceled):
		return Interrupted, "interrupted"
	}
	return 1, err.Error()
}
