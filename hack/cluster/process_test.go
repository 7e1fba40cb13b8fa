package cluster

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func shell(t *testing.T, script string) *process {
	t.Helper()
	dir := t.TempDir()
	p, err := launch(spec{name: "script", path: "/bin/sh", args: []string{"-c", script}, dir: dir, logs: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.stop(0) })
	return p
}

// logged succeeds when the process's log holds text.
func logged(p *process, text string) func(context.Context) error {
	return func(context.Context) error {
		data, err := os.ReadFile(p.log)
		if err == nil && !strings.Contains(string(data), text) {
			err = errors.New("nothing there")
		}
		return err
	}
}

func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

func TestAwait(t *testing.T) {
	t.Run("ready", func(t *testing.T) {
		p := shell(t, "echo up; exec sleep 60")
		if err := p.await(within(t, 20*time.Second), logged(p, "up")); err != nil {
			t.Error(err)
		}
	})
	t.Run("a stranger's answer does not count when the process has ended", func(t *testing.T) {
		p := shell(t, "echo port is taken; exit 3")
		<-p.done
		err := p.await(within(t, 20*time.Second), func(context.Context) error { return nil })
		if err == nil || !strings.Contains(err.Error(), "exit status 3") || !strings.Contains(err.Error(), "port is taken") {
			t.Errorf("error %v does not tell how it ended", err)
		}
	})
	t.Run("never ready", func(t *testing.T) {
		p := shell(t, "echo starting; exec sleep 60")
		if err := p.await(within(t, 20*time.Second), logged(p, "starting")); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancelCause(t.Context())
		err := p.await(ctx, func(context.Context) error { cancel(errors.New("too late")); return errors.New("connection refused") })
		for _, want := range []string{"too late", "connection refused", "starting"} {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("error %v lacks %q", err, want)
			}
		}
	})
}

func TestStop(t *testing.T) {
	for name, tc := range map[string]struct {
		script string
		hang   bool
		grace  time.Duration
		want   syscall.Signal
	}{
		"by itself":             {"echo up; exec sleep 60", false, time.Minute, syscall.SIGTERM},
		"hung":                  {"echo up; exec sleep 60", true, time.Minute, syscall.SIGTERM},
		"deaf, so it is killed": {"trap '' TERM; echo up; while :; do sleep 1; done", false, 10 * time.Millisecond, syscall.SIGKILL},
	} {
		t.Run(name, func(t *testing.T) {
			p := shell(t, tc.script)
			if err := p.await(within(t, 20*time.Second), logged(p, "up")); err != nil {
				t.Fatal(err)
			}
			if tc.hang {
				if err := p.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
					t.Fatal(err)
				}
			}
			p.stop(tc.grace)
			if got := p.cmd.ProcessState.Sys().(syscall.WaitStatus).Signal(); got != tc.want {
				t.Errorf("ended by %v, want %v", got, tc.want)
			}
		})
	}
}

func TestWatchReportsOnlyWhatNobodyAskedFor(t *testing.T) {
	for name, tc := range map[string]struct {
		asked bool
		want  string
	}{
		"unasked": {false, "exit status 4"},
		"asked":   {true, ""},
	} {
		t.Run(name, func(t *testing.T) {
			p := shell(t, "echo last words; exit 4")
			<-p.done
			stopping, failed := make(chan struct{}), make(chan error, 1)
			if tc.asked {
				close(stopping)
			}
			var log bytes.Buffer
			watch(p, stopping, failed, &log)
			select {
			case err := <-failed:
				if tc.want == "" || !strings.Contains(err.Error(), tc.want) || !strings.Contains(log.String(), "last words") {
					t.Errorf("reports %v and logs %q", err, log.String())
				}
			default:
				if tc.want != "" {
					t.Error("reports nothing")
				}
			}
		})
	}
}

func TestTailIsTheEnd(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	if err := os.WriteFile(path, []byte(strings.Repeat("early\n", 10_000)+strings.Repeat("late\n", tailLines)), 0o600); err != nil {
		t.Fatal(err)
	}
	got := (&process{log: path}).tail()
	if strings.Contains(got, "early") || strings.Count(got, "late") != tailLines {
		t.Errorf("tail is %q", got)
	}
}

func TestServersSeeNothingOfTheEnvironment(t *testing.T) {
	t.Setenv("HTTPS_PROXY", "http://proxy.test")
	t.Setenv("KUBECONFIG", "/somewhere")
	p := shell(t, "env")
	<-p.done
	data, err := os.ReadFile(p.log)
	if err != nil {
		t.Fatal(err)
	}
	if text := string(data); strings.Contains(text, "proxy") || strings.Contains(text, "KUBECONFIG") || !strings.Contains(text, "HOME=") {
		t.Errorf("environment is\n%s", text)
	}
}
