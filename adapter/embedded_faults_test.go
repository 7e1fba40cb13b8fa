package adapter

import (
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// app is podAt for the pods of another app than web.
func app(t *testing.T, app, name string, handler http.HandlerFunc) corev1.Pod {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	p := podAt(t, name, addressOf(server.URL))
	p.Labels = map[string]string{"app": app}
	return p
}

func exports(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, text) }
}

// forgetful is an API server that does not know what it said before it was restarted, so that
// everybody has to list anew.
func forgetful(api http.Handler) http.Handler {
	var listed sync.Map // by what is accepted
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		kind := r.Header.Get("Accept")
		if _, known := listed.Load(kind); !known && r.FormValue("watch") != "" && r.FormValue("sendInitialEvents") == "" {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusGone)
			_, _ = io.WriteString(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Expired","code":410}`)
			return
		}
		listed.Store(kind, true)
		api.ServeHTTP(w, r)
	})
}

var apiAway = flag.Duration("away", 0, "how long the API server is away in TestTheAPIServerIsAway, at least")

// While the API server is away the pods that are known are scraped on, and what HPAs are
// answered is as fresh as ever. Some seconds of it, or as much as is asked for:
//
//	go test ./adapter -run TestTheAPIServerIsAway -away 1m
func TestTheAPIServerIsAway(t *testing.T) {
	const interval = 300 * time.Millisecond
	first, second := &load{}, &load{}
	first.set(40)
	second.set(70)
	web1 := app(t, "web", "web-1", first.ServeHTTP)
	web2 := app(t, "web", "web-2", second.ServeHTTP)
	web2.UID = "u2"
	var api switched
	api.set(clusterAPI([]corev1.Pod{web1}))
	server := httptest.NewServer(&api)
	t.Cleanup(server.Close)
	s := startScraping(t, server.URL, interval)
	s.scale("web", "http_requests_per_second")
	s.warmed()
	has := func(pod string, want float64) func() string {
		return func() string {
			values, err := s.sees("web", "http_requests_per_second")
			if got := values[pod]; err != nil || got < want*0.7 || got > want*1.3 {
				return fmt.Sprintf("%s has %v (%v), want about %v", pod, values, err, want)
			}
			return ""
		}
	}
	s.eventually(20*time.Second, has("web-1", 40))

	api.set(nil)
	server.CloseClientConnections()
	away := time.Now()
	for i := 0; i < 3 || time.Since(away) < *apiAway; i++ {
		rate := []float64{200, 20, 100}[i%3]
		first.set(rate)
		s.eventually(20*time.Second, has("web-1", rate))
		if age := s.age("web", "http_requests_per_second"); age > 10*interval {
			t.Errorf("after %s without the API server the value is %s old", time.Since(away), age)
		}
	}
	if status := s.scrapes.Status(); len(status) != 1 || !status[0].Up {
		t.Errorf("after %s without the API server: %v", time.Since(away), status)
	}

	api.set(forgetful(clusterAPI([]corev1.Pod{web1, web2})))
	s.eventually(time.Minute, has("web-2", 70))
}

// What a pod does wrong, what its HPA sees, and that another HPA sees no difference.
func TestWhatHPAsSeeOfPodsThatMisbehave(t *testing.T) {
	const interval = 500 * time.Millisecond
	var scrapes, healthy atomic.Int64
	healthy.Store(1)
	stolen := httptest.NewServer(exports("depth 99\n"))
	t.Cleanup(stolen.Close)
	hangs := func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	const none = "no sample for any of 1 pods"
	rows := map[string]struct {
		handler http.HandlerFunc
		second  http.HandlerFunc // of another pod of the same app; may be nil
		want    string           // the values, or a part of the error
	}{
		"does nothing wrong":         {exports("depth 7\n"), nil, "a=7"},
		"hangs":                      {hangs, nil, none},
		"hangs beside another":       {hangs, exports("depth 6\n"), "b=6"},
		"resets the connection":      {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, nil, none},
		"redirects":                  {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, stolen.URL, http.StatusFound) }, nil, none},
		"breaks off in a line":       {exports("depth 3\ndepth{a=\"b"), nil, none},
		"exports none of it":         {exports("other 3\n"), nil, none},
		"labels of another":          {exports("depth{namespace=\"kube-system\",pod=\"b\",node=\"x\"} 5\n"), nil, "a=5"},
		"a timestamp of an hour ago": {exports(fmt.Sprintf("depth 3 %d\n", time.Now().Add(-time.Hour).UnixMilli())), nil, "a=3"},
		"a timestamp in an hour":     {exports(fmt.Sprintf("depth 4 %d\n", time.Now().Add(time.Hour).UnixMilli())), nil, "a=4"},
		"not a number":               {exports("depth NaN\n"), nil, "NaN"},
		"infinite":                   {exports("depth +Inf\n"), nil, "Inf"},
		"infinite beside another":    {exports("depth +Inf\n"), exports("depth 6\n"), "Inf"},
		"the same series twice":      {exports("depth 1\ndepth 2\n"), nil, "a=1"},
		"lies about its length": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			_, _ = io.WriteString(w, "depth 3\n")
		}, nil, none},
		"other labels at each scrape": {func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprintf(w, "depth{scrape=\"%d\"} 8\n", scrapes.Add(1))
		}, nil, "a=8"},
		// Its last value is none of now: an HPA must not go by it.
		"fails after a while": {func(w http.ResponseWriter, _ *http.Request) {
			if healthy.Load() == 0 {
				http.Error(w, "no", http.StatusInternalServerError)
				return
			}
			_, _ = io.WriteString(w, "depth 9\n")
		}, nil, none},
	}
	good := &load{}
	good.set(40)
	pods := []corev1.Pod{app(t, "good", "good-1", good.ServeHTTP)}
	names := map[string]string{}
	for name, row := range rows {
		label := strings.NewReplacer(" ", "-").Replace(name)
		names[label] = name
		pods = append(pods, app(t, label, label+"-a", row.handler))
		if row.second != nil {
			pods = append(pods, app(t, label, label+"-b", row.second))
		}
	}
	server := httptest.NewServer(clusterAPI(pods))
	t.Cleanup(server.Close)
	s := startScraping(t, server.URL, interval)
	s.scale("good", "http_requests_per_second")
	for label := range names {
		s.scale(label, "depth")
	}
	s.warmed()

	seen := func(label string) string {
		values, err := s.sees(label, "depth")
		if err != nil {
			return err.Error()
		}
		var all []string
		for pod, v := range values {
			all = append(all, fmt.Sprintf("%s=%v", strings.TrimPrefix(pod, label+"-"), v))
		}
		slices.Sort(all)
		return strings.Join(all, " ")
	}
	s.eventually(30*time.Second, func() string {
		if got := seen("fails-after-a-while"); got != "a=9" {
			return "before it fails its HPA sees " + got
		}
		return ""
	})
	healthy.Store(0)
	for label, name := range names {
		want := rows[name].want
		s.eventually(30*time.Second, func() string {
			if got := seen(label); got != want && (strings.Contains(want, "=") || !strings.Contains(got, want)) {
				return fmt.Sprintf("of a pod that %s its HPA sees %s, want %s", name, got, want)
			}
			return ""
		})
	}
	s.eventually(10*time.Second, func() string {
		values, err := s.sees("good", "http_requests_per_second")
		age := s.age("good", "http_requests_per_second")
		if got := values["good-1"]; err != nil || got < 30 || got > 55 || age > 5*interval {
			return fmt.Sprintf("beside them the HPA that has nothing to do with them sees %v (%v), of %s ago", values, err, age)
		}
		return ""
	})
}
