package bench

import (
	"bytes"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

func TestWideExporter(t *testing.T) {
	const series = 1234
	w := httptest.NewRecorder()
	wideExporter(series).ServeHTTP(w, nil)
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(w.Body)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, f := range families {
		n += len(f.GetMetric())
	}
	if len(families) != wideNames || n != series {
		t.Errorf("%d series of %d names, want %d of %d", n, len(families), series, wideNames)
	}
}

func TestWideReport(t *testing.T) {
	r := &WideReport{Command: "bench --wide=200000", Series: 200_000, Names: 300, Bytes: 12_000, Requests: 7, FullBytes: 4_000_000, PeakBytes: 50 << 20, Took: 1234 * time.Millisecond}
	var out bytes.Buffer
	if err := r.Write(&out); err != nil {
		t.Fatal(err)
	}
	want := strings.Join([]string{
		"", "bench --wide=200000", "one rule that matches 200000 series of 100 names",
		"  names listed             300, after 1.234s",
		"  bytes fetched            12000 in 7 requests, 0.30% of the 4000000 bytes of /api/v1/series",
		"  peak resident memory     50 MiB, of a process that does nothing else", "",
	}, "\n")
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Error(diff)
	}
}

func TestPeakBytes(t *testing.T) {
	if n, err := peakBytes(); err != nil || n < 1<<20 {
		t.Errorf("%d, %v", n, err)
	}
}
