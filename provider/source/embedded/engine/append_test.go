package engine_test

import (
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"
)

// append appends with the references of earlier series, if there are any, and returns those
// of these.
func (w *world) append(refs []uint64, lines ...string) (now []uint64) {
	w.t.Helper()
	app := w.Appender(w.t.Context(), "a", everything)
	for i, line := range lines {
		ls, values, err := parser.NewParser(parser.Options{}).ParseSeriesDesc(line)
		if err != nil {
			w.t.Fatal(err)
		}
		var ref storage.SeriesRef
		if i < len(refs) {
			ref = storage.SeriesRef(refs[i])
		}
		if ref, err = app.Append(ref, ls, 0, w.Now().UnixMilli(), values[0].Value, nil, nil, storage.AOptions{}); err != nil {
			w.t.Fatal(err)
		}
		now = append(now, uint64(ref))
	}
	if err := app.Commit(); err != nil {
		w.t.Fatal(err)
	}
	return now
}
