package adapter

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"
)

// What the source is told to stop at is --query-timeout, also where that is longer than
// the client's default. It is the deadline of the call by another name.
func TestQueryTimeoutReachesTheSource(t *testing.T) {
	asked := make(chan string, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- r.FormValue("timeout")
		w.WriteHeader(http.StatusBadRequest)
	}))
	defer server.Close()
	for name, timeout := range map[string]time.Duration{"shorter than the client's default": 2 * time.Second, "longer": time.Minute} {
		t.Run(name, func(t *testing.T) {
			o := NewOptions()
			o.Source.URL, o.QueryTimeout = server.URL, timeout
			src, err := o.Source.source(o.QueryTimeout)
			if err != nil {
				t.Fatal(err)
			}
			defer src.CloseIdleConnections()
			_, _ = src.Query(t.Context(), "1") // refused
			got, err := time.ParseDuration(<-asked)
			if err != nil || got > timeout || got < timeout-time.Second {
				t.Errorf("told %s (%v), want almost %s", got, err, timeout)
			}
		})
	}
}

// Without a URL there is nobody for the other flags to be about, but for those that the
// sources of the file inherit. Each of the flags is one or the other.
func TestFlagsOfNoSource(t *testing.T) {
	inherited := map[string]bool{"prometheus-url": true, "sample-max-age": true, "prometheus-max-answer-bytes": true, "prometheus-max-answer-values": true, "prometheus-max-series-bytes": true}
	value := map[string]string{"string": "x", "stringArray": "a=b", "bool": "true", "duration": "1m", "int": "7", "int64": "7"}
	all := pflag.NewFlagSet("", pflag.ContinueOnError)
	newSourceOptions().addFlags(all)
	all.VisitAll(func(f *pflag.Flag) {
		o, fs := newSourceOptions(), pflag.NewFlagSet("", pflag.ContinueOnError)
		o.addFlags(fs)
		if f.Name != "prometheus-url" {
			if err := fs.Set(f.Name, value[f.Value.Type()]); err != nil {
				t.Fatalf("--%s: %v", f.Name, err)
			}
		}
		want := ""
		if !inherited[f.Name] {
			want = fmt.Sprintf("--prometheus-url: is not given, and --%s would have no effect: give it, or leave them out; the sources of the file have keys of their own for these", f.Name)
		}
		got := ""
		if err := errors.Join(o.validate()...); err != nil {
			got = err.Error()
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("--%s (-want +got):\n%s", f.Name, diff)
		}
	})
	o := newSourceOptions()
	o.TokenFile, o.CAFile = "/token", "/ca"
	if err := errors.Join(o.validate()...); err == nil || !strings.Contains(err.Error(), "--prometheus-ca-file, --prometheus-token-file would") {
		t.Errorf("two at once: %v", err)
	}
}
