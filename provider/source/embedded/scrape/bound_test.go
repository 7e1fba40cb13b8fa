package scrape_test

import (
	"fmt"
	"net/http"
	"runtime"
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

// What nobody wants costs nothing: a pod may export as much of it as a body may have, under as
// many names as it likes.
func TestWhatIsDroppedIsForgotten(t *testing.T) {
	for name, line := range map[string]string{
		"names": "a%x 1\n", "labels": "a{b=\"%x\"} 1\n", "help": "# HELP a%x b\n", "types": "# TYPE a%x counter\n", "quoted names": "{\"a.%x\"} 1\n",
	} {
		t.Run(name, func(t *testing.T) {
			var b strings.Builder
			for i := 0; b.Len() < scrape.DefaultBodySizeLimit-100; i++ {
				fmt.Fprintf(&b, line, i)
			}
			p := pod(t, "a", exporter(t, says(b.String())))
			w := start(t, func(c *scrape.Config, _ *engine.Config) { c.Interval = 2 * time.Second })
			before := heap()
			w.Set([]target.Target{p}, loopback(), wanted.Filter{})
			eventually(t, func() string {
				if s := w.Status(); len(s) != 1 || !s[0].Up {
					return fmt.Sprintf("it is not scraped: %v", s)
				}
				return ""
			})
			if more := (int64(heap()) - int64(before)) >> 20; more > 12 { // names are remembered, up to a number
				t.Errorf("one pod costs %d MB", more)
			}
		})
	}
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
