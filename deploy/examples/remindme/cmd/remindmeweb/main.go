// Command remindmeweb is the front of Remind Me.
package main

import (
	"context"
	"flag"
	"log/slog"
	"os"
	"time"

	"github.com/loadline/loadline/deploy/examples/remindme/api"
	"github.com/loadline/loadline/deploy/examples/remindme/serving"
	"github.com/loadline/loadline/deploy/examples/remindme/web"
)

// version is set by the linker: -X main.version=v2.
var version = "v1"

// spread is how long a new pod of the API waits for its share, at most.
const spread = 5 * time.Second

func main() { os.Exit(serving.Main(run)) }

func run(ctx context.Context, args []string, log *slog.Logger) error {
	var o serving.Options
	fs := flag.NewFlagSet("remindmeweb", flag.ContinueOnError)
	o.AddFlags(fs)
	apiURL := fs.String("api-url", "http://remindmeapi-service", "address of the API")
	if err := serving.Parse(fs, args, os.Getenv, os.Stderr); err != nil {
		return err
	}
	if _, err := api.ParseVersion(version); err != nil {
		return err
	}
	client, err := web.NewClient(*apiURL)
	if err != nil {
		return err
	}
	reg := serving.NewRegistry()
	handler := serving.Instrument(reg, web.New(version, client, time.Now, log))
	log.Info("starting", "version", version, "api", *apiURL)
	go client.Spread(ctx, spread)
	p := serving.Process{Options: o, Metrics: reg, Ready: func() error { return nil }, Log: log}
	return p.Serve(ctx, handler)
}
