package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
	"time"

	"github.com/spf13/cobra"
)

func downCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "down",
		Short: "Stop the cluster that `up` started, and remove its state",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			dir, err := openRunDir()
			if err != nil {
				return err
			}
			return down(cmd.Context(), dir, cmd.OutOrStdout())
		},
	}
}

func down(ctx context.Context, dir runDir, out io.Writer) error {
	busy, err := dir.busy()
	if err != nil {
		return err
	}
	if !busy {
		fmt.Fprintln(out, "no cluster is up")
		return clearUnused(dir)
	}
	s, ok, err := dir.read()
	if err != nil {
		return err
	}
	if !ok {
		return fmt.Errorf("a cluster is being started or stopped, see %s; try again in a moment", dir.log())
	}
	// The lock is held, so the process that wrote the state lives, and the
	// number is still its own.
	for _, step := range []struct {
		signal syscall.Signal
		wait   time.Duration
	}{{syscall.SIGTERM, time.Minute}, {syscall.SIGKILL, 10 * time.Second}} {
		if err := syscall.Kill(s.PID, step.signal); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("stop process %d: %w", s.PID, err)
		}
		err := awaitFree(ctx, dir, step.wait)
		if err == nil {
			fmt.Fprintln(out, "the cluster is down")
			return clearUnused(dir)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return fmt.Errorf("process %d does not end, see %s", s.PID, dir.log())
}

func awaitFree(ctx context.Context, dir runDir, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		if busy, err := dir.busy(); err != nil || !busy {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// clearUnused removes all that a cluster left, unless another one has begun.
func clearUnused(dir runDir) error {
	held, ok, err := dir.lock()
	if err != nil || !ok {
		return err
	}
	defer held.Close()
	err = dir.clear()
	for _, name := range []string{"cluster-command", "serve.log"} {
		if e := os.Remove(dir.path(name)); e != nil && !errors.Is(e, fs.ErrNotExist) {
			err = errors.Join(err, e)
		}
	}
	return err
}

func statusCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "status",
		Short: "Tell whether the cluster is up, and how to use it (exit status 1 if it is not)",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			dir, err := openRunDir()
			if err != nil {
				return err
			}
			busy, err := dir.busy()
			if err != nil {
				return err
			}
			if !busy {
				return notUp(dir)
			}
			s, ok, err := dir.read()
			if err != nil {
				return err
			}
			if !ok {
				return fmt.Errorf("a cluster is being started or stopped, see %s", dir.log())
			}
			printState(cmd.OutOrStdout(), s)
			return nil
		},
	}
}

// notUp tells that no cluster is up, and where to read why if nobody asked for its
// end: `down` removes the log.
func notUp(dir runDir) error {
	if _, err := os.Stat(dir.log()); err != nil {
		return errors.New("no cluster is up")
	}
	return fmt.Errorf("no cluster is up; how the last one ended is at the end of %s", dir.log())
}
