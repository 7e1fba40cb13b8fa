package prometheus

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/loadline/loadline/provider/source"
)

// broken explains why a call has no answer: none came, or it cannot be read.
func (s *Source) broken(ctx context.Context, err error) error {
	if _, ok := errors.AsType[*source.Error](err); ok {
		return err
	}
	_, request := errors.AsType[*url.Error](err)
	_, connection := errors.AsType[*brokenError](err)
	tooLarge, limit := errors.AsType[*tooLargeError](err)
	switch {
	case limit:
		return &source.Error{Kind: source.Oversized, Text: tooLarge.Error(), Err: err}
	case request, connection, ctx.Err() != nil:
		return s.unanswered(ctx, err)
	default:
		return malformed(err)
	}
}

// unanswered explains a request that got no complete answer.
func (s *Source) unanswered(ctx context.Context, err error) error {
	if request, ok := errors.AsType[*url.Error](err); ok {
		err = request.Err // the rest repeats the URL, whose parameters may be secret
	}
	var network net.Error
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		return &source.Error{Kind: source.Canceled, Text: "the call was canceled", Err: context.Canceled}
	case ctx.Err() != nil, errors.As(err, &network) && network.Timeout():
		return &source.Error{Kind: source.Timeout, Text: fmt.Sprintf("%s did not answer in time", s.host), Err: err}
	}
	text := fmt.Sprintf("%s: %s", s.host, excerpt([]byte(err.Error())))
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		text += ": check --prometheus-ca-file"
	}
	return &source.Error{Kind: source.Unavailable, Text: text, Err: err}
}

// malformed describes a body that is no answer.
func malformed(err error) error {
	text, quotes := "the answer is not the JSON of a Prometheus API: "+excerpt([]byte(err.Error())), true
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok && strings.HasPrefix(syntax.Error(), "invalid character '<'") {
		text, quotes = "the answer is a web page, not the JSON of a Prometheus API: check --prometheus-url, and whether a login page is in between", false
	}
	return &source.Error{Kind: source.Malformed, Text: text, Quotes: quotes, Err: err}
}

// apiError is the part of an answer that reports an error.
type apiError struct {
	Status    string `json:"status"`
	ErrorType string `json:"errorType"`
	Error     string `json:"error"`
}

// statusError explains an answer with a status other than 2xx.
func statusError(response *http.Response, body []byte) error {
	var said apiError
	text := fmt.Sprintf("status %d", response.StatusCode)
	if json.Unmarshal(body, &said) == nil && said.Error != "" {
		text += ": " + excerpt([]byte(said.Error))
	} else if begin := excerpt(body); begin != "" && !strings.HasPrefix(begin, "<") {
		text += ": " + begin
	}
	code := response.StatusCode
	kind := source.Rejected
	switch {
	case code/100 == 3:
		text = fmt.Sprintf("it redirects (status %d)%s, which is not followed: give the final address in --prometheus-url", code, redirectTarget(response))
	case code == http.StatusUnauthorized, code == http.StatusForbidden, code == http.StatusProxyAuthRequired:
		text += ": check the credentials and what they allow"
	case code == http.StatusNotFound:
		text += ": check the path in --prometheus-url"
	case code == http.StatusMethodNotAllowed:
		text += ": try the other --prometheus-verb"
	case code == http.StatusRequestTimeout, code == http.StatusGatewayTimeout:
		kind = source.Timeout
	case code == http.StatusTooManyRequests, code/100 == 5:
		kind = source.Unavailable
	}
	if said.ErrorType == "timeout" {
		kind = source.Timeout
	}
	return &source.Error{Kind: kind, Text: text, Quotes: true}
}

func redirectTarget(response *http.Response) string {
	target, err := response.Location()
	if err != nil || target.Host == "" {
		return ""
	}
	return " to " + excerpt([]byte(target.Scheme+"://"+target.Host))
}

// reported explains status "error" in an answer with a good HTTP status.
func reported(said apiError) error {
	kind := source.Rejected
	switch said.ErrorType {
	case "timeout":
		kind = source.Timeout
	case "internal", "unavailable", "canceled":
		kind = source.Unavailable
	}
	return &source.Error{Kind: kind, Text: excerpt([]byte(said.ErrorType + ": " + said.Error)), Quotes: true}
}

// excerptOf reads the beginning of a body that is not an answer.
func excerptOf(body io.Reader) []byte {
	begin, _ := io.ReadAll(io.LimitReader(body, 64<<10))
	return begin
}

// excerpt is source.Excerpt of what somebody else sent.
func excerpt(text []byte) string { return source.Excerpt(string(text)) }
