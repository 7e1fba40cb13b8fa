package netns

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Options say what [Run] runs.
type Options struct {
	// Entry is a command (program and first arguments) that calls [Enter] with
	// the arguments that follow; usually this program itself.
	Entry []string
	// Command runs inside.
	Command []string
	// Env is the command's environment, os.Environ() if nil.
	Env []string
	// Log takes what a person should know: that no namespace was to be had, and that the
	// command was killed.
	Log io.Writer
	// Host asks for the machine's own network, as if no namespace were to be had.
	Host bool
	// Machine asks for a mount and a process namespace besides: what is mounted inside,
	// and whoever runs there, ends with the command. That takes root, and Run fails
	// where it is not to be had. Entry then is the first process of its namespace.
	Machine bool
	// Grace is how long the command may take to end once ctx is done or a signal that asks
	// for its end was passed on, before it is killed; 30 s if 0. It should be longer than the
	// command's own deadlines for ending.
	Grace time.Duration
}

// Run runs a command in a network namespace of its own with the caller's
// standard streams, passes signals on to it and waits for it. It returns an
// [*ExitError] if the command ended with anything but 0. When ctx is done before
// the command runs, it never does, and Run returns ctx's error; afterwards the
// command gets SIGTERM. If it does not end within [Options.Grace] of that, or of
// the first SIGINT, SIGTERM, SIGHUP or SIGQUIT that was passed on, it gets
// SIGKILL. When this process dies, it is killed.
//
// Where standard input is this process's terminal, the command gets Ctrl-C from
// the terminal itself and Run hears nothing of it: how long it may take to end is
// up to the person there, who may press it again.
//
// Run takes over the process's signals. It is meant for a process that does
// nothing else. A signal may end ctx, too (signal.NotifyContext): passed on, it
// counts once.
func Run(ctx context.Context, opts Options) error {
	cmd, cleanup, err := prepare(ctx, opts)
	if err != nil {
		return err
	}
	defer cleanup()
	if opts.Grace == 0 {
		opts.Grace = 30 * time.Second
	}
	return supervise(ctx, cmd, opts.Grace, opts.Log)
}

// prepare decides where the command runs, and opens the control socket if that
// is a namespace.
func prepare(ctx context.Context, opts Options) (*exec.Cmd, func(), error) {
	env := opts.Env
	if env == nil {
		env = os.Environ()
	}
	m, err := (*mode)(nil), errors.New("the machine's own network was asked for")
	switch {
	case opts.Machine:
		m, err = probe(ctx, opts.Entry, []mode{machine()})
	case !opts.Host:
		m, err = probe(ctx, opts.Entry, modes(os.Geteuid(), os.Getegid()))
	}
	if ctx.Err() != nil {
		return nil, nil, ctx.Err()
	}
	if m == nil && opts.Machine {
		return nil, nil, err
	}
	if m == nil {
		fmt.Fprintf(opts.Log, "no network namespace: %v\n"+
			"missing because of it: pod addresses out of %s (pods get addresses out of 127.0.0.0/8, which EndpointSlices refuse), and ports that nothing else can take\n", err, PodCIDR)
		cmd := exec.Command(opts.Command[0], opts.Command[1:]...)
		cmd.Env = append(env, envMode+"="+modeNone)
		cmd.SysProcAttr = &syscall.SysProcAttr{}
		return cmd, func() {}, nil
	}
	control, err := newControl()
	if err != nil {
		return nil, nil, err
	}
	argv := append(append([]string{}, opts.Entry...), opts.Command...)
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Env = append(env, envMode+"="+modePrivate, envControl+"="+control.path)
	cmd.SysProcAttr = m.attr()
	return cmd, control.close, nil
}

// sameSignal is how long after the end of a context the signal may come that has ended it: who
// listens to a signal is told one after the other, in any order.
const sameSignal = 100 * time.Millisecond

// supervise starts cmd, passes signals on, and waits. What is asked to end and does not
// within grace, it kills.
func supervise(ctx context.Context, cmd *exec.Cmd, grace time.Duration, log io.Writer) error {
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
	// A group of its own: what the terminal sends reaches the command once,
	// and not a second time through this process.
	cmd.SysProcAttr.Setpgid = true
	terminal := foreground()
	if terminal {
		cmd.SysProcAttr.Foreground = true
		cmd.SysProcAttr.Ctty = 0
	}
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGUSR1, syscall.SIGUSR2)
	defer signal.Stop(signals)
	// A signal that was sent before has ended ctx, and comes no second time.
	if ctx.Err() != nil {
		return ctx.Err()
	}

	pid, ended, err := start(cmd)
	if err != nil {
		return fmt.Errorf("start %s: %w", cmd.Path, err)
	}
	if terminal {
		defer takeTerminal()
	}
	// Whoever of the group outlives the command goes with it.
	defer syscall.Kill(-pid, syscall.SIGKILL)

	done := ctx.Done()
	var end, kill <-chan time.Time // kill: the command was asked to end
	for {
		select {
		case err := <-ended:
			return exitError(cmd, err)
		case s := <-signals:
			if asksToEnd(s) && kill == nil {
				kill = time.After(grace)
			}
			_ = syscall.Kill(-pid, s.(syscall.Signal))
		case <-done:
			done, end = nil, time.After(sameSignal)
		case <-end:
			if kill != nil {
				continue // a signal ended ctx, and the command decides what it means
			}
			_ = syscall.Kill(-pid, syscall.SIGTERM)
			kill = time.After(grace)
		case <-kill:
			fmt.Fprintf(log, "the command does not end within %s of being asked to: it is killed\n", grace)
			_ = syscall.Kill(-pid, syscall.SIGKILL)
		}
	}
}

func asksToEnd(s os.Signal) bool {
	return s == syscall.SIGINT || s == syscall.SIGTERM || s == syscall.SIGHUP || s == syscall.SIGQUIT
}

// start starts cmd and waits for it in the background. Pdeathsig is sent when
// the parent's thread ends, not its process, so one thread is kept for both.
func start(cmd *exec.Cmd) (pid int, ended <-chan error, err error) {
	started, result := make(chan error, 1), make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			result <- cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		return 0, nil, err
	}
	return cmd.Process.Pid, result, nil
}

func exitError(cmd *exec.Cmd, err error) error {
	if err == nil {
		return nil
	}
	status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus)
	if !ok {
		return err
	}
	if status.Signaled() {
		return &ExitError{Code: 128 + int(status.Signal())}
	}
	return &ExitError{Code: status.ExitStatus()}
}

// foreground tells whether standard input is a terminal that listens to this
// process's group.
func foreground() bool {
	pgid, err := unix.IoctlGetInt(0, unix.TIOCGPGRP)
	return err == nil && pgid == unix.Getpgrp()
}

// takeTerminal makes this process's group the terminal's foreground again.
func takeTerminal() {
	signal.Ignore(syscall.SIGTTOU)
	_ = unix.IoctlSetPointerInt(0, unix.TIOCSPGRP, unix.Getpgrp())
}
