package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// spec says how to run one server.
type spec struct {
	name string   // also names the log file
	path string   // of the program
	args []string // without the program
	dir  string   // working directory, also HOME
	logs string   // directory of the log file
}

// process is one running server.
type process struct {
	name string
	log  string // path
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended
	err  error         // how it ended; read after done
}

// launch starts a server. Its log is appended to, so that a restart keeps what
// led to it. The server dies with this process, even if that is killed.
func launch(s spec) (*process, error) {
	path := filepath.Join(s.logs, s.name+".log")
	log, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close() // the child has its own
	cmd := exec.Command(s.path, s.args...)
	cmd.Dir = s.dir
	// Nothing of the caller's environment: no proxy, no kubeconfig, no home
	// that a server could leave files in.
	cmd.Env = []string{"HOME=" + s.dir, "TMPDIR=" + s.dir, "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "KWOK_WORKDIR=" + s.dir}
	cmd.Stdout, cmd.Stderr = log, log
	// In a group of its own: Ctrl-C reaches the caller, who stops the servers in
	// their order.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	p := &process{name: s.name, log: path, cmd: cmd, done: make(chan struct{})}
	started := make(chan error)
	go func() {
		// Pdeathsig is sent when the thread ends that started the child. This
		// one is kept until the child has ended.
		runtime.LockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			p.err = cmd.Wait()
			close(p.done)
		}
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", s.name, err)
	}
	return p, nil
}

// stop ends the process and waits for it: SIGTERM, and SIGKILL after grace.
func (p *process) stop(grace time.Duration) {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	_ = p.cmd.Process.Signal(syscall.SIGCONT) // a stopped process would not notice
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-p.done:
	case <-timer.C:
		_ = p.cmd.Process.Kill()
		<-p.done
	}
}

// await asks probe until it succeeds. It gives up when the process has ended,
// and then never counts an answer: it would be a stranger's on the same port.
func (p *process) await(ctx context.Context, probe func(context.Context) error) error {
	retry := time.NewTicker(50 * time.Millisecond)
	defer retry.Stop()
	for {
		err := probe(ctx)
		select {
		case <-p.done:
			return p.failure()
		default:
		}
		if err == nil {
			return nil
		}
		select {
		case <-p.done:
			return p.failure()
		case <-ctx.Done():
			return fmt.Errorf("%s is not ready: %w: %w\n%s", p.name, context.Cause(ctx), err, p.tail())
		case <-retry.C:
		}
	}
}

// failure tells how the process ended. Call it after done.
func (p *process) failure() error {
	how := "exit status 0"
	if p.err != nil {
		how = p.err.Error()
	}
	return fmt.Errorf("%s ended: %s\n%s", p.name, how, p.tail())
}

const tailBytes, tailLines = 16 << 10, 20

// tail is the end of the log, with its path.
func (p *process) tail() string {
	text, err := readTail(p.log)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	if len(lines) > tailLines {
		lines = lines[len(lines)-tailLines:]
	}
	return "end of " + p.log + ":\n\t" + strings.Join(lines, "\n\t")
}

func readTail(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return "", err
	}
	buf := make([]byte, min(size, tailBytes))
	n, err := f.ReadAt(buf, size-int64(len(buf)))
	if err != nil && !errors.Is(err, io.EOF) {
		return "", err
	}
	return string(buf[:n]), nil
}
