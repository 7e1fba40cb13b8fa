package node

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
)

// command is an OS process to start.
type command struct {
	Path string
	Args []string // without the program's own name
	Env  []string
	Dir  string
	Log  *os.File // receives stdout and stderr
}

// process is a running command in a process group of its own.
type process struct {
	pid  int
	proc *os.Process
	done chan struct{} // closed when the process has ended and code is set
	code int32
	sig  int32
}

// startProcess returns once the process runs. It dies with this node:
// Pdeathsig fires when the *thread* that forked it ends, so one goroutine
// keeps a thread for the whole life of the process.
func startProcess(c command) (*process, error) {
	cmd := exec.Command(c.Path, c.Args...)
	cmd.Env, cmd.Dir, cmd.Stdout, cmd.Stderr = c.Env, c.Dir, c.Log, c.Log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	p := &process{done: make(chan struct{})}
	started := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		if err := cmd.Start(); err != nil {
			started <- err
			return
		}
		p.pid, p.proc = cmd.Process.Pid, cmd.Process
		started <- nil
		p.code, p.sig = exitCode(cmd.Wait())
		// The children of a container die with its first process.
		_ = syscall.Kill(-p.pid, syscall.SIGKILL)
		close(p.done)
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", c.Path, err)
	}
	return p, nil
}

// signal reaches the first process only, as in a container; SIGKILL reaches all.
func (p *process) signal(s syscall.Signal) error {
	select {
	case <-p.done:
		return os.ErrProcessDone
	default:
	}
	if s == syscall.SIGKILL {
		return syscall.Kill(-p.pid, s)
	}
	return p.proc.Signal(s)
}

// exitCode is what a container runtime reports: 128+n for a death by signal n.
func exitCode(err error) (code, signal int32) {
	if err == nil {
		return 0, 0
	}
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return 128, 0
	}
	if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int32(status.Signal()), int32(status.Signal())
	}
	return int32(exit.ExitCode()), 0
}
