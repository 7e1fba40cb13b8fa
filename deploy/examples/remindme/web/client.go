package web

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"
)

// maxAnswer bounds what is read of the API's answer, in bytes.
const maxAnswer = 1 << 20

// Entry is a reminder as the API lists it.
type Entry struct {
	ID    string    `json:"id"`
	Text  string    `json:"text"`
	Due   time.Time `json:"due"`
	State string    `json:"state"`
}

// Client calls the API.
type Client struct {
	base *url.URL
	http *http.Client
}

// NewClient returns a client of the API at base. Its connections live until
// CloseIdle is called.
func NewClient(base string) (*Client, error) {
	u, err := url.Parse(base)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return nil, fmt.Errorf("API URL %q: must be http://HOST[:PORT] or https://…", base)
	}
	return &Client{base: u, http: &http.Client{
		// A little more than the API takes before it answers that it cannot.
		Timeout:       4500 * time.Millisecond,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			DialContext:         (&net.Dialer{Timeout: time.Second}).DialContext,
			MaxIdleConnsPerHost: 64,
			IdleConnTimeout:     30 * time.Second,
		},
	}}, nil
}

// Spread closes the connections that are not in use, every so often, until ctx
// ends. A Service chooses a pod for each connection, not for each request:
// without this, new pods of the API would get no share of the load.
func (c *Client) Spread(ctx context.Context, every time.Duration) {
	t := time.NewTicker(every)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			c.CloseIdle()
		}
	}
}

// CloseIdle closes the connections that are not in use.
func (c *Client) CloseIdle() { c.http.CloseIdleConnections() }

// List returns up to limit waiting reminders.
func (c *Client) List(ctx context.Context, limit int) ([]Entry, error) {
	var out struct {
		Reminders []Entry `json:"reminders"`
	}
	q := url.Values{"limit": {fmt.Sprint(limit)}}
	if err := c.call(ctx, http.MethodGet, "reminders", q, nil, http.StatusOK, &out); err != nil {
		return nil, err
	}
	return out.Reminders, nil
}

// Create stores a reminder; a zero due means now.
func (c *Client) Create(ctx context.Context, text string, due time.Time) error {
	body := map[string]any{"text": text}
	if !due.IsZero() {
		body["due"] = due.UTC()
	}
	return c.call(ctx, http.MethodPost, "reminders", nil, body, http.StatusCreated, nil)
}

// Delete removes a waiting reminder.
func (c *Client) Delete(ctx context.Context, id string) error {
	return c.call(ctx, http.MethodDelete, "reminders/"+url.PathEscape(id), nil, nil, http.StatusNoContent, nil)
}

// StatusError is an answer of the API other than the one hoped for.
type StatusError struct {
	Code    int
	Message string
}

func (e *StatusError) Error() string { return fmt.Sprintf("API: %d: %s", e.Code, e.Message) }

func (c *Client) call(ctx context.Context, method, path string, q url.Values, in any, want int, out any) error {
	u := c.base.JoinPath(path)
	u.RawQuery = q.Encode()
	var body io.Reader
	if in != nil {
		data, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(data)
	}
	req, err := http.NewRequestWithContext(ctx, method, u.String(), body)
	if err != nil {
		return err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return err
	}
	if resp.StatusCode != want {
		var e struct {
			Error string `json:"error"`
		}
		if json.Unmarshal(data, &e) != nil || e.Error == "" {
			e.Error = http.StatusText(resp.StatusCode)
		}
		return &StatusError{Code: resp.StatusCode, Message: e.Error}
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(data, out)
}
