package prometheus

import (
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/loadline/loadline/provider/source"
)

// index answers for names by what it is asked.
type index struct {
	answers map[string]string // by path and match[]
	asked   []string
}

func (x *index) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_ = r.ParseForm()
	key := r.URL.Path + " " + r.Form.Get("match[]")
	x.asked = append(x.asked, r.Method+" "+key+" "+r.Form.Get("start"))
	answer, ok := x.answers[key]
	if !ok {
		http.Error(w, "no such thing", http.StatusNotFound)
		return
	}
	io.WriteString(w, answer)
}

func list(names ...string) string {
	text := ""
	for i, n := range names {
		if i > 0 {
			text += ","
		}
		text += fmt.Sprintf("%q", n)
	}
	return `{"status":"success","data":[` + text + `]}`
}

// Names are found by lists of names, with as few questions as tell them.
func TestNames(t *testing.T) {
	const values, labels, series = "/api/v1/label/__name__/values ", "/api/v1/labels ", "/api/v1/series "
	pods := func(l string) bool { return l == "pod" || l == "namespace" }
	for name, tc := range map[string]struct {
		answers map[string]string
		config  Config
		wanted  func(string) bool
		want    []source.Series
		asked   []string
		err     string
	}{
		"several": {
			answers: map[string]string{
				values + `{a="1"}`: list("y", "x"), labels + `{a="1"}`: list("__name__", "pod", "namespace", "job", "a"),
				values + `{a="1",pod!=""}`: list("x"), values + `{a="1",namespace!=""}`: list("x", "y", "new"),
			},
			wanted: pods,
			want:   []source.Series{{Name: "x", Labels: []string{"namespace", "pod"}}, {Name: "y", Labels: []string{"namespace"}}},
			asked: []string{
				"GET " + values + `{a="1"} 1700000000.250`, "GET " + labels + `{a="1"} 1700000000.250`,
				"GET " + values + `{a="1",namespace!=""} 1700000000.250`, "GET " + values + `{a="1",pod!=""} 1700000000.250`,
			},
		},
		"one has all the labels": {
			answers: map[string]string{values + `{a="1"}`: list("x"), labels + `{a="1"}`: list("pod", "namespace", "b")}, wanted: pods,
			want:  []source.Series{{Name: "x", Labels: []string{"namespace", "pod"}}},
			asked: []string{"GET " + values + `{a="1"} 1700000000.250`, "GET " + labels + `{a="1"} 1700000000.250`},
		},
		"by POST where that is understood": {
			config:  Config{Method: "POST"},
			answers: map[string]string{values + `{a="1"}`: list("x"), labels + `{a="1"}`: list("pod")}, wanted: pods,
			want:  []source.Series{{Name: "x", Labels: []string{"pod"}}},
			asked: []string{"GET " + values + `{a="1"} 1700000000.250`, "POST " + labels + `{a="1"} 1700000000.250`},
		},
		"no label is wanted": {
			answers: map[string]string{values + `{a="1"}`: list("x", "y")},
			want:    []source.Series{{Name: "x"}, {Name: "y"}}, asked: []string{"GET " + values + `{a="1"} 1700000000.250`},
		},
		"nothing": {
			answers: map[string]string{values + `{a="1"}`: list()}, wanted: pods,
			want: []source.Series{}, asked: []string{"GET " + values + `{a="1"} 1700000000.250`},
		},
		"a source that does not know the question": {
			answers: map[string]string{series + `{a="1"}`: `{"status":"success","data":[{"__name__":"x","pod":"p","job":"j"}]}`}, wanted: pods,
			want:  []source.Series{{Name: "x", Labels: []string{"job", "pod"}}},
			asked: []string{"GET " + values + `{a="1"} 1700000000.250`, "GET " + series + `{a="1"} 1700000000.250`},
		},
		"an answer that was cut": {
			answers: map[string]string{values + `{a="1"}`: `{"status":"success","data":["x"],"warnings":["results truncated due to limit"]}`, labels + `{a="1"}`: list()}, wanted: pods,
			want:  []source.Series{{Name: "x"}},
			asked: []string{"GET " + values + `{a="1"} 1700000000.250`, "GET " + labels + `{a="1"} 1700000000.250`}, err: "incomplete",
		},
		"an answer with a warning": {
			answers: map[string]string{values + `{a="1"}`: list("x", "y"), labels + `{a="1"}`: `{"status":"success","data":["pod"],"warnings":["receive from store: deadline exceeded"]}`, values + `{a="1",pod!=""}`: list("y")}, wanted: pods,
			want:  []source.Series{{Name: "x"}, {Name: "y", Labels: []string{"pod"}}},
			asked: []string{"GET " + values + `{a="1"} 1700000000.250`, "GET " + labels + `{a="1"} 1700000000.250`, "GET " + values + `{a="1",pod!=""} 1700000000.250`}, err: "incomplete",
		},
		// What is refused may be one question alone, as by a proxy that passes some paths.
		"a source that does not know the second question": {
			answers: map[string]string{values + `{a="1"}`: list("x", "y"), series + `{a="1"}`: `{"status":"success","data":[{"__name__":"x","pod":"p"}]}`}, wanted: pods,
			want:  []source.Series{{Name: "x", Labels: []string{"pod"}}},
			asked: []string{"GET " + values + `{a="1"} 1700000000.250`, "GET " + labels + `{a="1"} 1700000000.250`, "GET " + series + `{a="1"} 1700000000.250`},
		},
		"a source that does not know the third question": {
			answers: map[string]string{values + `{a="1"}`: list("x", "y"), labels + `{a="1"}`: list("pod"), series + `{a="1"}`: `{"status":"success","data":[{"__name__":"x","pod":"p"}]}`}, wanted: pods,
			want:  []source.Series{{Name: "x", Labels: []string{"pod"}}},
			asked: []string{"GET " + values + `{a="1"} 1700000000.250`, "GET " + labels + `{a="1"} 1700000000.250`, "GET " + values + `{a="1",pod!=""} 1700000000.250`, "GET " + series + `{a="1"} 1700000000.250`},
		},
		"a source that knows none of them": {
			wanted: pods, asked: []string{"GET " + values + `{a="1"} 1700000000.250`, "GET " + series + `{a="1"} 1700000000.250`}, err: "rejected",
		},
	} {
		t.Run(name, func(t *testing.T) {
			x := &index{answers: tc.answers}
			s := serve(t, tc.config, x.ServeHTTP)
			s.now = func() time.Time { return time.UnixMilli(1700000600250) }
			got, err := s.Names(t.Context(), `{a="1"}`, 10*time.Minute, tc.wanted)
			if tc.err != "" {
				if source.KindOf(err).String() != tc.err {
					t.Errorf("%v, want %s", err, tc.err)
				}
			} else if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tc.asked, x.asked); diff != "" {
				t.Errorf("asked (-want +got):\n%s", diff)
			}
		})
	}
}
