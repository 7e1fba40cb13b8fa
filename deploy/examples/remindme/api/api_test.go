package api_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/loadline/loadline/deploy/examples/remindme/api"
	"github.com/loadline/loadline/deploy/examples/remindme/queue"
	"github.com/loadline/loadline/deploy/examples/remindme/reminder"
)

// faulty is a store that fails as it is told to; the real one is tested in
// package broker.
type faulty struct {
	err     error
	page    queue.Page
	created []reminder.Reminder
}

func (f *faulty) Create(_ context.Context, r reminder.Reminder, _ time.Time) error {
	f.created = append(f.created, r)
	return f.err
}
func (f *faulty) List(context.Context, uint64, int) (queue.Page, error) { return f.page, f.err }
func (f *faulty) Delete(context.Context, string) error                  { return f.err }

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func call(v api.Version, store api.Store, method, target, body string) *httptest.ResponseRecorder {
	h := api.New(v, store, func() time.Time { return now }, slog.New(slog.DiscardHandler))
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(method, target, strings.NewReader(body)))
	return w
}

func TestRequests(t *testing.T) {
	for name, tc := range map[string]struct {
		version              api.Version
		method, target, body string
		err                  error
		code                 int
		want                 string // the answer contains it
	}{
		"create":                {api.V1, "POST", "/reminders", `{"text":"tea","due":"2026-03-01T13:00:00Z"}`, nil, 201, `"due":"2026-03-01T13:00:00Z"`},
		"create, due now":       {api.V1, "POST", "/reminders", `{"text":"tea"}`, nil, 201, `"due":"2026-03-01T12:00:00Z"`},
		"create, empty":         {api.V1, "POST", "/reminders", `{}`, nil, 400, "text: must not be empty"},
		"create, unknown field": {api.V1, "POST", "/reminders", `{"text":"tea","when":1}`, nil, 400, `unknown field \"when\"`},
		"create, no JSON":       {api.V1, "POST", "/reminders", `tea`, nil, 400, "body: "},
		"create, full":          {api.V1, "POST", "/reminders", `{"text":"tea"}`, queue.ErrFull, 503, "the queue is full"},
		"create, queue away":    {api.V1, "POST", "/reminders", `{"text":"tea"}`, errors.New("dial 10.0.0.1"), 503, "the queue does not answer"},
		"list, empty":           {api.V1, "GET", "/reminders", "", nil, 200, `{"reminders":[]}`},
		"list, bad limit":       {api.V1, "GET", "/reminders?limit=501", "", nil, 400, "limit: must be a whole number from 1 to 500"},
		"list, bad continue":    {api.V1, "GET", "/reminders?continue=-1", "", nil, 400, "continue: must be"},
		"list, queue away":      {api.V1, "GET", "/reminders", "", errors.New("dial 10.0.0.1"), 503, "the queue does not answer"},
		"delete, v1":            {api.V1, "DELETE", "/reminders/ABCDEFGHIJKLMNOPQRSTUVWX27", "", nil, 404, "not found"},
		"delete, v2":            {api.V2, "DELETE", "/reminders/ABCDEFGHIJKLMNOPQRSTUVWX27", "", nil, 204, ""},
		"delete, none":          {api.V2, "DELETE", "/reminders/ABCDEFGHIJKLMNOPQRSTUVWX27", "", queue.ErrNotFound, 404, "no such reminder"},
	} {
		t.Run(name, func(t *testing.T) {
			w := call(tc.version, &faulty{err: tc.err}, tc.method, tc.target, tc.body)
			if w.Code != tc.code || !strings.Contains(w.Body.String(), tc.want) || strings.Contains(w.Body.String(), "10.0.0.1") {
				t.Errorf("%d %s; want %d and %q, and no address", w.Code, w.Body, tc.code, tc.want)
			}
		})
	}
}

