package load

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func respond(code int) *http.Response {
	return &http.Response{StatusCode: code, Status: http.StatusText(code), Body: io.NopCloser(strings.NewReader("ok"))}
}

func limits() Limits {
	return Limits{Requests: 1e6, Concurrency: 100, Duration: time.Hour, Timeout: 5 * time.Second}
}

func driver(t *testing.T, o Options) *Driver {
	t.Helper()
	if o.Pick == nil {
		o.Pick = func() (string, bool) { return "10.244.0.1:80", true }
	}
	if o.Request == nil {
		o.Request = Get("/")
	}
	d, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func setRate(t *testing.T, d *Driver, rate float64) {
	t.Helper()
	if err := d.SetRate(rate); err != nil {
		t.Fatal(err)
	}
}

// within reports whether got is want, give or take the requests of one tick.
func within(got, want uint64) bool { return math.Abs(float64(got)-float64(want)) <= 2 }

func TestRateIsKeptAndCanBeChanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := driver(t, Options{Limits: limits(), Transport: roundTripper(func(*http.Request) (*http.Response, error) {
			time.Sleep(300 * time.Millisecond) // the rate does not depend on the answers
			return respond(200), nil
		})})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- d.Run(ctx) }()
		for _, step := range []struct {
			rate float64
			want uint64 // sent by the end of its ten seconds
		}{{0, 0}, {7.5, 75}, {200, 2075}, {0, 2075}, {1, 2085}} {
			setRate(t, d, step.rate)
			time.Sleep(10 * time.Second)
			synctest.Wait()
			if got := d.Stats().Sent; !within(got, step.want) {
				t.Errorf("after 10 s at %v/s: %d sent in all, want %d", step.rate, got, step.want)
			}
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		s := d.Stats()
		if s.InFlight != 0 || s.OK != s.Sent || s.P50 != 300*time.Millisecond || s.P99 != 300*time.Millisecond {
			t.Errorf("at the end: %+v", s)
		}
	})
}

func TestLimits(t *testing.T) {
	for name, tc := range map[string]struct {
		change    func(*Limits)
		answer    time.Duration
		want      uint64 // sent
		took      time.Duration
		saturated bool
		failed    bool
	}{
		"requests":    {change: func(l *Limits) { l.Requests = 25 }, want: 25, took: 250 * time.Millisecond},
		"duration":    {change: func(l *Limits) { l.Duration = 3 * time.Second }, want: 300, took: 3 * time.Second},
		"concurrency": {change: func(l *Limits) { l.Concurrency, l.Duration = 2, 10*time.Second }, answer: time.Second, want: 20, took: 10 * time.Second, saturated: true},
		"timeout": {change: func(l *Limits) { l.Timeout, l.Requests = time.Second, 5 },
			answer: time.Hour, want: 5, took: time.Second, failed: true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := limits()
				tc.change(&l)
				d := driver(t, Options{Limits: l, Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
					select {
					case <-time.After(tc.answer):
						return respond(200), nil
					case <-r.Context().Done():
						return nil, r.Context().Err()
					}
				})})
				setRate(t, d, 100)
				start := time.Now()
				if err := d.Run(t.Context()); err != nil {
					t.Fatal(err)
				}
				s := d.Stats()
				if !within(s.Sent, tc.want) || (s.Saturated > 0) != tc.saturated || (s.Failed == s.Sent) != tc.failed {
					t.Errorf("%+v", s)
				}
				if took := time.Since(start); took < tc.took || took > tc.took+1100*time.Millisecond {
					t.Errorf("took %s, want about %s", took, tc.took)
				}
			})
		})
	}
}

