package demo

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

// Terminal control sequences (ECMA-48, and xterm's alternate screen 1049).
const (
	enterScreen = "\x1b[?1049h\x1b[?25l" // alternate screen, no cursor
	leaveScreen = "\x1b[?25h\x1b[?1049l"
	home        = "\x1b[H"
	clearLine   = "\x1b[K"
	clearBelow  = "\x1b[J"
)

// screen shows a history: as moving frames on a terminal, as lines elsewhere.
// As an io.Writer it takes what others have to say without disturbing a frame.
type screen struct {
	size func() (Size, bool)

	mu     sync.Mutex
	out    io.Writer
	live   bool
	held   []byte // written by others while live
	shown  []string
	status time.Duration // of the last plain status line
}

const maxHeld = 64 << 10 // bytes

func newScreen(out io.Writer, size func() (Size, bool)) *screen {
	if size == nil {
		size = func() (Size, bool) { return Size{}, false }
	}
	return &screen{out: out, size: size, status: -statusEvery}
}

func (s *screen) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.live {
		return s.out.Write(b)
	}
	if len(s.held)+len(b) <= maxHeld {
		s.held = append(s.held, b...)
	}
	return len(b), nil
}

// update shows the newest moment; the last news of the events are new.
func (s *screen) update(history []Observation, events []Event, news int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	size, terminal := s.size()
	if !terminal {
		s.lines(history[len(history)-1], events[len(events)-news:])
		return
	}
	var b strings.Builder
	if !s.live {
		s.live = true
		b.WriteString(enterScreen)
	}
	b.WriteString(home)
	// The last line is left empty: a newline there would scroll.
	for _, line := range Frame(history, events, Size{size.Width, size.Height - 1}) {
		b.WriteString(line + clearLine + "\r\n")
	}
	b.WriteString(clearBelow)
	io.WriteString(s.out, b.String())
	s.shown = Frame(history, events, Size{size.Width, len(events) + 100})
}

func (s *screen) lines(now Observation, news []Event) {
	for _, e := range news {
		fmt.Fprintln(s.out, cut(e.String(), 400))
	}
	if now.At-s.status >= statusEvery {
		s.status = now.At
		fmt.Fprintln(s.out, cut(Status(now), 400))
	}
}

// end gives the terminal back and leaves the last frame on it, with all events.
func (s *screen) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.live {
		return
	}
	s.live = false
	fmt.Fprint(s.out, leaveScreen+strings.Join(s.shown, "\n")+"\n")
	s.out.Write(s.held)
	s.held = nil
}