func TestListNamesTheNextPage(t *testing.T) {
	r, err := reminder.New("tea", now, now)
	if err != nil {
		t.Fatal(err)
	}
	w := call(api.V1, &faulty{page: queue.Page{Entries: []queue.Entry{{Reminder: r, State: queue.Pending}}, Next: 17}}, "GET", "/reminders?limit=1", "")
	var got struct {
		Reminders []queue.Entry
		Continue  string
	}
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]queue.Entry{{Reminder: r, State: queue.Pending}}, got.Reminders); diff != "" || got.Continue != "17" {
		t.Errorf("continue %q, (-want +got)\n%s", got.Continue, diff)
	}
}

// TestOpenAPIDescribesWhatIsServed asks the service for every operation that
// its description names, and looks that the two versions differ by delete.
func TestOpenAPIDescribesWhatIsServed(t *testing.T) {
	for v, want := range map[api.Version][]string{
		api.V1: {"get /reminders", "post /reminders"},
		api.V2: {"delete /reminders/{id}", "get /reminders", "post /reminders"},
	} {
		w := call(v, &faulty{}, "GET", "/openapi.json", "")
		var doc struct {
			OpenAPI string
			Info    struct{ Version string }
			Paths   map[string]map[string]any
		}
		if err := json.Unmarshal(w.Body.Bytes(), &doc); err != nil {
			t.Fatal(err)
		}
		page := call(v, &faulty{}, "GET", "/", "").Body.String()
		var got []string
		for path, item := range doc.Paths {
			for method := range item {
				got = append(got, method+" "+path)
				target := strings.Replace(path, "{id}", "ABCDEFGHIJKLMNOPQRSTUVWX27", 1)
				if w := call(v, &faulty{}, strings.ToUpper(method), target, `{"text":"tea"}`); w.Code >= 300 {
					t.Errorf("%s: %s %s is described, but answers %d", v, method, path, w.Code)
				}
				if !strings.Contains(page, "<code>"+method+"</code><td><code>"+path+"</code>") {
					t.Errorf("%s: the page does not show %s %s:\n%s", v, method, path, page)
				}
			}
		}
		slices.Sort(got)
		if diff := cmp.Diff(want, got); diff != "" || doc.Info.Version != string(v) || doc.OpenAPI != "3.1.0" {
			t.Errorf("%s: version %q, operations (-want +got)\n%s", v, doc.Info.Version, diff)
		}
	}
}

// slow is a store that answers after a time, unless its caller gives up before.
type slow time.Duration

func (s slow) wait(ctx context.Context) error {
	select {
	case <-time.After(time.Duration(s)):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s slow) Create(ctx context.Context, _ reminder.Reminder, _ time.Time) error { return s.wait(ctx) }
func (s slow) List(ctx context.Context, _ uint64, _ int) (queue.Page, error) {
	return queue.Page{}, s.wait(ctx)
}
func (s slow) Delete(ctx context.Context, _ string) error { return s.wait(ctx) }

// TestASlowQueue: a queue that needs 3 s is waited for, one that hangs is given up
// soon enough for web, which waits for 4.5 s, to get the answer.
func TestASlowQueue(t *testing.T) {
	for name, tc := range map[string]struct {
		takes time.Duration
		codes []int // of create, list, delete
	}{
		"slow":  {3 * time.Second, []int{201, 200, 204}},
		"hangs": {time.Hour, []int{503, 503, 503}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				for i, method := range []string{"POST", "GET", "DELETE"} {
					target := "/reminders"
					if method == "DELETE" {
						target += "/ABCDEFGHIJKLMNOPQRSTUVWX27"
					}
					began := time.Now()
					code := call(api.V2, slow(tc.takes), method, target, `{"text":"tea"}`).Code
					if took := time.Since(began); code != tc.codes[i] || took >= 4500*time.Millisecond {
						t.Errorf("%s: %d after %s, want %d before 4.5 s", method, code, took, tc.codes[i])
					}
				}
			})
		})
	}
}

func TestParseVersion(t *testing.T) {
	for _, s := range []string{"", "v3", "V1"} {
		if _, err := api.ParseVersion(s); err == nil {
			t.Errorf("%q was accepted", s)
		}
	}
	if code := call(api.V1, &faulty{}, http.MethodPut, "/reminders", "").Code; code != http.StatusMethodNotAllowed {
		t.Errorf("PUT: %d", code)
	}
}
