package conformance

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"

	"github.com/loadline/loadline/provider/source"
	"github.com/loadline/loadline/provider/source/embedded/engine"
)

// embedded is the embedded engine behind the part of Prometheus' HTTP API that the adapter
// asks. So the cases see what is sent to it, and it answers for itself.
type embedded struct {
	*httptest.Server
	dir  string
	all  []series
	end  time.Time
	step time.Duration

	mu sync.Mutex
	// byLookback are engines of the same content. Where the adapter scrapes itself there is
	// one, of the lookback that it would send.
	byLookback map[time.Duration]*engine.Engine
}

func startEmbedded(context.Context) (holder, error) {
	dir, err := os.MkdirTemp("", "conformance")
	if err != nil {
		return nil, err
	}
	e := &embedded{dir: dir, byLookback: map[time.Duration]*engine.Engine{}}
	mux := http.NewServeMux()
	mux.HandleFunc("/api/v1/query", e.query)
	mux.HandleFunc("/api/v1/series", e.series)
	e.Server = httptest.NewServer(mux)
	return e, nil
}

// URL implements holder.
func (e *embedded) URL() string { return e.Server.URL }

// Fill implements holder.
func (e *embedded) Fill(_ context.Context, all []series, end time.Time, step time.Duration) error {
	e.all, e.end, e.step = all, end, step
	_, err := e.engine(0)
	return err
}

// Close implements holder.
func (e *embedded) Close() error {
	e.Server.Close()
	var errs error
	for _, one := range e.byLookback {
		errs = cmp.Or(errs, one.Close())
	}
	return cmp.Or(errs, os.RemoveAll(e.dir))
}

// engine is one of a lookback, filled.
func (e *embedded) engine(lookback time.Duration) (*engine.Engine, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if made := e.byLookback[lookback]; made != nil {
		return made, nil
	}
	made, err := engine.Open(engine.Config{
		Dir: filepath.Join(e.dir, lookback.String()), Lookback: lookback, Retention: 24 * time.Hour, // cases have more than an adapter would hold
	})
	if err != nil {
		return nil, err
	}
	e.byLookback[lookback] = made
	return made, e.fill(made)
}

// fill appends scrape by scrape, for nothing is taken that is older than what is there.
func (e *embedded) fill(to *engine.Engine) error {
	longest := 0
	for _, s := range e.all {
		longest = max(longest, len(s.samples))
	}
	for ago := longest - 1; ago >= 0; ago-- {
		app := to.Appender(context.Background(), "case", func(string) bool { return true })
		for _, s := range e.all {
			i := len(s.samples) - 1 - ago
			if i < 0 || s.samples[i].Omitted {
				continue
			}
			at := e.end.Add(-e.step * time.Duration(ago)).UnixMilli()
			if _, err := app.Append(0, s.labels, 0, at, s.samples[i].Value, nil, nil, storage.AOptions{}); err != nil {
				return fmt.Errorf("%s: %w", s.labels, err)
			}
		}
		if err := app.Commit(); err != nil {
			return err
		}
	}
	return nil
}

func (e *embedded) query(w http.ResponseWriter, r *http.Request) {
	seconds, _ := strconv.ParseFloat(r.FormValue("lookback_delta"), 64) // 0 where it is not sent
	of, err := e.engine(time.Duration(seconds * float64(time.Second)))
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	answer, err := of.Query(r.Context(), r.FormValue("query"))
	if source.KindOf(err) == source.Unusable {
		succeed(w, map[string]any{"resultType": "matrix", "result": []any{}})
		return
	} else if err != nil {
		writeJSON(w, http.StatusUnprocessableEntity, map[string]string{"status": "error", "errorType": "execution", "error": err.Error()})
		return
	}
	result := []any{}
	for _, s := range answer.Samples {
		value := []any{float64(s.Time.UnixMilli()) / 1000, strconv.FormatFloat(s.Value, 'f', -1, 64)}
		result = append(result, map[string]any{"metric": s.Labels.Map(), "value": value})
	}
	succeed(w, map[string]any{"resultType": "vector", "result": result}, answer.Warnings...)
}

// series gives one series for each name, with all labels that there are of it.
func (e *embedded) series(w http.ResponseWriter, r *http.Request) {
	of, err := e.engine(0)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	_ = r.ParseForm()
	found, err := of.Series(r.Context(), r.Form["match[]"], 0)
	if err != nil {
		writeJSON(w, http.StatusBadRequest, map[string]string{"status": "error", "errorType": "bad_data", "error": err.Error()})
		return
	}
	result := []map[string]string{}
	for _, s := range found {
		one := labels.FromStrings(slices.Concat([]string{model.MetricNameLabel, s.Name}, pairs(s.Labels))...)
		result = append(result, one.Map())
	}
	succeed(w, result)
}

func pairs(names []string) (all []string) {
	for _, n := range names {
		all = append(all, n, "x")
	}
	return all
}

func succeed(w http.ResponseWriter, data any, warnings ...string) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{"status": "success", "data": data, "warnings": warnings})
}
