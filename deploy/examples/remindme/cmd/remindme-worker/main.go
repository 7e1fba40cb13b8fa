// Command remindme-worker processes due reminders.
package main

import (
	"context"
	"flag"
	"log/slog"
	"os"
	"time"

	"github.com/loadline/loadline/deploy/examples/remindme/queue"
	"github.com/loadline/loadline/deploy/examples/remindme/serving"
	"github.com/loadline/loadline/deploy/examples/remindme/worker"
)

func main() { os.Exit(serving.Main(run)) }

func run(ctx context.Context, args []string, log *slog.Logger) error {
	var o serving.Options
	fs := flag.NewFlagSet("remindme-worker", flag.ContinueOnError)
	o.AddFlags(fs)
	queueURL := fs.String("queue-url", "nats://remindme-queue:4222", "address of the queue")
	workTime := fs.Duration("work-time", 200*time.Millisecond, "how long the work on one reminder takes")
	concurrency := fs.Int("concurrency", 1, "reminders processed at the same time")
	if err := serving.Parse(fs, args, os.Getenv, os.Stderr); err != nil {
		return err
	}
	nc, ready, err := queue.Open(*queueURL, "remindme-worker", log)
	if err != nil {
		return err
	}
	defer nc.Close()
	reg := serving.NewRegistry()
	metrics := worker.NewMetrics(reg)
	p := serving.Process{Options: o, Metrics: reg, Ready: ready, Log: log}
	return p.Run(ctx, func(ctx context.Context) error {
		opts := worker.Options{Concurrency: *concurrency, Grace: o.Grace}
		return worker.Run(ctx, nc, opts, worker.Wait(*workTime), metrics, log)
	})
}
