package scrape_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"io"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/loadline/loadline/provider/source/embedded/engine"
	"github.com/loadline/loadline/provider/source/embedded/scrape"
	"github.com/loadline/loadline/provider/source/embedded/target"
	"github.com/loadline/loadline/provider/source/embedded/wanted"
)

// peer is a pod that does with its connections what it likes.
type peer struct {
	target.Target
	open atomic.Int64 // connections
	hang func()
}

// listens returns a pod that speaks to each who connects. Its connections stay open until who
// connected closes them, or hang is called.
func listens(t testing.TB, speak func(net.Conn)) *peer {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &peer{Target: target.Target{Namespace: "shop", Pod: "a", Node: "n1", Address: netip.MustParseAddrPort(listener.Addr().String()), Scheme: "http", Path: "/metrics"}}
	var wg sync.WaitGroup
	var mu sync.Mutex
	var conns []net.Conn
	wg.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			conns = append(conns, conn)
			mu.Unlock()
			p.open.Add(1)
			wg.Go(func() {
				defer p.open.Add(-1)
				defer conn.Close()
				speak(conn)
				_, _ = io.Copy(io.Discard, conn)
			})
		}
	})
	p.hang = sync.OnceFunc(func() {
		listener.Close()
		mu.Lock()
		for _, c := range conns {
			c.Close()
		}
		mu.Unlock()
		wg.Wait()
	})
	t.Cleanup(p.hang)
	return p
}

// A connection that was handed over to another protocol is nobody's but the reader's: no
// time-out ends it.
func TestAnotherProtocol(t *testing.T) {
	p := listens(t, func(c net.Conn) {
		// Who answers before he is asked fails otherwise, now and then.
		if _, err := http.ReadRequest(bufio.NewReader(c)); err != nil {
			return
		}
		_, _ = io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
	})
	w := start(t)
	t.Cleanup(p.hang) // before the scrapes are waited for
	w.Set([]target.Target{p.Target}, loopback(), wanted.Everything())
	w.fails(p.Target, "101")
	time.Sleep(10 * interval)
	if n := p.open.Load(); n > 2 {
		t.Errorf("%d connections are open of a target that is asked one thing at a time", n)
	}
}

// Who takes connections and says nothing holds no more of them than one scrape needs.
func TestNoHandshake(t *testing.T) {
	p := listens(t, func(net.Conn) {})
	p.Scheme = "https"
	w := start(t)
	w.Set([]target.Target{p.Target}, loopback(), wanted.Everything())
	w.fails(p.Target, "")
	time.Sleep(10 * interval)
	if n := p.open.Load(); n > 3 {
		t.Errorf("%d connections are open of a target that is asked one thing at a time", n)
	}
}

// What is decompressed to nothing is read no longer than what is decompressed to something.
func TestNothingCompressedNeverEnds(t *testing.T) {
	var empty bytes.Buffer
	if err := gzip.NewWriter(&empty).Close(); err != nil {
		t.Fatal(err)
	}
	nothing := bytes.Repeat(empty.Bytes(), 1<<10)
	p := pod(t, "a", exporter(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		for r.Context().Err() == nil {
			if _, err := w.Write(nothing); err != nil {
				return
			}
		}
	}))
	w := start(t, func(c *scrape.Config, _ *engine.Config) { c.Interval, c.BodySizeLimit = time.Second, 1<<16 })
	w.Set([]target.Target{p}, loopback(), wanted.Everything())
	w.fails(p, "body size limit exceeded")
}
