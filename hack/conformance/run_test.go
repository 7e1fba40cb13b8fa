//go:build e2e

package conformance

import (
	"context"
	"encoding/json"
	"flag"
	"io"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/klog/v2"
)

func TestMain(m *testing.M) {
	flag.Parse()
	// Each case keeps the log of its adapter. What the libraries write beside it is of no
	// case, and only their errors are shown.
	klog.LogToStderr(false)
	klog.SetOutput(io.Discard)
	os.Exit(m.Run())
}

// TestCases runs each case of cases with a Prometheus of its own.
func TestCases(t *testing.T) { runAll(t, startPrometheus) }

// runAll runs each case with a source that start starts.
func runAll(t *testing.T, start func(context.Context) (holder, error)) {
	cases, err := Load("cases")
	if err != nil {
		t.Fatal(err)
	}
	id, err := newIdentity(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			t.Cleanup(func() {
				if t.Failed() {
					t.Logf("%s: %s", filepath.Join("cases", c.Name+".yaml"), c.About)
				}
			})
			if c.Error != "" {
				refused(t, id, &c)
				return
			}
			run(t, id, &c, filled(t, &c, start))
		})
	}
}

// refused runs a case of a configuration that the adapter does not start with.
func refused(t *testing.T, id identity, c *Case) {
	o, err := id.options(c, t.TempDir(), "http://127.0.0.1:1", "http://127.0.0.1:1")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.TrimSuffix(c.Error, "\n"), refusal(t.Context(), o)); diff != "" {
		t.Errorf("error (-want +got):\n%s", diff)
	}
}

// run runs a case of a configuration that is taken.
func run(t *testing.T, id identity, c *Case, source holder) {
	address, err := url.Parse(source.URL())
	if err != nil {
		t.Fatal(err)
	}
	recorder := newRecorder(address)
	front := httptest.NewServer(recorder)
	t.Cleanup(front.Close)
	var objects []object
	for _, text := range c.Objects {
		o, err := parseObject(text)
		if err != nil {
			t.Fatal(err)
		}
		objects = append(objects, o)
	}
	cluster := httptest.NewServer(newAPIServer(objects, c.Hidden))
	t.Cleanup(cluster.Close)
	o, err := id.options(c, t.TempDir(), cluster.URL, front.URL)
	if err != nil {
		t.Fatal(err)
	}
	// Not the test's context, which ends before the adapter is told to.
	a, err := id.start(context.WithoutCancel(t.Context()), o)
	t.Cleanup(func() {
		if err := a.end(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("log of the adapter:\n%s", a.log)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	s := session{c, a, recorder}
	s.names(t)
	s.reads(t)
	s.together(t)
	s.rest(t)
}

// filled starts a source, for the test's time, and gives it the series of a case.
func filled(t *testing.T, c *Case, start func(context.Context) (holder, error)) holder {
	var all []series
	for _, line := range c.Series {
		s, err := parseSeries(line)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, s)
	}
	source, err := start(context.WithoutCancel(t.Context()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := source.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := source.Fill(t.Context(), all, time.Now(), c.Interval); err != nil {
		t.Fatal(err)
	}
	return source
}

// session is a case in front of a running adapter.
type session struct {
	*Case
	*running
	source *recorder
}

// names compares what discovery lists, in each version.
func (s *session) names(t *testing.T) {
	for path, want := range map[string][]string{
		"custom.metrics.k8s.io/v1beta1": s.Names, "custom.metrics.k8s.io/v1beta2": s.Names, "external.metrics.k8s.io/v1beta1": s.External,
	} {
		if want == nil {
			continue
		}
		code, data, err := s.get(t.Context(), "/apis/"+path)
		got := []string{}
		for _, r := range parse(t, data).Resources {
			got = append(got, r.Name)
		}
		if diff := cmp.Diff(distinct(want), distinct(got)); err != nil || code != 200 || len(got) != len(want) || diff != "" {
			t.Errorf("%s: %d %v: names (-want +got):\n%s", path, code, err, diff)
		}
	}
}

// reads makes the case's reads, one after the other, so that the queries that are sent
// meanwhile are those of one.
func (s *session) reads(t *testing.T) {
	for _, r := range s.Reads {
		mark := s.source.mark()
		if said := s.read(t, &r); said != "" {
			t.Errorf("GET %s: %s", r.Path, said)
			continue
		}
		if r.Query == nil {
			continue
		}
		var want []string
		if *r.Query != "" {
			want = []string{*r.Query}
		}
		if diff := cmp.Diff(want, s.source.queries(mark)); diff != "" {
			t.Errorf("GET %s: sent (-want +got):\n%s", r.Path, diff)
		}
	}
}

// read makes one, and says what is wrong with the answer. An adapter that has no value
// yet says so with 503, and is asked again, as the HPA controller does.
func (s *session) read(t *testing.T, r *Read) (said string) {
	path := r.Path
	if !strings.HasPrefix(path, "/") {
		path = "/apis/" + path
	}
	time.Sleep(r.Pause)
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		code, data, err := s.get(t.Context(), path)
		if err != nil {
			return err.Error()
		}
		evaluated := span{s.began, time.Now()}
		if r.Query != nil && *r.Query == "" { // as long as the newest query takes
			evaluated.until = s.source.newest().Add(500 * time.Millisecond)
		}
		if said = r.check(code, data, evaluated); said == "" || code != 503 || time.Now().After(deadline) {
			return said
		}
	}
}

// together waits until the adapter has asked the case's queries, and for one more round
// of them in which there is no other. Then the same reads have to give the same.
func (s *session) together(t *testing.T) {
	if len(s.Together) == 0 {
		return
	}
	want := distinct(s.Together)
	s.await(t, s.source.mark(), want)
	mark := s.source.mark()
	s.await(t, mark, want)
	if diff := cmp.Diff(want, s.source.queries(mark)); diff != "" {
		t.Errorf("asked together (-want +got):\n%s", diff)
	}
	for _, r := range s.Reads {
		if said := s.read(t, &r); said != "" {
			t.Errorf("asked together, GET %s: %s", r.Path, said)
		}
	}
}

// await waits until all of the queries were asked after a mark.
func (s *session) await(t *testing.T, mark int, want []string) {
	for deadline := time.Now().Add(15 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		got, missing := s.source.queries(mark), 0
		for _, query := range want {
			if !strings.Contains("\x00"+strings.Join(got, "\x00")+"\x00", "\x00"+query+"\x00") {
				missing++
			}
		}
		if missing == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("not asked together (-want +got):\n%s", cmp.Diff(want, got))
		}
	}
}

// rest compares what is of the whole case: the log, and what came with each query.
func (s *session) rest(t *testing.T) {
	for _, text := range s.Log {
		if !strings.Contains(s.log.String(), text) {
			t.Errorf("the log has no %q", text)
		}
	}
	for name, pattern := range s.Parameters {
		for _, asked := range s.source.since(0) {
			if value := asked.Get(name); !regexp.MustCompile(pattern).MatchString(value) {
				t.Errorf("a query was sent with %s=%q, want %s", name, value, pattern)
			}
		}
	}
}

func parse(t *testing.T, data []byte) body {
	t.Helper()
	var b body
	if err := json.Unmarshal(data, &b); err != nil {
		t.Fatalf("%v: %s", err, data)
	}
	return b
}

// TestCasesEmbedded runs each case with the embedded engine.
func TestCasesEmbedded(t *testing.T) { runAll(t, startEmbedded) }
