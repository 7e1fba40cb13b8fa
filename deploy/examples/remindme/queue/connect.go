package queue

import (
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
)

// Connect returns a connection that keeps trying, at first and after every
// loss, so that a restart of the queue needs no restart of its clients. Calls
// made while it is away fail by their own deadlines.
func Connect(url, name string, log *slog.Logger, extra ...nats.Option) (*nats.Conn, error) {
	opts := []nats.Option{
		nats.Name(name),
		nats.Timeout(2 * time.Second),
		nats.RetryOnFailedConnect(true),
		nats.MaxReconnects(-1),
		nats.ReconnectWait(250 * time.Millisecond),
		nats.ReconnectJitter(250*time.Millisecond, 250*time.Millisecond),
		nats.PingInterval(10 * time.Second),
		nats.MaxPingsOutstanding(2),
		// Requests that wait out an outage in a buffer would be executed
		// after their callers were told that they failed.
		nats.ReconnectBufSize(-1),
		nats.ConnectHandler(func(*nats.Conn) { log.Info("queue connected") }),
		nats.ReconnectHandler(func(*nats.Conn) { log.Info("queue connected again") }),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) { log.Warn("queue connection lost", "err", err) }),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { log.Warn("queue", "err", err) }),
	}
	return nats.Connect(url, append(opts, extra...)...)
}

// Open is Connect for a process whose work is the queue's. It is ready once the
// queue was seen. Later outages of the queue do not make it unready: all
// replicas would vanish at once, and a refusal with a reason is a better answer
// than none.
func Open(url, name string, log *slog.Logger) (nc *nats.Conn, ready func() error, err error) {
	var seen atomic.Bool
	nc, err = Connect(url, name, log, nats.ConnectHandler(func(*nats.Conn) {
		seen.Store(true)
		log.Info("queue connected")
	}))
	return nc, func() error {
		if !seen.Load() {
			return fmt.Errorf("not yet connected to the queue at %s", url)
		}
		return nil
	}, err
}
