package build

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// progress tells a person what is being built: one line that is rewritten on a
// terminal, a plain line now and then elsewhere.
type progress struct {
	out   io.Writer
	live  bool
	every time.Duration
	total int
	now   func() time.Time
	begun time.Time
	nth   int
}

func newProgress(out io.Writer, total int, now func() time.Time) *progress {
	p := &progress{out: out, total: total, now: now, begun: now(), every: 20 * time.Second}
	if f, ok := out.(*os.File); ok && isTerminal(f) {
		p.live, p.every = true, time.Second
	}
	return p
}

func isTerminal(f *os.File) bool {
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}

// start announces the next step and shows signs of life until it is finished.
func (p *progress) start(what string) *step {
	p.nth++
	s := &step{
		progress: p,
		label:    fmt.Sprintf("[%d/%d] %s", p.nth, p.total, what),
		begun:    p.now(),
		stop:     make(chan struct{}),
		stopped:  make(chan struct{}),
	}
	p.line(s.label + ": building")
	go s.live()
	return s
}

func (p *progress) line(text string) {
	if p.live {
		fmt.Fprintf(p.out, "\r\x1b[K%s", text)
		return
	}
	fmt.Fprintln(p.out, text)
}

// step takes the output of one build: package names, and errors when it fails.
type step struct {
	*progress
	label   string
	begun   time.Time
	stop    chan struct{}
	stopped chan struct{}

	mu       sync.Mutex
	packages int
	last     []string // the most recent complete lines
	partial  []byte
}

const keptLines = 40

func (s *step) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.partial = append(s.partial, b...)
	for {
		i := bytes.IndexByte(s.partial, '\n')
		if i < 0 {
			return len(b), nil
		}
		s.packages++
		s.last = append(s.last, string(s.partial[:i]))
		if len(s.last) > keptLines {
			s.last = s.last[len(s.last)-keptLines:]
		}
		s.partial = s.partial[i+1:]
	}
}

func (s *step) tail() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(append(s.last, string(s.partial)), "\n")
}

func (s *step) live() {
	defer close(s.stopped)
	tick := time.NewTicker(s.every)
	defer tick.Stop()
	for {
		select {
		case <-s.stop:
			return
		case <-tick.C:
			s.mu.Lock()
			n := s.packages
			s.mu.Unlock()
			s.line(fmt.Sprintf("%s: building, %d packages compiled, %s (%s in all)",
				s.label, n, seconds(s.now().Sub(s.begun)), seconds(s.now().Sub(s.progress.begun))))
		}
	}
}

func (s *step) finish(err error) {
	close(s.stop)
	<-s.stopped
	result := "done"
	if err != nil {
		result = "failed"
	}
	s.line(fmt.Sprintf("%s: %s in %s", s.label, result, seconds(s.now().Sub(s.begun))))
	if s.progress.live {
		fmt.Fprintln(s.out)
	}
}

func seconds(d time.Duration) string { return d.Round(time.Second).String() }
