package serving

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"time"
)

// Listen opens a TCP listener; an empty host means all interfaces.
func Listen(host string, port int) (net.Listener, error) {
	ln, err := net.Listen("tcp", net.JoinHostPort(host, strconv.Itoa(port)))
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	return ln, nil
}

// HTTP serves h on ln until ctx ends, then for o.Drain more, so that whoever
// still has the address is answered, then lets open requests finish within
// o.Grace. While it drains each answer closes its connection: a client that
// keeps one would otherwise send its next request when the listener has gone.
func HTTP(ctx context.Context, ln net.Listener, h http.Handler, o Options, log *slog.Logger) error {
	return serve(ctx, ln, h, func() { time.Sleep(o.Drain) }, o.Grace, log)
}

func serve(ctx context.Context, ln net.Listener, h http.Handler, drain func(), grace time.Duration, log *slog.Logger) error {
	srv := &http.Server{
		Handler:           http.MaxBytesHandler(leaving(ctx, h), 64<<10),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      20 * time.Second,
		IdleTimeout:       60 * time.Second,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(ln) }()
	select {
	case err := <-served:
		return fmt.Errorf("serve on %s: %w", ln.Addr(), err)
	case <-ctx.Done():
	}
	drain()
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	err := srv.Shutdown(end)
	if err != nil {
		err = errors.Join(fmt.Errorf("requests were still open after %s: %w", grace, err), srv.Close())
	}
	<-served
	return err
}

// leaving asks clients to open a new connection once ctx has ended.
func leaving(ctx context.Context, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if ctx.Err() != nil {
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, r)
	})
}
