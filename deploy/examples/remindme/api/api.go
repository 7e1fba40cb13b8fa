// Package api is Remind Me's HTTP API, in its two versions.
package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/loadline/loadline/deploy/examples/remindme/queue"
	"github.com/loadline/loadline/deploy/examples/remindme/reminder"
)

const (
	// callTimeout is how long a call of the queue may take. A queue that is short
	// of CPU or waits for its disk is slow and not broken: to refuse what it would
	// have confirmed a second later helps nobody. Below web's own deadline.
	callTimeout  = 4 * time.Second
	defaultLimit = 100
	maxLimit     = 500
)

// Store is where reminders wait.
type Store interface {
	Create(ctx context.Context, r reminder.Reminder, now time.Time) error
	List(ctx context.Context, from uint64, limit int) (queue.Page, error)
	Delete(ctx context.Context, id string) error
}

// Version of the service: v1 creates and lists reminders, v2 deletes them as
// well.
type Version string

// The versions there are.
const (
	V1 Version = "v1"
	V2 Version = "v2"
)

// ParseVersion returns the version of that name.
func ParseVersion(s string) (Version, error) {
	switch v := Version(s); v {
	case V1, V2:
		return v, nil
	}
	return "", fmt.Errorf("version %q: must be v1 or v2", s)
}

type api struct {
	store Store
	now   func() time.Time
	log   *slog.Logger
}

// New returns the API of one version.
func New(v Version, store Store, now func() time.Time, log *slog.Logger) http.Handler {
	a := api{store: store, now: now, log: log}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /reminders", a.create)
	mux.HandleFunc("GET /reminders", a.list)
	if v == V2 {
		mux.HandleFunc("DELETE /reminders/{id}", a.delete)
	}
	doc := describe(v)
	mux.HandleFunc("GET /openapi.json", func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, doc) })
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) { page(w, doc) })
	return mux
}

// createRequest is the body of a creation.
type createRequest struct {
	Text string     `json:"text"`
	Due  *time.Time `json:"due"`
}

func (a api) create(w http.ResponseWriter, r *http.Request) {
	var req createRequest
	dec := json.NewDecoder(r.Body)
	dec.DisallowUnknownFields()
	if err := dec.Decode(&req); err != nil {
		fail(w, http.StatusBadRequest, fmt.Errorf("body: %w", err))
		return
	}
	var due time.Time
	if req.Due != nil {
		due = *req.Due
	}
	now := a.now()
	rem, err := reminder.New(req.Text, due, now)
	if err != nil {
		fail(w, http.StatusBadRequest, err)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), callTimeout)
	defer cancel()
	if err := a.store.Create(ctx, rem, now); err != nil {
		a.storeFailed(w, err)
		return
	}
	answer(w, http.StatusCreated, rem)
}

// listResponse is the answer to a list request.
type listResponse struct {
	Reminders []queue.Entry `json:"reminders"`
	// Continue is the value of the parameter of that name that gives the
	// next page; absent on the last.
	Continue string `json:"continue,omitempty"`
}

func (a api) list(w http.ResponseWriter, r *http.Request) {
	limit, err := number(r, "limit", defaultLimit, 1, maxLimit)
	if err != nil {
		fail(w, http.StatusBadRequest, err)
		return
	}
	from, err := number(r, "continue", 0, 0, 1<<63)
	if err != nil {
		fail(w, http.StatusBadRequest, err)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), callTimeout)
	defer cancel()
	found, err := a.store.List(ctx, from, int(limit))
	if err != nil {
		a.storeFailed(w, err)
		return
	}
	out := listResponse{Reminders: found.Entries}
	if out.Reminders == nil {
		out.Reminders = []queue.Entry{} // an empty list, not null
	}
	if found.Next != 0 {
		out.Continue = strconv.FormatUint(found.Next, 10)
	}
	answer(w, http.StatusOK, out)
}

func (a api) delete(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), callTimeout)
	defer cancel()
	if err := a.store.Delete(ctx, r.PathValue("id")); err != nil {
		a.storeFailed(w, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func number(r *http.Request, name string, absent, least, most uint64) (uint64, error) {
	s := r.URL.Query().Get(name)
	if s == "" {
		return absent, nil
	}
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil || n < least || n > most {
		return 0, fmt.Errorf("%s: must be a whole number from %d to %d", name, least, most)
	}
	return n, nil
}

// storeFailed answers without the store's own words: they tell a caller
// nothing that helps and may name addresses.
func (a api) storeFailed(w http.ResponseWriter, err error) {
	switch {
	case errors.Is(err, queue.ErrNotFound):
		fail(w, http.StatusNotFound, queue.ErrNotFound)
	case errors.Is(err, queue.ErrFull):
		w.Header().Set("Retry-After", "5")
		fail(w, http.StatusServiceUnavailable, queue.ErrFull)
	default:
		a.log.Warn("the queue failed", "err", err)
		w.Header().Set("Retry-After", "1")
		fail(w, http.StatusServiceUnavailable, errors.New("the queue does not answer"))
	}
}

func fail(w http.ResponseWriter, code int, err error) {
	answer(w, code, map[string]string{"error": err.Error()})
}

func answer(w http.ResponseWriter, code int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(body) // the client is gone: nobody to tell
}
