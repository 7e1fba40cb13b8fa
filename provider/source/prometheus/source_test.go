package prometheus

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/prometheus/model/labels"
	"go.uber.org/goleak"

	"github.com/loadline/loadline/provider/source"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const oneSample = `{"status":"success","data":{"resultType":"vector","result":[{"metric":{"pod":"a"},"value":[1700000000.125,"1.5"]}]}}`

func compareLabels() cmp.Option { return cmp.Comparer(labels.Equal) }

// serve starts a server and a Source for it, both ended with the test.
func serve(t *testing.T, c Config, handler http.HandlerFunc) *Source {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	if c.URL == "" {
		c.URL = server.URL
	}
	c.URL = strings.Replace(c.URL, "http://SERVER", server.URL, 1)
	return open(t, c)
}

func open(t *testing.T, c Config) *Source {
	t.Helper()
	s, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.CloseIdleConnections)
	return s
}

func respond(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		io.WriteString(w, body)
	}
}

func TestQueryAnswers(t *testing.T) {
	at := time.UnixMilli(1700000000125)
	for name, tc := range map[string]struct {
		body string
		want source.Answer
	}{
		"a vector": {oneSample, source.Answer{Samples: []source.Sample{{Labels: labels.FromStrings("pod", "a"), Value: 1.5, Time: at}}}},
		"a scalar": {
			`{"status":"success","data":{"resultType":"scalar","result":[1700000000.125,"-2"]}}`,
			source.Answer{Samples: []source.Sample{{Labels: labels.EmptyLabels(), Value: -2, Time: at}}},
		},
		"nothing": {`{"status":"success","data":{"resultType":"vector","result":[]}}`, source.Answer{Samples: []source.Sample{}}},
		"the type after the result": {
			`{"data":{"result":[{"metric":{"pod":"a"},"value":[1700000000.125,"1.5"]}],"resultType":"vector"},"status":"success"}`,
			source.Answer{Samples: []source.Sample{{Labels: labels.FromStrings("pod", "a"), Value: 1.5, Time: at}}},
		},
		"labels of one sample do not reach the next": {
			`{"status":"success","data":{"resultType":"vector","result":[{"metric":{"zone":"x","pod":"a"},"value":[1700000000.125,"1"]},{"metric":{"pod":"b"},"value":[1700000000.125,"2"]},{"value":[1700000000.125,"3"]}]}}`,
			source.Answer{Samples: []source.Sample{
				{Labels: labels.FromStrings("pod", "a", "zone", "x"), Value: 1, Time: at}, {Labels: labels.FromStrings("pod", "b"), Value: 2, Time: at}, {Labels: labels.EmptyLabels(), Value: 3, Time: at},
			}},
		},
		"warnings, infinity, no labels": {
			`{"status":"success","warnings":["partial"],"data":{"resultType":"vector","result":[{"metric":{},"value":[1700000000.125,"+Inf"]}]}}`,
			source.Answer{Samples: []source.Sample{{Labels: labels.EmptyLabels(), Value: math.Inf(1), Time: at}}, Warnings: []string{"partial"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := serve(t, Config{}, respond(200, tc.body)).Query(t.Context(), "x")
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, got, compareLabels()); diff != "" {
				t.Errorf("answer (-want +got):\n%s", diff)
			}
		})
	}
}

func TestValuesAreBounded(t *testing.T) {
	of := func(samples int) string {
		one := `{"metric":{"pod":"a"},"value":[1,"1"]}`
		return `{"status":"success","data":{"resultType":"vector","result":[` + strings.TrimSuffix(strings.Repeat(one+",", samples), ",") + `]}}`
	}
	got, err := serve(t, Config{MaxValues: 3}, respond(200, of(3))).Query(t.Context(), "x")
	if err != nil || len(got.Samples) != 3 {
		t.Errorf("at the limit: %d samples, error %v", len(got.Samples), err)
	}
	got, err = serve(t, Config{MaxValues: 3}, respond(200, of(4))).Query(t.Context(), "x")
	want := "source oversized: the answer has more than 3 values: aggregate further in the query, or raise --prometheus-max-answer-values"
	if err == nil || err.Error() != want || len(got.Samples) != 0 {
		t.Errorf("beyond it: %d samples, error %v, want %s", len(got.Samples), err, want)
	}
}

