// Package broker runs the queue engine: a NATS server with JetStream and the
// schema of the reminders in it.
package broker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/loadline/loadline/deploy/examples/remindme/queue"
)

// Options configure a broker.
type Options struct {
	Host string // address to listen on; empty: all interfaces
	Port int    // client port; -1: any free one
	// ServerName must be unique in a cluster and stay the same over restarts.
	ServerName string
	StoreDir   string // holds the reminders
	MaxStore   int64  // bytes
	// SyncAlways writes every reminder through to the disk before it is
	// confirmed. Without it a crash of the machine (not of the process) can
	// lose the last ones.
	SyncAlways bool
	// ClusterPort and Routes join several brokers; none: a single broker.
	ClusterPort int
	Routes      []*url.URL
	Schema      queue.SchemaOptions
}

// Broker is a running queue engine.
type Broker struct {
	server *server.Server
	conn   *nats.Conn
	js     jetstream.JetStream
}

// Start returns once clients can connect; the schema may not stand yet (see
// Prepare). The caller must Close the broker.
func Start(o Options, log *slog.Logger) (*Broker, error) {
	srv, err := server.NewServer(serverOptions(o))
	if err != nil {
		return nil, fmt.Errorf("queue server: %w", err)
	}
	srv.SetLoggerV2(natsLogger{log}, false, false, false)
	srv.Start()
	b := &Broker{server: srv}
	if !srv.ReadyForConnections(10 * time.Second) {
		b.Close()
		return nil, errors.New("queue server: not ready for connections within 10s; is the port taken?")
	}
	if b.conn, err = queue.Connect("", "remindme-queue", log, nats.InProcessServer(srv)); err != nil {
		b.Close()
		return nil, err
	}
	if b.js, err = jetstream.New(b.conn, jetstream.WithDefaultTimeout(2*time.Second)); err != nil {
		b.Close()
		return nil, err
	}
	return b, nil
}

func serverOptions(o Options) *server.Options {
	host := o.Host
	if host == "" {
		host = "0.0.0.0"
	}
	so := &server.Options{
		ServerName:        o.ServerName,
		Host:              host,
		Port:              o.Port,
		NoSigs:            true, // the command handles them
		JetStream:         true,
		StoreDir:          o.StoreDir,
		JetStreamMaxStore: o.MaxStore,
		// Nothing is kept in memory streams, but 0 would mean three quarters
		// of the machine's memory.
		JetStreamMaxMemory: 1 << 20,
		SyncAlways:         o.SyncAlways,
		MaxPayload:         64 << 10,
		MaxConn:            1000,
		WriteDeadline:      5 * time.Second,
		PingInterval:       10 * time.Second,
		MaxPingsOut:        2,
	}
	if o.ClusterPort != 0 {
		// Clients come through a Service, which outlives the servers' addresses.
		so.Cluster = server.ClusterOpts{Name: "remindme", Host: host, Port: o.ClusterPort, NoAdvertise: true}
		so.Routes = o.Routes
	}
	return so
}

// URL is where clients connect.
func (b *Broker) URL() string { return b.server.ClientURL() }

// JetStream gives access to the engine from inside the process.
func (b *Broker) JetStream() jetstream.JetStream { return b.js }

// Prepare brings the schema up to date, and keeps trying until it is or ctx
// ends: a cluster needs a majority of its servers first.
func (b *Broker) Prepare(ctx context.Context, o queue.SchemaOptions, log *slog.Logger) error {
	for {
		err := b.prepare(ctx, o)
		if err == nil {
			return nil
		}
		log.Warn("schema not ready, trying again", "err", err)
		select {
		case <-ctx.Done():
			return fmt.Errorf("schema: %w (last: %w)", ctx.Err(), err)
		case <-time.After(500 * time.Millisecond):
		}
	}
}

func (b *Broker) prepare(ctx context.Context, o queue.SchemaOptions) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	return queue.EnsureSchema(ctx, b.js, o)
}

// Close stops the engine and waits until its files are closed.
func (b *Broker) Close() {
	if b.conn != nil {
		b.conn.Close()
	}
	b.server.Shutdown()
	b.server.WaitForShutdown()
}
