package node

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// shell returns a container that runs a script and the path of its log.
func shell(t *testing.T, script string, spec corev1.Container) (*container, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "log")
	c := &container{spec: spec, policy: corev1.RestartPolicyNever, grace: time.Minute, pod: "ns/p",
		changed: func() {}, now: time.Now, log: slog.New(slog.DiscardHandler)}
	open := func(script string) (command, error) {
		f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		return command{Path: "/bin/sh", Args: []string{"-c", script}, Env: []string{"PATH=" + os.Getenv("PATH")}, Log: f}, err
	}
	c.prepare = func(context.Context) (launch, error) {
		cmd, err := open(script)
		return launch{command: cmd, close: cmd.Log.Close,
			target: target{ip: "127.0.0.1", exec: func(argv []string) (command, error) {
				probe := cmd
				probe.Args = []string{"-c", argv[0]}
				return probe, nil
			}}}, err
	}
	return c, path
}

func execProbe(script string) *corev1.Probe {
	return &corev1.Probe{PeriodSeconds: 1, FailureThreshold: 1, TimeoutSeconds: 5,
		ProbeHandler: corev1.ProbeHandler{Exec: &corev1.ExecAction{Command: []string{script}}}}
}

// runUntil runs the container, ends stop once ready is true, and kill once
// patience has passed after that.
func runUntil(t *testing.T, c *container, patience time.Duration, ready func() bool) int32 {
	t.Helper()
	stop, beginStop := context.WithCancel(t.Context())
	defer beginStop()
	kill, killNow := context.WithCancel(t.Context())
	defer killNow()
	code := make(chan int32, 1)
	go func() { code <- c.run(stop, kill) }()
	waitFor(t, ready)
	beginStop()
	timer := time.AfterFunc(patience, killNow)
	defer timer.Stop()
	select {
	case n := <-code:
		return n
	case <-time.After(20 * time.Second):
		t.Fatal("the container does not end")
		return 0
	}
}

func logged(path, text string) func() bool {
	return func() bool {
		data, err := os.ReadFile(path)
		return err == nil && strings.Contains(string(data), text)
	}
}

func TestPreStopComesBeforeSIGTERM(t *testing.T) {
	c, log := shell(t, `trap 'echo term; exit 5' TERM; echo up; while :; do sleep 0.05; done`, corev1.Container{
		Lifecycle: &corev1.Lifecycle{PreStop: &corev1.LifecycleHandler{Exec: &corev1.ExecAction{Command: []string{"echo hook"}}}}})
	if code := runUntil(t, c, time.Minute, logged(log, "up\n")); code != 5 {
		t.Errorf("exit code %d", code)
	}
	data, err := os.ReadFile(log)
	if string(data) != "up\nhook\nterm\n" {
		t.Errorf("order %q (%v)", data, err)
	}
}

func TestPatienceEndsWithSIGKILL(t *testing.T) {
	c, log := shell(t, `trap '' TERM; echo up; while :; do sleep 0.05; done`, corev1.Container{})
	if code := runUntil(t, c, 100*time.Millisecond, logged(log, "up\n")); code != 137 {
		t.Errorf("exit code %d", code)
	}
	if s := c.snapshot().State.Terminated; s == nil || s.Signal != 9 || s.Reason != "Error" {
		t.Errorf("%+v", s)
	}
}

// A hook that eats the whole grace period leaves the process two seconds.
func TestHookThatTakesAllLeavesTimeForSIGTERM(t *testing.T) {
	c, log := shell(t, `trap 'echo term; exit 5' TERM; echo up; while :; do sleep 0.05; done`, corev1.Container{
		Lifecycle: &corev1.Lifecycle{PreStop: &corev1.LifecycleHandler{Sleep: &corev1.SleepAction{Seconds: 600}}}})
	if code := runUntil(t, c, 100*time.Millisecond, logged(log, "up\n")); code != 5 {
		t.Errorf("exit code %d", code)
	}
}

func TestStartupHoldsReadinessBack(t *testing.T) {
	flag := filepath.Join(t.TempDir(), "started")
	seen := filepath.Join(t.TempDir(), "asked")
	c, log := shell(t, `echo up; exec sleep 600`, corev1.Container{
		StartupProbe:   &corev1.Probe{PeriodSeconds: 1, FailureThreshold: 100, TimeoutSeconds: 5, ProbeHandler: execProbe("test -e " + flag).ProbeHandler},
		ReadinessProbe: execProbe("touch " + seen),
	})
	runUntil(t, c, time.Minute, func() bool {
		if !logged(log, "up\n")() {
			return false
		}
		s := c.snapshot()
		if _, err := os.Stat(seen); err == nil && !*s.Started {
			t.Error("readiness was asked before the container had started")
		}
		if _, err := os.Stat(flag); err != nil {
			if s.Ready || s.Started == nil || *s.Started {
				t.Errorf("ready %v, started %v before the startup probe succeeded", s.Ready, s.Started)
			}
			if err := os.WriteFile(flag, nil, 0o600); err != nil {
				t.Error(err)
			}
		}
		return s.Ready
	})
	if s := c.snapshot(); s.Ready || *s.Started {
		t.Errorf("ready %v, started %v after the end", s.Ready, *s.Started)
	}
}

func TestReadinessComesAndGoes(t *testing.T) {
	flag := filepath.Join(t.TempDir(), "ok")
	c, _ := shell(t, `exec sleep 600`, corev1.Container{ReadinessProbe: execProbe("test -e " + flag)})
	phase := 0
	runUntil(t, c, time.Minute, func() bool {
		ready := c.snapshot().Ready
		switch {
		case phase == 0 && !ready:
			if err := os.WriteFile(flag, nil, 0o600); err != nil {
				t.Error(err)
			}
			phase = 1
		case phase == 1 && ready:
			if err := os.Remove(flag); err != nil {
				t.Error(err)
			}
			phase = 2
		}
		return phase == 2 && !ready
	})
}

func TestContainerThatCannotStartSaysWhyAndTriesAgain(t *testing.T) {
	c, log := shell(t, "echo up; exec sleep 600", corev1.Container{})
	good, tries := c.prepare, 0
	c.prepare = func(ctx context.Context) (launch, error) {
		if tries++; tries == 1 {
			return launch{}, fmt.Errorf("wrapped: %w", &waiting{Reason: "CreateContainerConfigError", Message: "no such secret"})
		}
		return good(ctx)
	}
	said := ""
	runUntil(t, c, time.Minute, func() bool {
		if w := c.snapshot().State.Waiting; w != nil {
			said = w.Reason + ": " + w.Message
		}
		return logged(log, "up\n")()
	})
	if said != "CreateContainerConfigError: no such secret" {
		t.Errorf("it said %q", said)
	}
	if n := c.snapshot().RestartCount; n != 0 {
		t.Errorf("a start that failed counts as %d restarts", n)
	}
}
