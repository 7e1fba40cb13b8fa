// Package web is Remind Me's front: one page over the API.
package web

import (
	"context"
	"encoding/json"
	"errors"
	"html/template"
	"log/slog"
	"net/http"
	"strings"
	"time"
)

const shown = 20 // reminders on the page

// API is what the page needs of the API.
type API interface {
	List(ctx context.Context, limit int) ([]Entry, error)
	Create(ctx context.Context, text string, due time.Time) error
	Delete(ctx context.Context, id string) error
}

type front struct {
	version string
	api     API
	now     func() time.Time
	log     *slog.Logger
	page    *template.Template
}

// New returns the front of version "v1", or "v2", which can also delete.
func New(version string, api API, now func() time.Time, log *slog.Logger) http.Handler {
	f := front{version: version, api: api, now: now, log: log, page: template.Must(template.New("page").Parse(pageText))}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", f.show)
	mux.HandleFunc("POST /reminders", f.create)
	if version == "v2" {
		mux.HandleFunc("POST /reminders/{id}/delete", f.delete)
	}
	// A page of another site must not be able to post our forms.
	return http.NewCrossOriginProtection().Handler(mux)
}

func (f front) show(w http.ResponseWriter, r *http.Request) {
	list, err := f.api.List(r.Context(), shown)
	if err != nil {
		f.failed(w, err)
		return
	}
	if strings.Contains(r.Header.Get("Accept"), "application/json") {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{"version": f.version, "reminders": list})
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; form-action 'self'; frame-ancestors 'none'")
	_ = f.page.Execute(w, map[string]any{"Version": f.version, "Reminders": list, "CanDelete": f.version == "v2"})
}

func (f front) create(w http.ResponseWriter, r *http.Request) {
	var due time.Time
	if in := r.FormValue("in"); in != "" {
		d, err := time.ParseDuration(in)
		if err != nil || d < 0 {
			http.Error(w, "in: must be a duration such as 30s or 2h", http.StatusBadRequest)
			return
		}
		due = f.now().Add(d)
	}
	if err := f.api.Create(r.Context(), r.FormValue("text"), due); err != nil {
		f.failed(w, err)
		return
	}
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

func (f front) delete(w http.ResponseWriter, r *http.Request) {
	err := f.api.Delete(r.Context(), r.PathValue("id"))
	var status *StatusError
	if err != nil && !(errors.As(err, &status) && status.Code == http.StatusNotFound) {
		f.failed(w, err) // already gone is what was wanted
		return
	}
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

// failed passes on what the caller did wrong; the rest is ours.
func (f front) failed(w http.ResponseWriter, err error) {
	var status *StatusError
	if errors.As(err, &status) && status.Code == http.StatusBadRequest {
		http.Error(w, status.Message, http.StatusBadRequest)
		return
	}
	f.log.Warn("the API failed", "err", err)
	http.Error(w, "The API does not answer. Please try again.", http.StatusBadGateway)
}

const pageText = `<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Remind Me</title>
<h1>Remind Me <small>{{.Version}}</small></h1>
<form method="post" action="/reminders">
<label>Remind me of <input name="text" required maxlength="1000"></label>
<label>in <input name="in" placeholder="30s" size="6"></label> <button>Create</button>
</form>
<ul>{{range .Reminders}}
<li>{{.Text}} <small>{{.State}}, {{.Due.Format "2006-01-02 15:04:05 UTC"}}</small>
{{- if $.CanDelete}}<form method="post" action="/reminders/{{.ID}}/delete"><button>Delete</button></form>{{end}}
{{else}}<li>Nothing waits.{{end}}
</ul>
</html>
`
