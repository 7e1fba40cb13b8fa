package scrape

import (
	"errors"
	"net"
	"sync"
	"time"
)

// errTooMuch ends a connection from which more came than an answer may have.
var errTooMuch = errors.New("it sends more than an answer may have")

// connection is one from which only so much is read in a time. What a scrape does not want of
// an answer its client would read on to throw it away, until the time-out and as fast as it
// is sent: one pod that never ends would take a core of ours.
type connection struct {
	net.Conn
	most  int64
	every time.Duration

	mu    sync.Mutex
	began time.Time // of the present time
	read  int64     // in it
}

// Read implements net.Conn.
func (c *connection) Read(p []byte) (int, error) {
	room := c.room(time.Now())
	if room <= 0 {
		return 0, errTooMuch
	}
	n, err := c.Conn.Read(p[:min(int64(len(p)), room)])
	c.mu.Lock()
	c.read += int64(n)
	c.mu.Unlock()
	return n, err
}

// room is how much may be read now.
func (c *connection) room(now time.Time) int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now.Sub(c.began) >= c.every {
		c.began, c.read = now, 0
	}
	return c.most - c.read
}