func TestNaNIsHandedOn(t *testing.T) {
	body := strings.Replace(oneSample, "1.5", "NaN", 1)
	got, err := serve(t, Config{}, respond(200, body)).Query(t.Context(), "x")
	if err != nil || len(got.Samples) != 1 || !math.IsNaN(got.Samples[0].Value) {
		t.Errorf("answer %+v, error %v", got, err)
	}
}

// TestFailures runs each failure through Query and, where it can happen there,
// through Series.
func TestFailures(t *testing.T) {
	const query, both = "query", "both"
	big := `{"status":"success","data":{"resultType":"vector","result":[` + strings.Repeat(`{"metric":{"a":"b"},"value":[1,"1"]},`, 300_000) + `{}]}}`
	for name, tc := range map[string]struct {
		where, want string
		handler     http.HandlerFunc
	}{
		"bad query":                {both, `source rejected: status 400: parse error at 1:1`, respond(400, `{"status":"error","errorType":"bad_data","error":"parse error\n at 1:1"}`)},
		"fails to evaluate":        {both, `source rejected: status 422: many-to-many`, respond(422, `{"status":"error","errorType":"execution","error":"many-to-many"}`)},
		"the source's timeout":     {both, `source timeout: status 503: query timed out`, respond(503, `{"status":"error","errorType":"timeout","error":"query timed out"}`)},
		"error with status 200":    {both, `source rejected: bad_data: x`, respond(200, `{"status":"error","errorType":"bad_data","error":"x"}`)},
		"timeout with status 200":  {both, `source timeout: timeout: x`, respond(200, `{"status":"error","errorType":"timeout","error":"x"}`)},
		"internal with status 200": {both, `source unavailable: internal: x`, respond(200, `{"status":"error","errorType":"internal","error":"x"}`)},
		"bad gateway, a page":      {both, `source unavailable: status 502`, respond(502, `<html>bad gateway</html>`)},
		"gateway timeout":          {both, `source timeout: status 504: slow`, respond(504, "slow")},
		"too many requests":        {both, `source unavailable: status 429`, respond(429, "")},
		"unauthorized":             {both, `source rejected: status 401: who are you: check the credentials and what they allow`, respond(401, "who are you")},
		"forbidden":                {both, `source rejected: status 403: check the credentials and what they allow`, respond(403, "")},
		"not found":                {both, `source rejected: status 404: 404 page not found: check the path in --prometheus-url`, respond(404, "404 page not found\n")},
		"method not allowed":       {both, `source rejected: status 405: try the other --prometheus-verb`, respond(405, "")},
		"a page":                   {both, `source malformed: the answer is a web page, not the JSON of a Prometheus API: check --prometheus-url, and whether a login page is in between`, respond(200, "\n<!DOCTYPE html><html>hello</html>")},
		"nothing at all":           {query, `source malformed: the answer is not the JSON of a Prometheus API: unexpected EOF`, respond(200, "")},
		"another JSON":             {both, `source malformed: the answer is not the JSON of a Prometheus API: it has no status or no data`, respond(200, `{"data":null}`)},
		"truncated JSON":           {query, `source malformed: the answer is not the JSON of a Prometheus API: unexpected EOF`, respond(200, oneSample[:80])},
		"something after it":       {query, `source malformed: the answer is not the JSON of a Prometheus API: there is something after the answer`, respond(200, oneSample+oneSample)},
		"a matrix":                 {query, `source unusable: the result is of the type "matrix", where one value for each series is needed: end the query in no range selector`, respond(200, `{"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"values":[[1,"1"]]}]}}`)},
		"a string":                 {query, `source unusable: the result is of the type "string", where one value for each series is needed: end the query in no range selector`, respond(200, `{"status":"success","data":{"resultType":"string","result":[1,"x"]}}`)},
		"a histogram":              {query, `source unusable: the series {pod="a"} has a native histogram, not a number: apply histogram_quantile( ), histogram_avg( ) or the like`, respond(200, `{"status":"success","data":{"resultType":"vector","result":[{"metric":{"pod":"a"},"histogram":[1,{}]}]}}`)},
		"no value":                 {query, `source malformed: the answer is not the JSON of a Prometheus API: the series {pod="a"} has no value`, respond(200, `{"status":"success","data":{"resultType":"vector","result":[{"metric":{"pod":"a"}}]}}`)},
		"a number as value":        {query, `source malformed: the answer is not the JSON of a Prometheus API: a value is not a number in a text`, respond(200, strings.Replace(oneSample, `"1.5"`, `1.5`, 1))},
		"a value too large":        {query, `source malformed: the answer is not the JSON of a Prometheus API: a value is not a number in a text`, respond(200, strings.Replace(oneSample, `1.5`, `1e999`, 1))},
		"no time":                  {query, `source malformed: the answer is not the JSON of a Prometheus API: a value's time is not a number of seconds`, respond(200, strings.Replace(oneSample, `1700000000.125`, `null`, 1))},
		"a triple":                 {query, `source malformed: the answer is not the JSON of a Prometheus API: a value is not a pair of time and value`, respond(200, strings.Replace(oneSample, `"1.5"`, `"1",2`, 1))},
		"no vector":                {query, `source malformed: the answer is not the JSON of a Prometheus API: the vector is missing`, respond(200, `{"status":"success","data":{"resultType":"vector","result":null}}`)},
		"cut by the source":        {query, `source incomplete: the source cut its answer: results truncated due to limit`, respond(200, `{"status":"success","warnings":["results truncated due to limit"],"data":{"resultType":"vector","result":[]}}`)},
		"series cut by the source": {"series", `source incomplete: the source cut its answer: results truncated due to limit`, respond(200, `{"status":"success","data":[],"warnings":["results truncated due to limit"]}`)},
		"series truncated":         {"series", `source malformed: the answer is not the JSON of a Prometheus API: unexpected EOF`, respond(200, `{"status":"success","data":[{"__name__":"a"}`)},
		"series of another type":   {"series", `source malformed: the answer is not the JSON of a Prometheus API: there is "{" where "[" is needed`, respond(200, `{"status":"success","data":{}}`)},
		"series without data":      {"series", `source malformed: the answer is not the JSON of a Prometheus API: it has no status or no data`, respond(200, `{"status":"success"}`)},
		"no result":                {query, `source malformed: the answer is not the JSON of a Prometheus API: the result is missing`, respond(200, `{"status":"success","data":{"resultType":"vector"}}`)},
		"no type":                  {query, `source malformed: the answer is not the JSON of a Prometheus API: the result is of the type "", where one value for each series is needed: end the query in no range selector`, respond(200, `{"status":"success","data":{"result":[]}}`)},
		"one endless sample":       {query, `source malformed: the answer is not the JSON of a Prometheus API: one element has more than 1048576 bytes`, respond(200, strings.Replace(oneSample, `"a"`, `"`+strings.Repeat("a", 3<<20)+`"`, 1))},
		"10 MB, more than allowed": {query, `source oversized: the answer has more than 10485760 bytes: ask for less, or raise --prometheus-max-answer-bytes`, respond(200, big)},
		"10 MB of series":          {"series", `source oversized: the answer has more than 10485760 bytes: ask for less, or raise --prometheus-max-series-bytes`, respond(200, `{"status":"success","data":[`+strings.Repeat(`{"__name__":"a"},`, 1<<20)+`{}]}`)},
		"one endless series":       {"series", `source malformed: the answer is not the JSON of a Prometheus API: one element has more than 1048576 bytes`, respond(200, `{"status":"success","data":[{"__name__":"`+strings.Repeat("a", 3<<20)+`"}]}`)},
		"10 MB, compressed": {query, `source oversized: the answer has more than 10485760 bytes: ask for less, or raise --prometheus-max-answer-bytes`, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			zip := gzip.NewWriter(w)
			io.WriteString(zip, big)
			zip.Close()
		}},
		"not gzip, though it says so": {query, `source malformed: the answer is not the JSON of a Prometheus API: gzip: invalid header`, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			io.WriteString(w, oneSample)
		}},
		"the connection breaks": {both, `source unavailable: SERVER: unexpected EOF`, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			io.WriteString(w, `{"status":`)
		}},
		"a redirect": {both, `source rejected: it redirects (status 302) to https://login.example, which is not followed: give the final address in --prometheus-url`, func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://login.example/?token=secret", http.StatusFound)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			// Ten megabytes take a busy machine and the race detector their time.
			s := serve(t, Config{MaxBytes: 10 << 20, MaxValues: 1_000_000, MaxSeriesBytes: 10 << 20, Timeout: time.Minute}, tc.handler)
			check := func(err error) {
				t.Helper()
				if err == nil {
					t.Fatal("no error")
				}
				if _, ok := errors.AsType[*source.Error](err); !ok {
					t.Errorf("%T is no *source.Error", err)
				}
				got := strings.ReplaceAll(err.Error(), s.host, "SERVER")
				if diff := cmp.Diff(tc.want, got); diff != "" {
					t.Errorf("error (-want +got):\n%s", diff)
				}
			}
			if tc.where != "series" {
				_, err := s.Query(t.Context(), "x")
				check(err)
			}
			if tc.where != query {
				_, err := s.Series(t.Context(), []string{"x"}, 0)
				check(err)
			}
		})
	}
}

