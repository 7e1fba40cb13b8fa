//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// Test7BadAnswers: whatever the source answers to the query of a metric, a read of
// it says within 2 s what is wrong, never a wrong number, and the next good answer
// mends it. An answer just within the limit of its size is a good one. All the
// while every read of another metric of the same source gives its value within 2 s,
// except where the source answers nothing at all: that one's reads then say so, too.
func Test7BadAnswers(t *testing.T) {
	source := startFaultySource(t)
	adapter := startStandalone(t, source.URL, "--evaluation-interval=1s", "--query-timeout=500ms", "--value-max-age=3s")

	good := func(t *testing.T) {
		source.set(vector("7"), vector("3"))
		for metric, value := range map[string]string{"depth": "7", "level": "3"} {
			system.Until(t, "the right "+metric, 10*time.Second, func(context.Context) (bool, string) {
				code, body := adapter.read(t, metric)
				return isValue(code, body, value), body
			})
		}
	}
	good(t)
	limit := maxAnswerBytes(t)
	t.Run("just within the limit", func(t *testing.T) {
		source.set(large(limit), vector("3"))
		// One that knows no other series of before, which would be missed if the first
		// query took too long.
		adapter := startStandalone(t, source.URL, "--evaluation-interval=1s", "--query-timeout=1500ms", "--value-max-age=5s")
		system.Until(t, "level", 20*time.Second, func(context.Context) (bool, string) {
			code, body := adapter.read(t, "level")
			return isValue(code, body, "3"), body
		})
		undisturbed(t, adapter)
		system.Until(t, "the values of a large answer", 20*time.Second, func(context.Context) (bool, string) {
			code, body := adapter.read(t, "depth")
			return code == http.StatusOK && strings.Count(body, `"value":"8m"`) == 1_000, fmt.Sprintf("%d %.300s", code, body)
		})
		good(t)
	})
	const ten = 10_000_000
	if limit >= ten {
		t.Errorf("the default limit of %d bytes lets ten megabytes pass", limit)
	}
	for name, tc := range map[string]struct {
		depth http.HandlerFunc
		want  string
	}{
		"an error": {func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusUnprocessableEntity)
			io.WriteString(w, `{"status":"error","errorType":"execution","error":"found duplicate series"}`)
		}, "found duplicate series"},
		"an error of a proxy": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }, "502"},
		"HTML":                {write("<html>please sign in</html>"), "malformed"},
		"truncated JSON":      {write(`{"status":"success","data":{"resultType":"vector","result":[{"metric"`), "malformed"},
		"a matrix":            {write(`{"status":"success","data":{"resultType":"matrix","result":[]}}`), "matrix"},
		"ten megabytes":       {large(ten), "--prometheus-max-answer-bytes"},
		"one byte too many":   {large(limit + 1), "--prometheus-max-answer-bytes"},
		"NaN":                 {vector("NaN"), "NaN"},
		"infinity":            {vector("+Inf"), "Inf"},
		"too large a number":  {vector("1e300"), "beyond"},
		"nothing":             {write(`{"status":"success","data":{"resultType":"vector","result":[]}}`), "absence is not zero"},
		"hangs":               {hang(nil, nil), "did not answer in time"},
	} {
		t.Run(name, func(t *testing.T) {
			undisturbed(t, adapter)
			source.set(tc.depth, vector("3"))
			becomesError(t, adapter, "depth", "7", tc.want)
			good(t)
		})
	}
	t.Run("hangs altogether", func(t *testing.T) {
		source.set(hang(nil, nil), hang(nil, nil))
		becomesError(t, adapter, "depth", "7", "did not answer in time")
		becomesError(t, adapter, "level", "3", "did not answer in time")
		good(t)
	})
}

// becomesError waits until reads of a metric are refused with the text. Until then they
// give its last value.
func becomesError(t *testing.T, adapter *standalone, metric, last, text string) {
	t.Helper()
	system.Until(t, metric+": "+text, 15*time.Second, func(context.Context) (bool, string) {
		code, body := adapter.read(t, metric)
		if code == http.StatusOK && !isValue(code, body, last) {
			t.Fatalf("a wrong number: %.300s", body)
		}
		return code >= 400 && strings.Contains(body, text), body
	})
}

// undisturbed reads level again and again until the test ends, which fails where an
// answer is not 3 or comes late.
func undisturbed(t *testing.T, adapter *standalone) {
	t.Helper()
	var (
		done   = make(chan struct{})
		reader sync.WaitGroup
		reads  int
	)
	reader.Go(func() {
		for ; ; reads++ {
			select {
			case <-done:
				return
			case <-time.After(50 * time.Millisecond):
			}
			if code, body := adapter.read(t, "level"); !isValue(code, body, "3") {
				t.Errorf("the other metric meanwhile: %d %.300s", code, body)
				return
			}
		}
	})
	t.Cleanup(func() {
		close(done)
		reader.Wait()
		t.Logf("%d reads of the other metric", reads)
	})
}

// maxAnswerBytes is the default of --prometheus-max-answer-bytes, as the help says.
func maxAnswerBytes(t *testing.T) int {
	t.Helper()
	out, err := exec.Command(adapterBinary(), "--help").CombinedOutput()
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`--prometheus-max-answer-bytes [^\0]*?\(default (\d+)\)`).FindSubmatch(out)
	if m == nil {
		t.Fatalf("no default of --prometheus-max-answer-bytes in\n%s", out)
	}
	n, err := strconv.Atoi(string(m[1]))
	if err != nil {
		t.Fatal(err)
	}
	return n
}
