package demo

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestScreenPlain(t *testing.T) {
	var out bytes.Buffer
	s := newScreen(&out, nil)
	fmt.Fprintln(s, "before")
	var history []Observation
	var events []Event
	for i := range 12 {
		o := at(i, Up, scaler("web", 2, 2, 2))
		history = append(history, o)
		news := 0
		if i == 3 {
			events, news = append(events, Event{o.At, "something"}), 1
		}
		s.update(history, events, news)
	}
	s.end()
	want := `before
0:00  web 75/20, 2 of 2 ready
0:03  something
0:05  web 75/20, 2 of 2 ready
0:10  web 75/20, 2 of 2 ready
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Error(diff)
	}
}

// TestScreenTerminal: the terminal is given back as it was, with the last frame
// and what others had to say meanwhile on it.
func TestScreenTerminal(t *testing.T) {
	var out bytes.Buffer
	s := newScreen(&out, func() (Size, bool) { return Size{80, 24}, true })
	history, events := story()
	for i := range history {
		s.update(history[:i+1], events, 0)
	}
	fmt.Fprintln(s, "a server died")
	if strings.Contains(out.String(), "a server died") {
		t.Error("what others write disturbs the frame")
	}
	s.end()
	s.end()
	got := out.String()
	for _, once := range []string{enterScreen, leaveScreen, "a server died"} {
		if n := strings.Count(got, once); n != 1 {
			t.Errorf("%q is written %d times", once, n)
		}
	}
	_, last, _ := strings.Cut(got, leaveScreen)
	for _, e := range events {
		if !strings.Contains(last, cut(e.String(), 80)) {
			t.Errorf("%q is not left on the terminal", e)
		}
	}
	if strings.Contains(last, "\x1b") {
		t.Error("control sequences after the end")
	}
}

func TestScreenBoundsWhatItHolds(t *testing.T) {
	s := newScreen(&bytes.Buffer{}, func() (Size, bool) { return Size{80, 24}, true })
	s.update([]Observation{at(0, Up)}, nil, 0)
	line := bytes.Repeat([]byte("x"), 1000)
	for range 1000 {
		if n, err := s.Write(line); n != len(line) || err != nil {
			t.Fatal(n, err)
		}
	}
	if len(s.held) > maxHeld {
		t.Errorf("%d bytes are held", len(s.held))
	}
}
