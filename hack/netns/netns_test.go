package netns

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

// The test binary plays three parts besides its own: the entry of a namespace,
// the process that calls Run, and the command that it runs.
const (
	partEntry   = "test-entry"
	partRun     = "test-run"
	partCommand = "test-command"
)

// envGrace is how long the command may take to end.
const envGrace = "TEST_NETNS_GRACE"

// envNotify has the process that calls Run end Run's context by SIGINT, too.
const envNotify = "TEST_NETNS_NOTIFY"

func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case partEntry:
			// From another thread than the first, as happens to any program that
			// has done something before: what a parent's death does is bound to
			// threads.
			runtime.LockOSThread()
			failed := make(chan error)
			go func() { failed <- Enter(os.Args[2:]) }()
			die(<-failed)
		case partRun:
			self, err := os.Executable()
			if err != nil {
				die(err)
			}
			ctx := context.Background()
			if os.Getenv(envNotify) != "" {
				ctx, _ = signal.NotifyContext(ctx, syscall.SIGINT)
			}
			grace := 5 * time.Second
			if text := os.Getenv(envGrace); text != "" {
				if grace, err = time.ParseDuration(text); err != nil {
					die(err)
				}
			}
			die(Run(ctx, Options{
				Entry:   []string{self, partEntry},
				Command: append([]string{self, partCommand}, os.Args[3:]...),
				Log:     io.Discard,
				Host:    os.Args[2] == "host",
				Machine: os.Args[2] == "machine",
				Grace:   grace,
			}))
		case partCommand:
			die(command(os.Args[2], os.Args[3:]))
		}
	}
	// The race detector makes each of those processes sleep for a second at its end.
	if err := os.Setenv("GORACE", "atexit_sleep_ms=0"); err != nil {
		die(err)
	}
	goleak.VerifyTestMain(m)
}

func die(err error) {
	var exit *ExitError
	switch {
	case err == nil:
		os.Exit(0)
	case errors.As(err, &exit):
		os.Exit(exit.Code)
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(99)
}

// command is what the tests run inside.
func command(name string, args []string) error {
	switch name {
	case "exit":
		code, err := strconv.Atoi(args[0])
		if err != nil {
			return err
		}
		return &ExitError{Code: code}
	case "kill":
		return syscall.Kill(os.Getpid(), syscall.SIGKILL)
	case "isolated":
		fmt.Println(os.Getenv(envMode), Isolated())
		return nil
	case "first":
		mounts, err := os.Readlink("/proc/self/ns/mnt")
		fmt.Println(os.Getpid(), mounts)
		return err
	case "podip":
		return answerOnPodIP(args[0])
	case "serve":
		return serveOutside()
	case "signal":
		got := make(chan os.Signal, 1)
		signal.Notify(got, syscall.SIGUSR1)
		fmt.Println(os.Getpid())
		fmt.Println(<-got)
		return &ExitError{Code: 3}
	}
	switch name {
	case "count":
		return countInterrupts()
	case "deaf":
		return ignoreAll()
	}
	return fmt.Errorf("no command %q", name)
}

// countInterrupts prints each signal up to SIGUSR1.
func countInterrupts() error {
	got := make(chan os.Signal, 8)
	signal.Notify(got, syscall.SIGINT, syscall.SIGTERM, syscall.SIGUSR1)
	fmt.Println("ready")
	for s := range got {
		fmt.Println(s)
		if s == syscall.SIGUSR1 {
			break
		}
	}
	return nil
}

// ignoreAll takes what asks it to end, and goes on.
func ignoreAll() error {
	got := make(chan os.Signal, 8)
	signal.Notify(got, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	fmt.Println("ready")
	for s := range got {
		fmt.Println(s)
	}
	return nil
}

// answerOnPodIP dials a pod's address, which one listener for all answers.
func answerOnPodIP(ip string) error {
	l, err := net.Listen("tcp", "0.0.0.0:80")
	if err != nil {
		return err
	}
	defer l.Close()
	conn, err := net.DialTimeout("tcp", ip+":80", 5*time.Second)
	if err != nil {
		return err
	}
	defer conn.Close()
	accepted, err := l.Accept()
	if err != nil {
		return err
	}
	defer accepted.Close()
	fmt.Println(accepted.LocalAddr())
	return nil
}

// serveOutside answers one connection from outside through a forwarded port.
func serveOutside() error {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	inside, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	outside, err := Listen(ctx, "127.0.0.1:0")
	if err != nil {
		return err
	}
	go func() { _ = Forward(ctx, outside, inside.Addr().String()) }()
	fmt.Println(outside.Addr())
	conn, err := inside.Accept()
	if err != nil {
		return err
	}
	if _, err := io.Copy(conn, conn); err != nil {
		return err
	}
	if err := conn.Close(); err != nil {
		return err
	}
	// The forwarding ends with this process: not before the test has its answer.
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

func TestModes(t *testing.T) {
	for name, tc := range map[string]struct {
		euid  int
		first uintptr
		n     int
	}{
		"root tries without a user namespace first": {0, syscall.CLONE_NEWNET, 2},
		"others have one way":                       {1000, syscall.CLONE_NEWNET | syscall.CLONE_NEWUSER, 1},
	} {
		t.Run(name, func(t *testing.T) {
			got := modes(tc.euid, 100)
			if len(got) != tc.n || got[0].attr().Cloneflags != tc.first {
				t.Errorf("%d modes, first with flags %x", len(got), got[0].attr().Cloneflags)
			}
			user := got[len(got)-1].attr()
			if user.UidMappings[0].HostID != tc.euid || user.UidMappings[0].ContainerID != tc.euid || user.GidMappings[0].HostID != 100 {
				t.Errorf("ids change: %+v %+v", user.UidMappings, user.GidMappings)
			}
		})
	}
}

func TestExplain(t *testing.T) {
	for name, tc := range map[string]struct {
		err  error
		want string
	}{
		"limit reached": {unix.ENOSPC, "user.max_user_namespaces"},
		"forbidden":     {&os.PathError{Op: "fork/exec", Path: "x", Err: unix.EPERM}, "apparmor_restrict_unprivileged_userns"},
		"not built in":  {unix.EINVAL, "kernel is built without"},
		"anything else": {errors.New("boom"), "boom"},
	} {
		t.Run(name, func(t *testing.T) {
			got := explain(tc.err)
			if !errors.Is(got, tc.err) || !strings.Contains(got.Error(), tc.want) {
				t.Errorf("explained as %q, which lacks %q", got, tc.want)
			}
		})
	}
}
