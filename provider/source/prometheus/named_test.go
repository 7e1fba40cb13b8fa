package prometheus

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/loadline/loadline/provider/source"
)

// A source with a name says so in each error, and calls its settings as its configuration
// does.
func TestErrorsOfANamedSource(t *testing.T) {
	for name, tc := range map[string]struct {
		answer http.HandlerFunc
		want   string
	}{
		"a wrong path": {http.NotFound, `source "team" rejected: status 404: 404 page not found: check the path in url`},
		"a redirect":   {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "http://x/", http.StatusFound) }, `source "team" rejected: it redirects (status 302) to http://x, which is not followed: give the final address in url`},
		"too much": {func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte(`{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1,"` + strings.Repeat("1", 1000) + `"]}]}}`))
		}, `source "team" oversized: the answer has more than 500 bytes: ask for less, or raise maxAnswerBytes`},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(tc.answer)
			defer server.Close()
			s, err := New(Config{Name: "team", URL: server.URL, MaxBytes: 500})
			if err != nil {
				t.Fatal(err)
			}
			defer s.CloseIdleConnections()
			_, err = s.Query(t.Context(), "up")
			if err == nil {
				t.Fatal("no error")
			}
			if diff := cmp.Diff(tc.want, err.Error()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	hung := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	defer hung.Close()
	s, err := New(Config{Name: "team", URL: hung.URL, SeriesTimeout: 50 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer s.CloseIdleConnections()
	for what, call := range map[string]func() error{
		"Series": func() error { _, err := s.Series(t.Context(), []string{"up"}, 0); return err },
		"Names": func() error {
			_, err := s.Names(t.Context(), "up", 0, func(string) bool { return true })
			return err
		},
	} {
		if err := call(); !source.Unanswered(err) || !strings.HasPrefix(err.Error(), `source "team" timeout: `) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// No mistake in a named source's configuration is told by the names of flags.
func TestValidateANamedSource(t *testing.T) {
	c := Config{
		Name: "team", URL: "ftp://me@x?query=a#b", Method: "PUT", CertFile: "a", AuthInCluster: true, AuthConfig: "b", Username: "c", TokenFile: "d",
		MaxValues: -1, Headers: []string{"Te=x"},
	}
	want := `url: must begin with http:// or https:// and name a host
url: has a fragment (#…), which no server sees: remove it
url: the query parameter "query" is not yours to set: remove it
verb: "PUT" is neither GET nor POST
certFile and keyFile: give both or neither
authInCluster and authConfig: give only one
basic authentication: give both the user name and the password file, or neither
basic authentication and tokenFile: give only one
basic authentication: the user name is given in url as well: give it once
maxAnswerValues: must be positive
headers: Te cannot be set`
	if diff := cmp.Diff(want, c.Validate().Error()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if _, err := New(Config{Name: "team", URL: "https://x", CAFile: "/nowhere"}); err == nil || !strings.HasPrefix(err.Error(), "caFile, certFile, keyFile: ") {
		t.Errorf("a file that is not there: %v", err)
	}
	if _, err := New(Config{Name: "team", URL: "https://x", TokenFile: "/nowhere"}); err == nil || !strings.HasPrefix(err.Error(), "tokenFile: ") {
		t.Errorf("a token that is not there: %v", err)
	}
}