// hang answers with a beginning and never goes on, until the client is gone.
func hang(begin string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, begin)
		if begin != "" {
			w.(http.Flusher).Flush()
		}
		<-r.Context().Done()
	}
}

func TestEveryCallHasADeadline(t *testing.T) {
	for name, begin := range map[string]string{"before the answer": "", "in the answer": `{"status":"success","data":`} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, Config{Timeout: 50 * time.Millisecond, SeriesTimeout: 50 * time.Millisecond}, hang(begin))
			calls := map[string]func(context.Context) error{
				"query":  func(ctx context.Context) error { _, err := s.Query(ctx, "x"); return err },
				"series": func(ctx context.Context) error { _, err := s.Series(ctx, []string{"x"}, 0); return err },
			}
			for call, do := range calls {
				if err := do(t.Context()); source.KindOf(err) != source.Timeout {
					t.Errorf("%s: %v", call, err)
				}
				ctx, cancel := context.WithCancel(t.Context())
				cancel()
				if err := do(ctx); source.KindOf(err) != source.Canceled {
					t.Errorf("%s, canceled: %v", call, err)
				}
			}
		})
	}
}

func TestUnreachable(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	address := server.URL
	server.Close()
	_, err := open(t, Config{URL: strings.Replace(address, "http://", "http://user:secret@", 1) + "?apikey=secret"}).Query(t.Context(), "x")
	if source.KindOf(err) != source.Unavailable || !strings.Contains(err.Error(), "connection refused") || strings.Contains(err.Error(), "secret") {
		t.Errorf("error %v", err)
	}
}

