package netns

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// runner is a process that calls Run ("host" or "namespace") for a command.
func runner(t *testing.T, where string, command ...string) *exec.Cmd {
	t.Helper()
	if where == "namespace" {
		needNamespace(t)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, self, append([]string{partRun, where}, command...)...)
	cmd.Env = append(os.Environ(), "TMPDIR="+t.TempDir())
	cmd.Stderr = os.Stderr
	return cmd
}

func needNamespace(t *testing.T) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := probe(t.Context(), []string{self, partEntry}, modes(os.Geteuid(), os.Getegid())); err != nil {
		t.Skipf("this machine gives no network namespace: %v", err)
	}
}

func TestRunPassesTheExitStatusOn(t *testing.T) {
	for name, tc := range map[string]struct {
		where   string
		command []string
		want    int
	}{
		"success":                {"host", []string{"exit", "0"}, 0},
		"failure":                {"host", []string{"exit", "7"}, 7},
		"signal":                 {"host", []string{"kill"}, 137},
		"success in a namespace": {"namespace", []string{"exit", "0"}, 0},
		"failure in a namespace": {"namespace", []string{"exit", "7"}, 7},
		"signal in a namespace":  {"namespace", []string{"kill"}, 137},
	} {
		t.Run(name, func(t *testing.T) {
			cmd := runner(t, tc.where, tc.command...)
			err := cmd.Run()
			var exit *exec.ExitError
			if err != nil && !errors.As(err, &exit) {
				t.Fatal(err)
			}
			if got := cmd.ProcessState.ExitCode(); got != tc.want {
				t.Errorf("exit status %d, want %d", got, tc.want)
			}
		})
	}
}

func TestRunTellsTheCommandWhereItIs(t *testing.T) {
	for where, want := range map[string]string{"host": "none false\n", "namespace": "private true\n"} {
		t.Run(where, func(t *testing.T) {
			out, err := runner(t, where, "isolated").Output()
			if err != nil || string(out) != want {
				t.Errorf("command says %q, %v; want %q", out, err, want)
			}
		})
	}
}

func TestEveryPodAddressIsLocal(t *testing.T) {
	for _, ip := range []string{"10.244.0.1", "10.244.127.9", "10.244.255.254", "10.96.0.1"} {
		t.Run(ip, func(t *testing.T) {
			out, err := runner(t, "namespace", "podip", ip).Output()
			if want := ip + ":80\n"; err != nil || string(out) != want {
				t.Errorf("the listener saw %q, %v; want %q", out, err, want)
			}
		})
	}
}

// With Machine the command is the first process of its namespace, and nobody outside sees
// what it mounts; where that is not to be had it does not run at all.
func TestMachine(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("not root")
	}
	ours, err := os.Readlink("/proc/self/ns/mnt")
	if err != nil {
		t.Fatal(err)
	}
	out, err := runner(t, "machine", "first").Output()
	if err != nil {
		t.Fatal(err)
	}
	pid, mounts, _ := strings.Cut(strings.TrimSpace(string(out)), " ")
	if pid != "1" || mounts == "" || mounts == ours {
		t.Errorf("the command is process %s with the mounts %s, want 1 with others than ours, %s", pid, mounts, ours)
	}
}