func TestFailuresAreCounted(t *testing.T) {
	for name, tc := range map[string]struct {
		answer func() (*http.Response, error)
		failed bool
	}{
		"200":      {func() (*http.Response, error) { return respond(200), nil }, false},
		"303":      {func() (*http.Response, error) { return respond(303), nil }, false},
		"404":      {func() (*http.Response, error) { return respond(404), nil }, true},
		"503":      {func() (*http.Response, error) { return respond(503), nil }, true},
		"no reply": {func() (*http.Response, error) { return nil, errors.New("connection refused") }, true},
	} {
		t.Run(name, func(t *testing.T) {
			l := limits()
			l.Requests = 3
			d := driver(t, Options{Limits: l, Transport: roundTripper(func(*http.Request) (*http.Response, error) { return tc.answer() })})
			setRate(t, d, 1000)
			if err := d.Run(t.Context()); err != nil {
				t.Fatal(err)
			}
			if s := d.Stats(); s.Sent != 3 || (s.Failed == 3) != tc.failed || (s.OK == 3) == tc.failed || (s.LastError != "") != tc.failed {
				t.Errorf("%+v", s)
			}
		})
	}
}

func TestWithoutTargetNothingIsSent(t *testing.T) {
	l := limits()
	l.Duration = 100 * time.Millisecond
	d := driver(t, Options{Limits: l, Pick: func() (string, bool) { return "", false }})
	setRate(t, d, 100)
	if err := d.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if s := d.Stats(); s.Sent != 0 || s.NoTarget == 0 {
		t.Errorf("%+v", s)
	}
}

func TestForbiddenTargetsEndTheRun(t *testing.T) {
	d := driver(t, Options{Limits: limits(), Pick: func() (string, bool) { return "192.0.2.1:80", true },
		Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			t.Errorf("a request was sent to %s", r.URL)
			return respond(200), nil
		})})
	setRate(t, d, 100)
	if err := d.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "192.0.2.1:80") {
		t.Errorf("%v", err)
	}
}

func TestTheTransportDialsNoOtherAddress(t *testing.T) {
	// The target is permitted, but the request goes elsewhere.
	elsewhere := func(ctx context.Context, _ string) (*http.Request, error) {
		return http.NewRequestWithContext(ctx, http.MethodGet, "http://192.0.2.1/", nil)
	}
	l := limits()
	l.Requests = 1
	d := driver(t, Options{Limits: l, Request: elsewhere})
	setRate(t, d, 100)
	if err := d.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if s := d.Stats(); s.Failed != 1 || !strings.Contains(s.LastError, "refused, load is only sent to") {
		t.Errorf("%+v", s)
	}
}

func TestCreateReminders(t *testing.T) {
	var mu sync.Mutex
	texts := map[string]bool{}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body struct{ Text string }
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil || r.Method != http.MethodPost || r.URL.Path != "/reminders" {
			t.Errorf("%s %s: %v", r.Method, r.URL, err)
		}
		mu.Lock()
		defer mu.Unlock()
		texts[body.Text] = true
		w.WriteHeader(http.StatusCreated)
	}))
	defer srv.Close()
	l := limits()
	l.Requests = 20
	d := driver(t, Options{Limits: l, Request: CreateReminders("demo"),
		Pick: func() (string, bool) { return srv.Listener.Addr().String(), true }})
	setRate(t, d, 500)
	if err := d.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if s := d.Stats(); s.OK != 20 || s.P50 <= 0 || s.P99 < s.P50 {
		t.Errorf("%+v", s)
	}
	if len(texts) != 20 || !texts["demo 1"] || !texts["demo 20"] {
		t.Errorf("texts: %v", texts)
	}
}

func TestBadOptions(t *testing.T) {
	if _, err := New(Options{}); err == nil || !strings.Contains(err.Error(), "limits") || !strings.Contains(err.Error(), "Pick") {
		t.Errorf("New: %v", err)
	}
	d := driver(t, Options{Limits: limits()})
	for _, rate := range []float64{-1, math.NaN(), math.Inf(1), MaxRate + 1} {
		if err := d.SetRate(rate); err == nil {
			t.Errorf("SetRate(%v) was accepted", rate)
		}
	}
}
