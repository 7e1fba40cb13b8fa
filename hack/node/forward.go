package node

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"sync"
	"time"
)

const (
	dialTimeout    = 3 * time.Second
	maxDials       = 3    // other backends are tried when one refuses
	maxConnections = 4096 // for one port: a runaway client must not take every file
)

// forwarder passes the connections of one listener on.
type forwarder struct {
	listener net.Listener
	backends func() []string
	log      *slog.Logger
	ctx      context.Context // ends with stop; connections outlive no call
	cancel   context.CancelFunc
	running  sync.WaitGroup
}

// forward listens at addr and passes every connection to one of the backends of
// that moment, chosen at random. Without any, a client sees a reset.
func forward(addr string, backends func() []string, log *slog.Logger) (*forwarder, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	f := &forwarder{listener: l, backends: backends, log: log, ctx: ctx, cancel: cancel}
	f.running.Go(f.serve)
	return f, nil
}

// stop ends the listener and all of its connections, and waits for that.
func (f *forwarder) stop() {
	f.cancel()
	if err := f.listener.Close(); err != nil {
		f.log.Debug("listener", "err", err)
	}
	f.running.Wait()
}

func (f *forwarder) serve() {
	slots := make(chan struct{}, maxConnections)
	for {
		conn, err := f.listener.Accept()
		if err != nil {
			if errors.Is(err, net.ErrClosed) || sleep(f.ctx, 10*time.Millisecond) != nil {
				return
			}
			continue // out of files for a moment, or the client went away
		}
		slots <- struct{}{}
		f.running.Go(func() {
			defer func() { <-slots }()
			f.pass(conn)
		})
	}
}

func (f *forwarder) pass(client net.Conn) {
	defer client.Close()
	backend := f.dial()
	if backend == nil {
		if tcp, ok := client.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0) // a reset: nothing was served
		}
		return
	}
	defer backend.Close()
	defer context.AfterFunc(f.ctx, func() {
		client.Close()
		backend.Close()
	})()
	var up sync.WaitGroup
	up.Go(func() { relay(backend, client) })
	relay(client, backend)
	up.Wait()
}

// relay copies until from ends, and tells to that no more comes; the other
// direction goes on, as HTTP needs it to.
func relay(to, from net.Conn) {
	_, err := io.Copy(to, from)
	if tcp, ok := to.(*net.TCPConn); ok && err == nil {
		_ = tcp.CloseWrite()
		return
	}
	to.Close()
	from.Close()
}

func (f *forwarder) dial() net.Conn {
	addrs := f.backends()
	for i, at := range rand.Perm(len(addrs)) {
		if i == maxDials {
			break
		}
		ctx, cancel := context.WithTimeout(f.ctx, dialTimeout)
		var d net.Dialer
		conn, err := d.DialContext(ctx, "tcp", addrs[at])
		cancel()
		if err == nil {
			return conn
		}
		f.log.Debug("backend does not answer", "addr", addrs[at], "err", err)
	}
	return nil
}
