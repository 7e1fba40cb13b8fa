package suite

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// partSuite has the test binary be a suite whose tests do what the next argument says.
const partSuite = "test-suite"

func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == partSuite {
		os.Exit(part(os.Args[2]))
	}
	os.Exit(m.Run())
}

func part(do string) int {
	s := &Suite{}
	start := func(context.Context) error {
		if do == "not started" {
			return errors.New("no node")
		}
		return nil
	}
	stop := func() error { fmt.Println("stopped"); return nil }
	tests := func() int {
		if do == "pass" {
			return 0
		}
		fmt.Println("running")
		if do == "wait" { // as a test's waits do
			<-s.interrupted.Done()
			return 3
		}
		_, _ = io.Copy(io.Discard, os.Stdin) // does not end by a signal
		return 4
	}
	return s.run(tests, 200*time.Millisecond, stop, start)
}

// However the tests end, the system is stopped, and a signal ends tests that do not notice it.
func TestRunEnds(t *testing.T) {
	for name, tc := range map[string]struct {
		do     string
		signal syscall.Signal
		code   int
		says   []string
	}{
		"tests pass":                       {"pass", 0, 0, []string{"stopped"}},
		"the system does not start":        {"not started", 0, 1, nil},
		"tests that notice it":             {"wait", syscall.SIGINT, 3, []string{"running", "stopped"}},
		"tests that do not":                {"deaf", syscall.SIGINT, 1, []string{"running", "stopped"}},
		"tests that do not, by SIGTERM":    {"deaf", syscall.SIGTERM, 1, []string{"running", "stopped"}},
		"tests that do not, by its hangup": {"deaf", syscall.SIGHUP, 1, []string{"running", "stopped"}},
	} {
		t.Run(name, func(t *testing.T) {
			self, err := os.Executable()
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			cmd := exec.CommandContext(ctx, self, partSuite, tc.do)
			cmd.Env = append(os.Environ(), "GORACE=atexit_sleep_ms=0")
			cmd.Stderr = t.Output()
			stdin, err := cmd.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			defer stdin.Close()
			stdout, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			var says []string
			for lines := bufio.NewScanner(stdout); lines.Scan(); {
				says = append(says, lines.Text())
				if lines.Text() == "running" {
					if err := cmd.Process.Signal(tc.signal); err != nil {
						t.Fatal(err)
					}
				}
			}
			_ = cmd.Wait()
			if got := cmd.ProcessState.ExitCode(); got != tc.code {
				t.Errorf("exit status %d, want %d", got, tc.code)
			}
			if diff := cmp.Diff(tc.says, says); diff != "" {
				t.Error(diff)
			}
		})
	}
}