// sent is what a server saw of a request.
type sent struct {
	Method, Path, Query string
	Form                url.Values
}

func record(into *sent, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		*into = sent{Method: r.Method, Path: r.URL.Path, Query: r.URL.RawQuery}
		if err := r.ParseForm(); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		into.Form = r.Form
		io.WriteString(w, body)
	}
}

func TestRequests(t *testing.T) {
	long := "sum(x{pod=~\"" + strings.Repeat("a|", 5000) + "\"})"
	for name, tc := range map[string]struct {
		config Config
		query  string
		want   sent
	}{
		"GET": {
			Config{URL: "http://SERVER"}, "up",
			sent{Method: "GET", Path: "/api/v1/query", Form: url.Values{"query": {"up"}, "timeout": {"T"}}},
		},
		"GET with a prefix, parameters and lookback": {
			Config{URL: "http://SERVER/prom/?tenant=a&dedup=true", Lookback: 90500 * time.Millisecond}, "up",
			sent{Method: "GET", Path: "/prom/api/v1/query", Form: url.Values{"tenant": {"a"}, "dedup": {"true"}, "query": {"up"}, "timeout": {"T"}, "lookback_delta": {"90.5"}}},
		},
		"POST with parameters in the URL": {
			Config{URL: "http://SERVER/prom?tenant=a", Method: "post"}, "up",
			sent{Method: "POST", Path: "/prom/api/v1/query", Query: "tenant=a", Form: url.Values{"tenant": {"a"}, "query": {"up"}, "timeout": {"T"}}},
		},
		"a long GET becomes a POST": {
			Config{URL: "http://SERVER?tenant=a"}, long,
			sent{Method: "POST", Path: "/api/v1/query", Query: "tenant=a", Form: url.Values{"tenant": {"a"}, "query": {long}, "timeout": {"T"}}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var got sent
			s := serve(t, tc.config, record(&got, oneSample))
			if _, err := s.Query(t.Context(), tc.query); err != nil {
				t.Fatal(err)
			}
			if got.Method == http.MethodGet {
				got.Query = ""
			}
			timeout, err := time.ParseDuration(got.Form.Get("timeout"))
			if err != nil || timeout <= 0 || timeout > DefaultTimeout {
				t.Errorf("timeout %q: %v", got.Form.Get("timeout"), err)
			}
			got.Form.Set("timeout", "T")
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("request (-want +got):\n%s", diff)
			}
		})
	}
}

