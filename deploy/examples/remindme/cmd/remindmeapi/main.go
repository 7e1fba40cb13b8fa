// Command remindmeapi is the API of Remind Me.
package main

import (
	"context"
	"flag"
	"log/slog"
	"os"
	"time"

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
	nc, ready, err := queue.Open(*queueURL, "remindmeapi", log)
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
	log.Info("starting", "version", version)
	p := serving.Process{Options: o, Metrics: reg, Ready: ready, Log: log}
	return p.Serve(ctx, handler)
}
