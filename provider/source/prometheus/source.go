package prometheus

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/api"

	"github.com/loadline/loadline/provider/source"
)

const (
	queryPath  = "/api/v1/query"
	seriesPath = "/api/v1/series"

	// maxURL is the longest request line that servers and proxies commonly take
	// (nginx: 8 KiB for the line with the method and the protocol). A query for many
	// objects by name is longer, and would fail there with a 414.
	maxURL = 8<<10 - 64
)

// Source queries one Prometheus-compatible server. It is safe for concurrent use.
type Source struct {
	config Config
	host   string
	api    api.Client
	query  *http.Client
	series *http.Client
	now    func() time.Time
}

// New returns a Source. It reads the configured files, so that a mistyped path is
// found at start, but does not call the server.
func New(c Config) (*Source, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	c = c.withDefaults()
	base, err := url.Parse(c.URL)
	if err != nil {
		return nil, err
	}
	transport, err := newTransport(c, base)
	if err != nil {
		return nil, c.inItsWords(err)
	}
	base.User = nil // the transport has it, and it must not get into errors
	bounded := func(limit int64, flag string) *http.Client {
		return newClient(&bodyTransport{limit: limit, flag: flag, next: transport})
	}
	query := bounded(c.MaxBytes, "--prometheus-max-answer-bytes")
	client, err := api.NewClient(api.Config{Address: base.String(), Client: query})
	if err != nil {
		return nil, err
	}
	return &Source{
		config: c,
		host:   base.Host,
		api:    client,
		query:  query,
		series: bounded(c.MaxSeriesBytes, "--prometheus-max-series-bytes"),
		now:    time.Now,
	}, nil
}

// CloseIdleConnections closes what is kept open between calls.
func (s *Source) CloseIdleConnections() { s.series.CloseIdleConnections() }

// Query evaluates a query at the source's present. The samples carry the time of
// that evaluation. Errors are *source.Error.
//
// No time is sent: by the source's own clock the newest samples are never in the
// future, and two clocks that differ cannot make data look older than it is.
func (s *Source) Query(ctx context.Context, promQL string) (source.Answer, error) {
	return s.QueryAtMost(ctx, promQL, 0)
}

// QueryAtMost is Query for an answer of which no more than the first samples are
// wanted, or all of them if most is 0: the rest is not read. Nor are warnings behind it.
func (s *Source) QueryAtMost(ctx context.Context, promQL string, most int) (source.Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, s.config.Timeout)
	defer cancel()
	parameters := url.Values{"query": {promQL}}
	if s.config.Lookback > 0 {
		parameters.Set("lookback_delta", strconv.FormatFloat(s.config.Lookback.Seconds(), 'f', -1, 64))
	}
	s.sendTimeout(ctx, parameters)
	var answer source.Answer
	err := s.call(ctx, s.query, queryPath, parameters, func(body io.Reader) (err error) {
		answer, err = decodeAnswer(body, s.config.MaxValues, most)
		return err
	})
	return answer, err
}

// Series returns the names of the series that match any of the selectors and had
// samples in the time since, each with its label names, ordered by name. Series
// without a name are left out. Memory grows with the distinct names, not with the
// series. Errors are *source.Error; with one that is Incomplete comes what was found.
func (s *Source) Series(ctx context.Context, selectors []string, since time.Duration) ([]source.Series, error) {
	ctx, cancel := context.WithTimeout(ctx, s.config.SeriesTimeout)
	defer cancel()
	var found []source.Series
	err := s.call(ctx, s.series, seriesPath, s.matching(selectors, since), func(body io.Reader) (err error) {
		found, err = decodeSeries(body)
		return err
	})
	return found, err
}

// matching are the parameters of a discovery.
func (s *Source) matching(selectors []string, since time.Duration) url.Values {
	parameters := url.Values{"match[]": selectors}
	if since > 0 {
		start := s.now().Add(-since)
		parameters.Set("start", strconv.FormatFloat(float64(start.UnixMilli())/1000, 'f', 3, 64))
	}
	return parameters
}

// call sends a request and has read read the body of a good answer. It goes past
// api.Client.Do, which hands out a body only as a whole: at the limits of size and
// concurrency that is most of the memory a replica has.
func (s *Source) call(ctx context.Context, client *http.Client, path string, parameters url.Values, read func(io.Reader) error) (err error) {
	defer func() { err = s.config.named(err) }()
	request, err := s.request(path, parameters)
	if err != nil {
		return err
	}
	response, err := client.Do(request.WithContext(ctx))
	if err != nil {
		return s.broken(ctx, err)
	}
	defer response.Body.Close()
	if response.StatusCode/100 != 2 {
		return statusError(response, excerptOf(response.Body))
	}
	if err := read(response.Body); err != nil {
		return s.broken(ctx, err)
	}
	return nil
}

// sendTimeout tells the source when we shall stop listening.
func (s *Source) sendTimeout(ctx context.Context, parameters url.Values) {
	if deadline, ok := ctx.Deadline(); ok {
		left := max(deadline.Sub(s.now()), time.Millisecond)
		parameters.Set("timeout", strconv.FormatInt(left.Milliseconds(), 10)+"ms")
	}
}

// request builds a request without a context, which comes with the call.
func (s *Source) request(path string, parameters url.Values) (*http.Request, error) {
	u := s.api.URL(path, nil) // keeps the path prefix and the configured parameters
	encoded := parameters.Encode()
	method, body := http.MethodPost, encoded
	if s.config.Method == http.MethodGet || path == namesPath { // which knows no other
		long := *u
		long.RawQuery = strings.TrimPrefix(u.RawQuery+"&"+encoded, "&")
		if len(long.RequestURI()) <= maxURL {
			method, u, body = http.MethodGet, &long, ""
		}
	}
	request, err := http.NewRequest(method, u.String(), strings.NewReader(body))
	if err != nil {
		return nil, &source.Error{Kind: source.Rejected, Text: "no request can be made of the configured URL"}
	}
	if method == http.MethodGet {
		return request, nil
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	// Not sent, but it tells net/http that this POST only reads, so that it is tried
	// again on a fresh connection when the kept one turns out to be closed.
	request.Header["Idempotency-Key"] = nil
	return request, nil
}