func TestTheCallersDeadlineIsSent(t *testing.T) {
	var got sent
	s := serve(t, Config{}, record(&got, oneSample))
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if _, err := s.Query(ctx, "x"); err != nil {
		t.Fatal(err)
	}
	if timeout, err := time.ParseDuration(got.Form.Get("timeout")); err != nil || timeout > 5*time.Second || timeout < time.Second {
		t.Errorf("timeout %q: %v", got.Form.Get("timeout"), err)
	}
}

func TestSeries(t *testing.T) {
	var got sent
	body := `{"infos":[1],"status":"success","data":[{"__name__":"b","pod":"1"},{"__name__":"a"},{"__name__":"b","job":"x","pod":"2"},{"nameless":"1"}]}`
	s := serve(t, Config{}, record(&got, body))
	s.now = func() time.Time { return time.UnixMilli(1700000600250) }
	found, err := s.Series(t.Context(), []string{`{a="1"}`, "b"}, 10*time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]source.Series{{Name: "a"}, {Name: "b", Labels: []string{"job", "pod"}}}, found); diff != "" {
		t.Errorf("series (-want +got):\n%s", diff)
	}
	got.Query = ""
	want := sent{Method: "GET", Path: "/api/v1/series", Form: url.Values{"match[]": {`{a="1"}`, "b"}, "start": {"1700000000.250"}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("request (-want +got):\n%s", diff)
	}
}

// What a source warns of can be about any series, so that not everybody is to read it.
func TestWarningsAreQuoted(t *testing.T) {
	s := serve(t, Config{}, respond(200, `{"status":"success","data":[{"__name__":"a"}],"warnings":["store tenant secret"]}`))
	found, err := s.Series(t.Context(), []string{"a"}, 0)
	if diff := cmp.Diff([]source.Series{{Name: "a"}}, found); diff != "" {
		t.Errorf("series (-want +got):\n%s", diff)
	}
	said, ok := errors.AsType[*source.Error](err)
	if !ok || said.Kind != source.Incomplete || said.Text != "the source warns: store tenant secret" || !said.Quotes {
		t.Errorf("%+v", err)
	}
}

func TestSeriesOfTooManyNames(t *testing.T) {
	s := serve(t, Config{}, func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, `{"status":"success","data":[{}`)
		for i := range maxNames + 1 {
			fmt.Fprintf(w, `,{"__name__":"n%d"}`, i)
		}
		io.WriteString(w, "]}")
	})
	_, err := s.Series(t.Context(), []string{"x"}, 0)
	if diff := cmp.Diff("source incomplete: there are more than 1048576 names of series and labels: narrow the rules' seriesQuery", fmt.Sprint(err)); diff != "" {
		t.Errorf("error (-want +got):\n%s", diff)
	}
}

