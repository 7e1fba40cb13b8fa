package prometheus

import (
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"
)

// bodyTransport asks for gzip and hands out bodies that are decompressed, end at a
// limit, and tell a broken connection from a broken answer.
type bodyTransport struct {
	limit int64
	flag  string // that sets the limit
	next  http.RoundTripper
}

func (t *bodyTransport) RoundTrip(request *http.Request) (*http.Response, error) {
	request = request.Clone(request.Context())
	request.Header.Set("Accept-Encoding", "gzip")
	response, err := t.next.RoundTrip(request)
	if err != nil {
		return nil, err
	}
	body := &limitedBody{raw: response.Body, limit: t.limit, flag: t.flag, gzipped: response.Header.Get("Content-Encoding") == "gzip"}
	body.content = &connection{response.Body}
	response.Body = body
	if body.gzipped {
		response.Header.Del("Content-Encoding")
		response.ContentLength = -1
	}
	return response, nil
}

func (t *bodyTransport) CloseIdleConnections() {
	if closer, ok := t.next.(interface{ CloseIdleConnections() }); ok {
		closer.CloseIdleConnections()
	}
}

// connection marks errors of the connection.
type connection struct{ io.Reader }

// brokenError: the connection failed in the middle of an answer.
type brokenError struct{ error }

func (e *brokenError) Unwrap() error { return e.error }

func (c *connection) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = &brokenError{err}
	}
	return n, err
}

type limitedBody struct {
	raw         io.Closer
	content     io.Reader
	gzipped     bool
	read, limit int64
	flag        string
}

// tooLargeError: the answer has more bytes than we are ready to read.
type tooLargeError struct {
	limit int64
	flag  string
}

func (e *tooLargeError) Error() string {
	return fmt.Sprintf("the answer has more than %d bytes: ask for less, or raise %s", e.limit, e.flag)
}

func (b *limitedBody) Read(p []byte) (int, error) {
	if b.gzipped { // here and not before: reading gzip's header waits for the source
		reader, err := gzip.NewReader(b.content)
		if err != nil {
			return 0, err
		}
		b.content, b.gzipped = reader, false
	}
	n, err := b.content.Read(p)
	if b.read += int64(n); b.read > b.limit {
		return 0, &tooLargeError{limit: b.limit, flag: b.flag}
	}
	return n, err
}

func (b *limitedBody) Close() error { return b.raw.Close() }
