package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/loadline/loadline/hack/build"
	"github.com/loadline/loadline/hack/netns"
	"github.com/loadline/loadline/hack/tempdir"
)

// PromOptions say what kind of Prometheus [StartPrometheus] starts.
type PromOptions struct {
	// ConfigYAML is Prometheus's configuration file.
	ConfigYAML string
	// StateDir holds configuration, data and log. It must be empty or absent,
	// and is left in place. If unset, a temporary directory is used and
	// removed by [Prometheus.Close].
	StateDir string
	// ExtraArgs are appended to Prometheus's flags.
	ExtraArgs []string
	// Log takes progress, and the log's end if Prometheus died; nil for none.
	Log io.Writer
}

// Prometheus is a Prometheus server that tests can break: stop and start it on
// the same port with the same data, or hang it. Its port is the same inside and
// outside of the namespace.
type Prometheus struct {
	dir       string
	temporary *tempdir.Dir // dir, if Close removes it
	port      int
	path      string
	args      []string
	log       io.Writer

	failed  chan error
	forward context.CancelFunc
	tasks   sync.WaitGroup

	mu      sync.Mutex
	current *process      // nil while stopped
	stopped chan struct{} // closed when current is to be stopped
	closed  bool
}

// StartPrometheus starts a Prometheus and returns when it is ready. When ctx is
// done it is closed as by [Prometheus.Close].
func StartPrometheus(ctx context.Context, opts PromOptions) (*Prometheus, error) {
	tools, err := build.Locate()
	if err != nil {
		return nil, err
	}
	dir, temporary, err := stateDir(opts.StateDir, prometheusName, false)
	if err != nil {
		return nil, err
	}
	p := &Prometheus{
		dir:       dir,
		temporary: temporary,
		path:      tools.Path(prometheusName),
		log:       serialize(opts.Log),
		failed:    make(chan error, 1),
	}
	if err := p.open(ctx, opts); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	context.AfterFunc(ctx, func() { _ = p.Close() })
	return p, nil
}

const prometheusName = "prometheus"

func (p *Prometheus) open(ctx context.Context, opts PromOptions) error {
	if err := os.WriteFile(p.config(), []byte(opts.ConfigYAML), 0o600); err != nil {
		return err
	}
	port, outside, err := sharedPort(ctx)
	if err != nil {
		return err
	}
	p.port = port
	p.args = append(prometheusArgs(p.config(), p.data(), port), opts.ExtraArgs...)
	p.expose(outside)
	return p.Start(ctx)
}

func prometheusArgs(config, data string, port int) []string {
	return []string{
		"--config.file=" + config,
		"--storage.tsdb.path=" + data,
		fmt.Sprintf("--web.listen-address=127.0.0.1:%d", port),
		// So that Reload needs no signal whose effect nobody confirms.
		"--web.enable-lifecycle",
	}
}

func (p *Prometheus) expose(outside net.Listener) {
	ctx, cancel := context.WithCancel(context.Background()) // ends with Close, not with the opening's context
	p.forward = cancel
	if outside == nil {
		return
	}
	p.tasks.Go(func() {
		if err := netns.Forward(ctx, outside, fmt.Sprintf("127.0.0.1:%d", p.port)); err != nil {
			fmt.Fprintf(p.log, "prometheus: port %d is no longer reachable outside: %v\n", p.port, err)
		}
	})
}

// URL is Prometheus's address. It stays the same over stops and starts.
func (p *Prometheus) URL() string { return local("http", p.port) }

// LogPath is Prometheus's log. Restarts append to it.
func (p *Prometheus) LogPath() string { return filepath.Join(p.dir, prometheusName+".log") }

// Failed delivers the first unasked end of Prometheus, with the end of its log.
func (p *Prometheus) Failed() <-chan error { return p.failed }

func (p *Prometheus) config() string { return filepath.Join(p.dir, "prometheus.yaml") }
func (p *Prometheus) data() string   { return filepath.Join(p.dir, "data") }

const prometheusTimeout = time.Minute

// Start starts a stopped Prometheus again, on the same port and with the same
// data, and returns when it is ready.
func (p *Prometheus) Start(ctx context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return errors.New("prometheus is closed")
	}
	if p.current != nil {
		select {
		case <-p.current.done: // it died, which watch has reported
			p.stop()
		default:
			return errors.New("prometheus is running")
		}
	}
	process, err := launch(spec{name: prometheusName, path: p.path, args: p.args, dir: p.dir, logs: p.dir})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, prometheusTimeout, fmt.Errorf("not ready within %s", prometheusTimeout))
	defer cancel()
	if err := process.await(ctx, p.ready); err != nil {
		process.stop(0)
		return err
	}
	stopped := make(chan struct{})
	p.current, p.stopped = process, stopped
	p.tasks.Go(func() { watch(process, stopped, p.failed, p.log) })
	return nil
}

