package web_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/loadline/loadline/deploy/examples/remindme/api"
	"github.com/loadline/loadline/deploy/examples/remindme/queue"
	"github.com/loadline/loadline/deploy/examples/remindme/reminder"
	"github.com/loadline/loadline/deploy/examples/remindme/web"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// memory is a store for the real API behind the front.
type memory struct{ list []reminder.Reminder }

func (m *memory) Create(_ context.Context, r reminder.Reminder, _ time.Time) error {
	m.list = append(m.list, r)
	return nil
}

func (m *memory) List(context.Context, uint64, int) (queue.Page, error) {
	var p queue.Page
	for _, r := range m.list {
		p.Entries = append(p.Entries, queue.Entry{Reminder: r, State: queue.Pending})
	}
	return p, nil
}

func (m *memory) Delete(_ context.Context, id string) error {
	for i, r := range m.list {
		if r.ID == id {
			m.list = append(m.list[:i], m.list[i+1:]...)
			return nil
		}
	}
	return queue.ErrNotFound
}

// front returns the front over the real API over store.
func front(t *testing.T, version api.Version, store api.Store) http.Handler {
	t.Helper()
	clock := func() time.Time { return now }
	log := slog.New(slog.DiscardHandler)
	srv := httptest.NewServer(api.New(version, store, clock, log))
	t.Cleanup(srv.Close)
	c, err := web.NewClient(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.CloseIdle)
	return web.New(string(version), c, clock, log)
}

func do(h http.Handler, method, target string, form url.Values, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, strings.NewReader(form.Encode()))
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestCreateShowDelete(t *testing.T) {
	store := &memory{}
	h := front(t, api.V2, store)
	if w := do(h, "POST", "/reminders", url.Values{"text": {"<b>tea"}, "in": {"30s"}}); w.Code != http.StatusSeeOther {
		t.Fatalf("create: %d %s", w.Code, w.Body)
	}
	if len(store.list) != 1 || !store.list[0].Due.Equal(now.Add(30*time.Second)) {
		t.Fatalf("stored: %+v", store.list)
	}
	page := do(h, "GET", "/", nil).Body.String()
	if !strings.Contains(page, "&lt;b&gt;tea") || !strings.Contains(page, store.list[0].ID+"/delete") {
		t.Errorf("page: %s", page)
	}
	if body := do(h, "GET", "/", nil, "Accept", "application/json").Body.String(); !strings.Contains(body, store.list[0].ID) || !strings.HasPrefix(body, "{") {
		t.Errorf("JSON: %s", body)
	}
	target := "/reminders/" + store.list[0].ID + "/delete"
	for range 2 { // the second time it is gone already
		if w := do(h, "POST", target, url.Values{}); w.Code != http.StatusSeeOther {
			t.Errorf("delete: %d %s", w.Code, w.Body)
		}
	}
	if len(store.list) != 0 {
		t.Errorf("left: %+v", store.list)
	}
}

func TestV1CannotDelete(t *testing.T) {
	store := &memory{}
	h := front(t, api.V1, store)
	do(h, "POST", "/reminders", url.Values{"text": {"tea"}})
	if page := do(h, "GET", "/", nil).Body.String(); strings.Contains(page, "/delete") || !strings.Contains(page, "tea") {
		t.Errorf("page: %s", page)
	}
	if w := do(h, "POST", "/reminders/"+store.list[0].ID+"/delete", url.Values{}); w.Code != http.StatusNotFound || len(store.list) != 1 {
		t.Errorf("delete: %d, %d left", w.Code, len(store.list))
	}
}

func TestWrongInput(t *testing.T) {
	store := &memory{}
	h := front(t, api.V1, store)
	for name, tc := range map[string]struct {
		form   url.Values
		header []string
		code   int
		want   string
	}{
		"empty text":   {form: url.Values{"text": {""}}, code: 400, want: "text: must not be empty"},
		"bad duration": {form: url.Values{"text": {"a"}, "in": {"soon"}}, code: 400, want: "in: must be a duration"},
		"other site":   {form: url.Values{"text": {"a"}}, header: []string{"Sec-Fetch-Site", "cross-site"}, code: 403},
	} {
		if w := do(h, "POST", "/reminders", tc.form, tc.header...); w.Code != tc.code || !strings.Contains(w.Body.String(), tc.want) {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
	}
	if len(store.list) != 0 {
		t.Errorf("stored: %+v", store.list)
	}
}

func TestAPIFailures(t *testing.T) {
	for name, answer := range map[string]http.HandlerFunc{
		"503":     func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "secret", http.StatusServiceUnavailable) },
		"no JSON": func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>secret") },
		"too much": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, `{"reminders":["`+strings.Repeat("x", 2<<20))
		},
		"redirect":   func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/elsewhere", http.StatusFound) },
		"broken off": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	} {
		t.Run(name, func(t *testing.T) {
			srv := httptest.NewServer(answer)
			defer srv.Close()
			c, err := web.NewClient(srv.URL)
			if err != nil {
				t.Fatal(err)
			}
			defer c.CloseIdle()
			h := web.New("v1", c, time.Now, slog.New(slog.DiscardHandler))
			if w := do(h, "GET", "/", nil); w.Code != http.StatusBadGateway || strings.Contains(w.Body.String(), "secret") {
				t.Errorf("%d %s", w.Code, w.Body)
			}
		})
	}
}

func TestBadAPIURL(t *testing.T) {
	for _, s := range []string{"", "remindmeapi", "ftp://x", "http://", "http://$(HOST):$(PORT)"} {
		if _, err := web.NewClient(s); err == nil {
			t.Errorf("%q was accepted", s)
		}
	}
}
