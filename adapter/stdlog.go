package adapter

import (
	"bytes"
	"io"
)

// unsolicited is what net/http says of a connection on which something came that nobody asked
// for. What came is behind it: each pod that is scraped could write into our log.
var unsolicited = []byte("Unsolicited response received on idle HTTP channel")

// withoutUnsolicited is where the log of the standard library goes, without that.
type withoutUnsolicited struct{ io.Writer }

// Write implements io.Writer.
func (w withoutUnsolicited) Write(line []byte) (int, error) {
	if bytes.Contains(line, unsolicited) {
		return len(line), nil
	}
	return w.Writer.Write(line)
}
