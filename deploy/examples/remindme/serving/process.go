package serving

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Process is the frame around a program's work: its probes and metrics are
// served from before the work starts until after it has ended.
type Process struct {
	Options Options
	Metrics prometheus.Gatherer
	// Ready returns why the process is not ready, or nil.
	Ready func() error
	Log   *slog.Logger
}

// Run runs work until it returns. Work has to return some time after ctx
// ends. /readyz fails from the moment ctx ends.
//
// Probes and metrics have a port of their own, so that they are never counted
// as load.
func (p Process) Run(ctx context.Context, work func(context.Context) error) error {
	ln, err := Listen(p.Options.Host, p.Options.MetricsPort)
	if err != nil {
		return err
	}
	p.Log.Info("probes and metrics", "address", ln.Addr().String())
	return p.run(ctx, ln, work)
}

// Serve runs an HTTP service on the options' port until ctx ends. See HTTP.
func (p Process) Serve(ctx context.Context, h http.Handler) error {
	return p.Run(ctx, func(ctx context.Context) error {
		ln, err := Listen(p.Options.Host, p.Options.Port)
		if err != nil {
			return err
		}
		p.Log.Info("serving", "address", ln.Addr().String())
		return HTTP(ctx, ln, h, p.Options, p.Log)
	})
}

func (p Process) run(ctx context.Context, ln net.Listener, work func(context.Context) error) error {
	workCtx, stopWork := context.WithCancel(ctx)
	defer stopWork()
	adminCtx, stopAdmin := context.WithCancel(context.WithoutCancel(ctx))
	defer stopAdmin()

	admin := make(chan error, 1)
	go func() {
		defer stopWork() // without probes the process would be killed soon anyway
		admin <- HTTP(adminCtx, ln, p.admin(ctx), Options{Grace: time.Second}, p.Log)
	}()
	err := work(workCtx)
	stopAdmin()
	return errors.Join(err, <-admin)
}

func (p Process) admin(ctx context.Context) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(p.Metrics, promhttp.HandlerOpts{Timeout: 5 * time.Second, MaxRequestsInFlight: 4}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { reply(w, nil) })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if ctx.Err() != nil {
			reply(w, errors.New("stopping"))
			return
		}
		reply(w, p.Ready())
	})
	return mux
}

func reply(w http.ResponseWriter, err error) {
	if err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	_, _ = w.Write([]byte("ok\n"))
}
