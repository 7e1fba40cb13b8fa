package scrape

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/loadline/loadline/provider/source/embedded/exposition"
)

// relay stands between Prometheus' scrapes and the targets, within the process: a scrape asks
// it, it asks the target, and of the answer hands on what somebody wants. Prometheus' library
// has no place for that, and remembers all that it was ever handed: a pod of a million series
// that nobody asked for would cost all of the others their memory.
//
// It is dialled as any target is, and speaks HTTP over a pipe.
type relay struct {
	config Config
	client *http.Client
	names  *names

	ctx  context.Context // of all that it asks
	stop context.CancelFunc
	mu   sync.Mutex // nothing is begun while it is stopped: a client dials on after it has given up
	wg   sync.WaitGroup
}

// statusFailed is what a scrape is told where the target gave no answer that it can use; the
// reason is behind it.
const statusFailed = 599

const (
	maxHeader = 64 << 10 // bytes
	maxIdle   = 1000     // connections to one address, of an exporter with many targets
	maxZip    = 64 << 10 // bytes by which what is compressed may be longer: of nothing it can be any number
)

// errBodySize ends an answer of which more came than one may have.
var errBodySize = errors.New("body size limit exceeded")

func newRelay(c Config, d *dialer, names *names) *relay {
	r := &relay{config: c, names: names}
	r.ctx, r.stop = context.WithCancel(context.Background())
	r.client = &http.Client{
		Transport: &http.Transport{
			DialContext:            d.dial,
			TLSClientConfig:        &tls.Config{InsecureSkipVerify: true}, // why: endpoint.ParseScheme
			TLSHandshakeTimeout:    c.Timeout,                             // it goes on after who wants it has given up
			MaxIdleConnsPerHost:    maxIdle,
			IdleConnTimeout:        max(idleConnection, 3*c.Interval),
			MaxResponseHeaderBytes: maxHeader,
			DisableCompression:     true, // the scrape asks for it, and what it makes of it counts here
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return r
}

// close ends all that is asked, and waits for it.
func (r *relay) close() {
	r.mu.Lock()
	r.stop()
	r.mu.Unlock()
	r.wg.Wait()
	r.client.CloseIdleConnections()
}

// dial is what a scrape dials in the place of its target.
func (r *relay) dial(context.Context, string, string) (net.Conn, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.ctx.Err(); err != nil {
		return nil, err
	}
	ours, theirs := net.Pipe()
	r.wg.Go(func() {
		defer ours.Close()
		defer context.AfterFunc(r.ctx, func() { ours.Close() })()
		r.serve(ours)
	})
	return theirs, nil
}

// serve answers the one request that comes through a pipe. That who asks gives up earlier does
// not matter: it has the same time.
func (r *relay) serve(pipe net.Conn) {
	ctx, cancel := context.WithTimeout(r.ctx, r.config.Timeout)
	defer cancel()
	if err := pipe.SetDeadline(time.Now().Add(2 * r.config.Timeout)); err != nil {
		return
	}
	in := requests.Get().(*bufio.Reader)
	defer requests.Put(in)
	in.Reset(pipe)
	request, err := http.ReadRequest(in)
	if err != nil {
		return
	}
	body := answers.Get().(*bytes.Buffer)
	defer putAnswer(body)
	answer := http.Response{ProtoMajor: 1, ProtoMinor: 1, StatusCode: http.StatusOK, Header: http.Header{}, Close: true}
	kind, err := r.ask(ctx, request, body)
	if err != nil {
		body.Reset()
		answer.StatusCode = statusFailed
		answer.Status = fmt.Sprint(statusFailed, " ", oneLine(err))
	}
	answer.Header.Set("Content-Type", kind)
	answer.ContentLength, answer.Body = int64(body.Len()), io.NopCloser(body)
	_ = answer.Write(pipe)
}

// ask asks a target what a scrape asks, and puts what is wanted of its answer into body.
func (r *relay) ask(ctx context.Context, of *http.Request, body *bytes.Buffer) (contentType string, err error) {
	to, ok := parseRelayed(of.URL.RequestURI())
	if !ok {
		return "", fmt.Errorf("%q is not asked for", of.URL.Path)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, to.scheme+"://"+of.Host+to.path, http.NoBody)
	if err != nil {
		return "", err
	}
	for _, name := range []string{"Accept", "Accept-Encoding", "User-Agent", "X-Prometheus-Scrape-Timeout-Seconds"} {
		request.Header[name] = of.Header[name]
	}
	answer, err := r.client.Do(request)
	if err != nil {
		return "", errors.Unwrap(err) // which is without the URL: it is one of a target that is named
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		if answer.StatusCode != http.StatusSwitchingProtocols { // the connection is ours then, and nothing ends a read of it
			_, _ = io.CopyN(io.Discard, answer.Body, 4<<10) // so that the connection is kept
		}
		return "", fmt.Errorf("the target answers with HTTP status %d %s", answer.StatusCode, http.StatusText(answer.StatusCode))
	}
	contentType = answer.Header.Get("Content-Type")
	if kind, _, _ := mime.ParseMediaType(contentType); kind == "application/vnd.google.protobuf" {
		return "", errors.New("the target answers in protobuf, which it was not asked for")
	}
	from := io.Reader(answer.Body)
	switch encoding := answer.Header.Get("Content-Encoding"); encoding {
	case "", "identity":
	case "gzip":
		unzip := unzippers.Get().(*gzip.Reader)
		defer unzippers.Put(unzip)
		if err := unzip.Reset(&capped{answer.Body, min(r.config.BodySizeLimit, 1<<62) + maxZip}); err != nil {
			return "", err
		}
		from = unzip
	default:
		return "", fmt.Errorf("the target answers in the encoding %.32q, which it was not asked for", encoding)
	}
	lines := readers.Get().(*bufio.Reader)
	defer readers.Put(lines)
	lines.Reset(&capped{from, r.config.BodySizeLimit})
	keep := r.names.of(to.within)
	if keep == nil {
		_, err = body.ReadFrom(lines)
		return contentType, err
	}
	return contentType, exposition.Strip(body, lines, keep, r.config.SampleLimit)
}

// capped is a reader of at most left bytes.
type capped struct {
	io.Reader
	left int64
}

func (c *capped) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	if c.left -= int64(n); c.left < 0 {
		return 0, errBodySize
	}
	return n, err
}

// oneLine is an error as a status line may have it, which ends it at a length that no reason of
// ours has.
func oneLine(err error) string {
	text := strings.Map(func(c rune) rune {
		if c < ' ' || c > '~' {
			return ' '
		}
		return c
	}, err.Error())
	return text[:min(len(text), 300)]
}

// What a scrape needs, for the next one: a thousand pods are scraped by a few at a time.
var (
	requests  = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, 1<<10) }}
	readers   = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, 16<<10) }}
	unzippers = sync.Pool{New: func() any { return new(gzip.Reader) }}
	answers   = sync.Pool{New: func() any { return new(bytes.Buffer) }}
)

// putAnswer gives a buffer back, unless it is one that few need.
func putAnswer(body *bytes.Buffer) {
	if body.Cap() <= 64<<10 {
		body.Reset()
		answers.Put(body)
	}
}
