package scrape_test

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/loadline/loadline/provider/source/embedded/engine"
	"github.com/loadline/loadline/provider/source/embedded/scrape"
	"github.com/loadline/loadline/provider/source/embedded/target"
	"github.com/loadline/loadline/provider/source/embedded/wanted"
)

// What comes beyond the limit of a body is not read to be thrown away, until the time-out, as
// fast as somebody likes to send it.
func TestWhatNeverEndsIsNotReadOn(t *testing.T) {
	text := []byte(strings.Repeat("# nothing\n", 1<<12))
	for name, status := range map[string]int{"well": http.StatusOK, "with an error": http.StatusInternalServerError} {
		t.Run(name, func(t *testing.T) {
			var sent atomic.Int64
			p := pod(t, "a", exporter(t, func(w http.ResponseWriter, r *http.Request) {
				w.WriteHeader(status)
				for r.Context().Err() == nil {
					n, err := w.Write(text)
					if sent.Add(int64(n)); err != nil {
						return
					}
				}
			}))
			w := start(t, func(c *scrape.Config, _ *engine.Config) { c.Interval, c.BodySizeLimit = time.Second, 1<<16 })
			w.Set([]target.Target{p}, loopback(), wanted.Everything())
			w.fails(p, map[int]string{http.StatusOK: "body size limit exceeded", http.StatusInternalServerError: "500"}[status])
			time.Sleep(100 * time.Millisecond)
			const most = 32 << 20 // what the buffers of sockets hold in two scrapes
			if n := sent.Load(); n > most {
				t.Errorf("%d MB were taken of a body that may have 64 KB", n>>20)
			}
		})
	}
}