func TestGzip(t *testing.T) {
	s := serve(t, Config{}, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Accept-Encoding") != "gzip" {
			http.Error(w, "gzip is not asked for", http.StatusNotAcceptable)
			return
		}
		var zipped bytes.Buffer
		zip := gzip.NewWriter(&zipped)
		io.WriteString(zip, oneSample)
		zip.Close()
		w.Header().Set("Content-Encoding", "gzip")
		w.Write(zipped.Bytes())
	})
	got, err := s.Query(t.Context(), "x")
	if err != nil || len(got.Samples) != 1 || got.Samples[0].Value != 1.5 {
		t.Errorf("answer %+v, error %v", got, err)
	}
}

func FuzzDecodeAnswer(f *testing.F) {
	f.Add([]byte(oneSample))
	f.Add([]byte(`{"status":"success","data":{"resultType":"scalar","result":[1,"NaN"]}}`))
	f.Add([]byte(`{"status":"error","errorType":"timeout","error":"x"}`))
	f.Add([]byte(`{"status":"success","data":{"resultType":"vector","result":[{"metric":null,"value":[1e300,"1"]}]}}`))
	f.Add([]byte(`{"data":{"result":[{"value":[1,"2"],"metric":{"a":"b"}}],"resultType":"vector"},"status":"success"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		const most = 3
		got, err := decodeAnswer(bytes.NewReader(body), most, 0)
		if err != nil && len(got.Samples) > 0 || len(got.Samples) > most {
			t.Errorf("%d samples with error %v", len(got.Samples), err)
		}
		if err == nil && !json.Valid(body) {
			t.Errorf("%q is no JSON and became %+v", body, got)
		}
		for _, s := range got.Samples {
			if s.Time.Year() < -300000 || s.Time.Year() > 300000 {
				t.Errorf("time %v", s.Time)
			}
		}
	})
}

// The quick way to read a value gives what the other gives, or nothing.
func FuzzPoint(f *testing.F) {
	for _, seed := range []string{
		`[1700000000.125,"1.5"]`, `[ -1 , "NaN" ]`, `[0,"-Inf"]`, `[1e3,"+Inf"]`, `["1","2"]`, `[1,"2","3"]`, `[1,"\u0031"]`, `[1,""]`, `[1,"0x1p4"]`, `[1,"1_0"]`,
		`[null,"1"]`, `[1,2]`, `[1]`, `[]`, `null`, `[1e300,"1"]`, `[[1,"2"]]`, `[1,"2"],`, `[1," 2"]`, `[8796093022209,"1"]`, `[1,"1e999"]`, `[1,"a,b"]`, "[\n1,\t\"2\"\r]",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if !json.Valid(data) {
			return
		}
		var quick, other point
		if !quick.plain(bytes.TrimSpace(data)) {
			return
		}
		if err := other.any(data); err != nil || !quick.time.Equal(other.time) || math.Float64bits(quick.value) != math.Float64bits(other.value) {
			t.Errorf("%q: %v, but %v, %v", data, quick, other, err)
		}
	})
}

// What sources write is read the quick way.
func TestPointIsPlain(t *testing.T) {
	for _, text := range []string{`[1700000000.125,"1.5"]`, `[1700000000,"0.0000012"]`, `[1700000000.1,"NaN"]`, `[1700000000.1,"+Inf"]`, `[1700000000.1,"1e+06"]`} {
		if !new(point).plain([]byte(text)) {
			t.Errorf("%s is not", text)
		}
	}
}

func FuzzDecodeSeries(f *testing.F) {
	f.Add([]byte(`{"status":"success","data":[{"__name__":"a","b":"c"}],"warnings":[]}`))
	f.Add([]byte(`{"data":[],"status":"error","errorType":"x","error":"y"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		got, err := decodeSeries(bytes.NewReader(body))
		if err == nil && !bytes.Contains(body, []byte("success")) && !bytes.Contains(body, []byte(`\u`)) {
			t.Errorf("%q became %+v", body, got)
		}
	})
}