func TestPortOfTheNamespaceIsReachableOutside(t *testing.T) {
	cmd := runner(t, "namespace", "serve")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	lines := startPiped(t, cmd)
	conn, err := net.DialTimeout("tcp", readLine(t, lines), 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "hello"); err != nil {
		t.Fatal(err)
	}
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(conn)
	if err != nil || string(got) != "hello" {
		t.Errorf("echo is %q, %v", got, err)
	}
	if err := stdin.Close(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
	left, err := filepath.Glob(filepath.Join(tmpdir(cmd), "loadline-*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %q, %v", left, err)
	}
}

func TestSignalsArePassedOn(t *testing.T) {
	for _, where := range []string{"host", "namespace"} {
		t.Run(where, func(t *testing.T) {
			cmd := runner(t, where, "signal")
			lines := startPiped(t, cmd)
			readLine(t, lines) // it listens to signals now
			if err := cmd.Process.Signal(syscall.SIGUSR1); err != nil {
				t.Fatal(err)
			}
			if got := readLine(t, lines); got != "user defined signal 1" {
				t.Errorf("the command got %q", got)
			}
			_ = cmd.Wait()
			if got := cmd.ProcessState.ExitCode(); got != 3 {
				t.Errorf("exit status %d, want the command's 3", got)
			}
		})
	}
}

// TestInterruptThatEndsTheContextCountsOnce: a command that takes its time after
// Ctrl-C is not asked a second time because the signal ended Run's context, too.
func TestInterruptThatEndsTheContextCountsOnce(t *testing.T) {
	cmd := runner(t, "host", "count")
	cmd.Env = append(cmd.Env, envNotify+"=1")
	lines := startPiped(t, cmd)
	readLine(t, lines) // it listens to signals now
	for _, tc := range []struct {
		signal syscall.Signal
		want   string
	}{{syscall.SIGINT, "interrupt"}, {syscall.SIGINT, "interrupt"}, {syscall.SIGUSR1, "user defined signal 1"}} {
		if err := cmd.Process.Signal(tc.signal); err != nil {
			t.Fatal(err)
		}
		if got := readLine(t, lines); got != tc.want {
			t.Errorf("the command got %q, want %q", got, tc.want)
		}
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}

// TestDeafCommandIsKilled: a command that goes on after it was asked to end is killed when
// it had its time for that, and no sooner.
func TestDeafCommandIsKilled(t *testing.T) {
	const grace = 500 * time.Millisecond
	for _, where := range []string{"host", "namespace", "machine"} {
		for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP} {
			t.Run(where+", "+signal.String(), func(t *testing.T) {
				if where == "machine" && os.Geteuid() != 0 {
					t.Skip("not root")
				}
				cmd := runner(t, where, "deaf")
				cmd.Env = append(cmd.Env, envGrace+"="+grace.String())
				lines := startPiped(t, cmd)
				readLine(t, lines) // it listens to signals now
				began := time.Now()
				if err := cmd.Process.Signal(signal); err != nil {
					t.Fatal(err)
				}
				if got := readLine(t, lines); got != signal.String() {
					t.Errorf("the command got %q, want %q", got, signal)
				}
				_ = cmd.Wait()
				if got, want := cmd.ProcessState.ExitCode(), 128+int(syscall.SIGKILL); got != want {
					t.Errorf("exit status %d, want %d", got, want)
				}
				if took := time.Since(began); took < grace {
					t.Errorf("killed after %s, want no less than %s", took, grace)
				}
			})
		}
	}
}

// TestEarlyInterrupt: a command whose context ended before the signals were taken
// over is not started; one whose context ends without a signal gets SIGTERM.
func TestEarlyInterrupt(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	cmd := exec.Command("true")
	cmd.SysProcAttr = &syscall.SysProcAttr{}
	if err := supervise(ctx, cmd, time.Second, io.Discard); !errors.Is(err, context.Canceled) || cmd.Process != nil {
		t.Errorf("got %v, process %v; want context.Canceled and none", err, cmd.Process)
	}

	ctx, cancel = context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	cmd = exec.Command("sleep", "30")
	cmd.SysProcAttr = &syscall.SysProcAttr{}
	var exit *ExitError
	if err := supervise(ctx, cmd, 10*time.Second, io.Discard); !errors.As(err, &exit) || exit.Code != 128+int(syscall.SIGTERM) {
		t.Errorf("got %v, want the exit status of SIGTERM", err)
	}
}

func TestCommandDiesWithItsParent(t *testing.T) {
	for _, where := range []string{"host", "namespace"} {
		t.Run(where, func(t *testing.T) {
			cmd := runner(t, where, "signal")
			lines := startPiped(t, cmd)
			pid, err := strconv.Atoi(readLine(t, lines))
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			// Its end of the pipe closes when it is gone.
			if rest, err := io.ReadAll(lines); err != nil || len(rest) > 0 {
				t.Errorf("command %d went on: %q, %v", pid, rest, err)
			}
			_ = cmd.Wait()
		})
	}
}

// TestNextRunCleansUp: the control socket's directory of a Run that was killed is
// gone after the next one.
func TestNextRunCleansUp(t *testing.T) {
	killed := runner(t, "namespace", "signal")
	lines := startPiped(t, killed)
	readLine(t, lines)
	if err := killed.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = killed.Wait()
	pattern := filepath.Join(tmpdir(killed), "loadline-*")
	if left, err := filepath.Glob(pattern); err != nil || len(left) != 1 {
		t.Fatalf("the killed one left %q, %v; want one directory, or this proves nothing", left, err)
	}
	next := runner(t, "namespace", "exit", "0")
	next.Env = append(next.Env, "TMPDIR="+tmpdir(killed))
	if err := next.Run(); err != nil {
		t.Fatal(err)
	}
	if left, err := filepath.Glob(pattern); err != nil || len(left) > 0 {
		t.Errorf("left behind: %q, %v", left, err)
	}
}

func TestRunSaysWhatIsMissing(t *testing.T) {
	var log bytes.Buffer
	cmd, cleanup, err := prepare(t.Context(), Options{
		Entry:   []string{"/nonexistent/entry"},
		Command: []string{"true"},
		Log:     &log,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer cleanup()
	if !strings.Contains(log.String(), "/nonexistent/entry") || !strings.Contains(log.String(), "127.0.0.0/8") {
		t.Errorf("reason and consequence are not in %q", log.String())
	}
	if got := cmd.Env[len(cmd.Env)-1]; got != "LOADLINE_NETNS=none" || cmd.SysProcAttr.Cloneflags != 0 {
		t.Errorf("falls back to %s with flags %x", got, cmd.SysProcAttr.Cloneflags)
	}
}

func startPiped(t *testing.T, cmd *exec.Cmd) *bufio.Reader {
	t.Helper()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := out.(*os.File).SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return bufio.NewReader(out)
}

func readLine(t *testing.T, r *bufio.Reader) string {
	t.Helper()
	line, err := r.ReadString('\n')
	if err != nil {
		t.Fatalf("read %q: %v", line, err)
	}
	return strings.TrimSpace(line)
}

func tmpdir(cmd *exec.Cmd) string {
	dir := ""
	for _, kv := range cmd.Env {
		if v, ok := strings.CutPrefix(kv, "TMPDIR="); ok {
			dir = v
		}
	}
	return dir
}