// Stop ends Prometheus, hung or not, and waits for it. Its port is closed from
// then on; its data stay.
func (p *Prometheus) Stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stop()
}

func (p *Prometheus) stop() {
	if p.current == nil {
		return
	}
	close(p.stopped)
	p.current.stop(stopGrace)
	p.current = nil
}

// Hang makes Prometheus accept connections (the kernel does that) and never
// answer, until Resume. It returns when that is so: a thread that runs on another
// processor notices the signal a moment later.
func (p *Prometheus) Hang() error {
	if err := p.signal(syscall.SIGSTOP); err != nil {
		return err
	}
	deadline := time.Now().Add(10 * time.Second)
	for {
		p.mu.Lock()
		running, err := p.running()
		p.mu.Unlock()
		switch {
		case err != nil || running == 0:
			return err
		case time.Now().After(deadline):
			return fmt.Errorf("%d threads of Prometheus run on", running)
		}
		time.Sleep(time.Millisecond)
	}
}

// running counts the threads that are not stopped.
func (p *Prometheus) running() (n int, err error) {
	if p.current == nil {
		return 0, errors.New("prometheus is stopped")
	}
	stats, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", p.current.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	for _, path := range stats {
		data, err := os.ReadFile(path)
		if errors.Is(err, os.ErrNotExist) {
			continue // it has ended
		}
		if err != nil {
			return 0, err
		}
		// The state is the first field behind the name, which is in parentheses (proc_pid_stat(5)).
		if _, rest, _ := strings.Cut(string(data), ") "); !strings.HasPrefix(rest, "T") {
			n++
		}
	}
	return n, nil
}

// Resume ends what Hang began.
func (p *Prometheus) Resume() error { return p.signal(syscall.SIGCONT) }

func (p *Prometheus) signal(s syscall.Signal) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.current == nil {
		return errors.New("prometheus is stopped")
	}
	return p.current.cmd.Process.Signal(s)
}

// Reload replaces the configuration and returns when Prometheus has taken it.
// A configuration it refuses is an error, and the old one stays in force, over
// restarts too.
func (p *Prometheus) Reload(ctx context.Context, configYAML string) error {
	old, err := os.ReadFile(p.config())
	if err != nil {
		return err
	}
	if err := os.WriteFile(p.config(), []byte(configYAML), 0o600); err != nil {
		return err
	}
	if err := p.reload(ctx); err != nil {
		return errors.Join(err, os.WriteFile(p.config(), old, 0o600))
	}
	return nil
}

func (p *Prometheus) reload(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, prometheusTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.URL()+"/-/reload", nil)
	if err != nil {
		return err
	}
	resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		body, _ := io.ReadAll(io.LimitReader(resp.Body, 4096))
		return fmt.Errorf("prometheus refuses the configuration: %s: %s", resp.Status, body)
	}
	return nil
}

// Close stops Prometheus and removes its temporary directory. It may be called
// more than once.
func (p *Prometheus) Close() error {
	p.mu.Lock()
	p.stop()
	p.closed = true
	p.mu.Unlock()
	if p.forward != nil {
		p.forward()
	}
	p.tasks.Wait()
	if p.temporary != nil {
		return p.temporary.Remove()
	}
	return nil
}

// ready asks whether our Prometheus is ready: plain HTTP proves nothing about
// who answers, its data directory does.
func (p *Prometheus) ready(ctx context.Context) error {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 2 * time.Second}
	if _, err := get(ctx, client, p.URL()+"/-/ready"); err != nil {
		return err
	}
	body, err := get(ctx, client, p.URL()+"/api/v1/status/flags")
	if err != nil {
		return err
	}
	var flags struct {
		Data map[string]string `json:"data"`
	}
	if err := json.Unmarshal(body, &flags); err != nil {
		return fmt.Errorf("%s: %w", p.URL(), err)
	}
	if got := flags.Data["storage.tsdb.path"]; got != p.data() {
		return fmt.Errorf("%s is another server's (its data are in %q)", p.URL(), got)
	}
	return nil
}
