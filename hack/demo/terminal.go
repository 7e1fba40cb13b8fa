package demo

import (
	"os"

	"golang.org/x/sys/unix"
)

// TerminalSize returns the size of the terminal that f is; false if it is none,
// or one that knows no control sequences.
func TerminalSize(f *os.File) func() (Size, bool) {
	return func() (Size, bool) {
		if term := os.Getenv("TERM"); term == "" || term == "dumb" {
			return Size{}, false
		}
		w, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
		if err != nil {
			return Size{}, false
		}
		if w.Col == 0 || w.Row == 0 { // a terminal that was not told
			return Size{80, 24}, true
		}
		return Size{int(w.Col), int(w.Row)}, true
	}
}
