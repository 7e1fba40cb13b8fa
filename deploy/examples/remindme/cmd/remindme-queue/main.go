// Command remindme-queue is the queue engine of Remind Me.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/loadline/loadline/deploy/examples/remindme/broker"
	"github.com/loadline/loadline/deploy/examples/remindme/queue"
	"github.com/loadline/loadline/deploy/examples/remindme/serving"
)

func main() { os.Exit(serving.Main(run)) }

func run(ctx context.Context, args []string, log *slog.Logger) error {
	var o serving.Options
	var b broker.Options
	fs := flag.NewFlagSet("remindme-queue", flag.ContinueOnError)
	o.AddFlags(fs)
	fs.StringVar(&b.ServerName, "server-name", "remindme-queue-0", "name of this server, unique in its cluster and the same after a restart")
	fs.StringVar(&b.StoreDir, "store-dir", "/data", "directory of the reminders")
	fs.Int64Var(&b.MaxStore, "max-store", 1<<30, "bytes the reminders may take")
	fs.BoolVar(&b.SyncAlways, "sync-always", true, "write each reminder through to the disk before confirming it")
	fs.IntVar(&b.ClusterPort, "cluster-port", 0, "port for other servers of the cluster; 0: a single server")
	routes := fs.String("routes", "", "other servers of the cluster, nats://HOST:PORT, separated by commas")
	fs.IntVar(&b.Schema.Replicas, "stream-replicas", 1, "copies of each reminder: 1, or 3 in a cluster of three")
	fs.DurationVar(&b.Schema.AckWait, "ack-wait", 10*time.Second, "silence of a worker after which its reminder is delivered again")
	if err := fs.Set("listen-port", "4222"); err != nil {
		return err
	}
	if err := serving.Parse(fs, args, os.Getenv, os.Stderr); err != nil {
		return err
	}
	b.Host, b.Port = o.Host, o.Port
	var err error
	if b.Routes, err = parseRoutes(*routes); err != nil {
		return err
	}
	return serve(ctx, o, b, log)
}

func serve(ctx context.Context, o serving.Options, b broker.Options, log *slog.Logger) error {
	srv, err := broker.Start(b, log)
	if err != nil {
		return err
	}
	defer srv.Close()
	read := func(ctx context.Context) (queue.Depth, error) { return queue.ReadDepth(ctx, srv.JetStream()) }
	reg := serving.NewRegistry()
	reg.MustRegister(broker.NewCollector(read, time.Now, log))

	var prepared atomic.Bool
	ready := func() error {
		if !prepared.Load() {
			return errors.New("the stream of reminders is not available yet")
		}
		return nil
	}
	p := serving.Process{Options: o, Metrics: reg, Ready: ready, Log: log}
	return p.Run(ctx, func(ctx context.Context) error {
		if err := srv.Prepare(ctx, b.Schema, log); err != nil {
			if ctx.Err() != nil {
				return nil // asked to stop before it was ready
			}
			return err
		}
		prepared.Store(true)
		log.Info("queue ready", "url", srv.URL())
		<-ctx.Done()
		return nil
	})
}

func parseRoutes(s string) ([]*url.URL, error) {
	if s == "" {
		return nil, nil
	}
	var routes []*url.URL
	for i, part := range strings.Split(s, ",") {
		u, err := url.Parse(strings.TrimSpace(part))
		if err != nil || u.Scheme != "nats" || u.Host == "" {
			return nil, fmt.Errorf("routes: entry %d: %q is not nats://HOST:PORT", i+1, part)
		}
		routes = append(routes, u)
	}
	return routes, nil
}
