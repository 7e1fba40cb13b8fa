// Command remindmeapi is the API of Remind Me.
package main

import (
	"context"
	"errors"
	"flag"
	"log/slog"
	"os"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/loadline/loadline/deploy/examples/remindme/api"
	"github.com/loadline/loadline/deploy/examples/remindme/queue"
	"github.com/loadline/loadline/deploy/examples/remindme/serving"
)

// version is set by the linker: -X main.version=v2.
var version = "v1"

func main() { os.Exit(serving.Main(run)) }

func run(ctx context.Context, args []string, log *slog.Logger) error {
	var o serving.Options
	fs := flag.NewFlagSet("remindmeapi", flag.ContinueOnError)
	o.AddFlags(fs)
	queueURL := fs.String("queue-url", "nats://remindme-queue:4222", "address of the queue")
	limit := fs.Uint64("max-reminders", 100_000, "refuse new reminders when so many wait")
	if err := serving.Parse(fs, args, os.Getenv, os.Stderr); err != nil {
		return err
	}
	v, err := api.ParseVersion(version)
	if err != nil {
		return err
	}
	// Ready once the queue was seen. Later outages of it do not make the
	// process unready: all replicas would vanish at once, and a refusal with
	// a reason is a better answer than none.
	var seen atomic.Bool
	nc, err := queue.Connect(*queueURL, "remindmeapi", log, nats.ConnectHandler(func(*nats.Conn) {
		seen.Store(true)
		log.Info("queue connected")
	}))
	if err != nil {
		return err
	}
	defer nc.Close()
	client, err := queue.NewClient(nc, *limit, time.Now)
	if err != nil {
		return err
	}
	reg := serving.NewRegistry()
	handler := serving.Instrument(reg, api.New(v, client, time.Now, log))
	ready := func() error {
		if !seen.Load() {
			return errors.New("not yet connected to the queue at " + *queueURL)
		}
		return nil
	}
	p := serving.Process{Options: o, Metrics: reg, Ready: ready, Log: log}
	return p.Run(ctx, func(ctx context.Context) error {
		ln, err := serving.Listen(o.Host, o.Port)
		if err != nil {
			return err
		}
		log.Info("serving", "version", version, "address", ln.Addr().String())
		return serving.HTTP(ctx, ln, handler, o, log)
	})
}
