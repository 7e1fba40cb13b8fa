package node

import (
	"bufio"
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

func start(t *testing.T, script string) (*process, *os.File) {
	t.Helper()
	log, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { log.Close() })
	p, err := startProcess(command{Path: "/bin/sh", Args: []string{"-c", script}, Env: []string{"PATH=" + os.Getenv("PATH")}, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.signal(syscall.SIGKILL); <-p.done })
	return p, log
}

func ended(t *testing.T, p *process) {
	t.Helper()
	select {
	case <-p.done:
	case <-time.After(10 * time.Second):
		t.Fatal("the process has not ended")
	}
}

func TestProcessReportsItsEnd(t *testing.T) {
	p, _ := start(t, "exit 7")
	if ended(t, p); p.code != 7 || p.sig != 0 {
		t.Errorf("code %d, signal %d", p.code, p.sig)
	}
	if err := p.signal(syscall.SIGTERM); !errors.Is(err, os.ErrProcessDone) {
		t.Errorf("signal after the end: %v", err)
	}
	p, _ = start(t, "kill -TERM $$; exit 1")
	if ended(t, p); p.code != 143 || p.sig != 15 {
		t.Errorf("code %d, signal %d", p.code, p.sig)
	}
	if _, err := startProcess(command{Path: "/does/not/exist"}); err == nil {
		t.Error("a missing program was started")
	}
}

// The children of a container end with its first process.
func TestProcessTakesItsChildrenAlong(t *testing.T) {
	p, log := start(t, "sleep 600 & echo $!; wait")
	var child int
	waitFor(t, func() bool {
		data, err := os.ReadFile(log.Name())
		line, _, complete := strings.Cut(string(data), "\n")
		child, _ = strconv.Atoi(line)
		return err == nil && complete
	})
	if err := p.signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	ended(t, p)
	waitFor(t, func() bool { return !alive(child) })
}

// alive is false for a zombie that nobody has collected yet.
func alive(pid int) bool {
	f, err := os.Open("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		return false
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if state, ok := strings.CutPrefix(lines.Text(), "State:"); ok {
			return !strings.Contains(state, "Z")
		}
	}
	return false
}

func waitFor(t *testing.T, done func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for !done() {
		if sleep(ctx, 5*time.Millisecond) != nil {
			t.Fatal("it did not come true within 10 s")
		}
	}
}

func TestAct(t *testing.T) {
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/moved":
			http.Redirect(w, r, "http://192.0.2.1/", http.StatusFound)
		case r.URL.Path == "/slow":
			<-r.Context().Done()
		case r.URL.RequestURI() != "/ok?full=1" || r.Host != "app.example" || !strings.HasPrefix(r.UserAgent(), "kube-probe/"):
			http.Error(w, "no such place", http.StatusNotFound)
		}
	})
	plain, secure := httptest.NewServer(handler), httptest.NewTLSServer(handler)
	defer plain.Close()
	defer secure.Close()
	port := func(s *httptest.Server) int32 {
		u, err := url.Parse(s.URL)
		if err != nil {
			t.Fatal(err)
		}
		n, err := strconv.Atoi(u.Port())
		if err != nil {
			t.Fatal(err)
		}
		return int32(n)
	}
	target := &target{ip: "127.0.0.1",
		ports: []corev1.ContainerPort{{Name: "http", ContainerPort: port(plain)}, {Name: "https", ContainerPort: port(secure)}},
		exec: func(argv []string) (command, error) {
			return command{Path: "/bin/sh", Args: []string{"-c", argv[0]}}, nil
		}}
	get := func(path, port string, scheme corev1.URIScheme) corev1.LifecycleHandler {
		return corev1.LifecycleHandler{HTTPGet: &corev1.HTTPGetAction{Path: path, Port: intstr.FromString(port), Scheme: scheme,
			HTTPHeaders: []corev1.HTTPHeader{{Name: "host", Value: "app.example"}}}}
	}
	for name, test := range map[string]struct {
		handler corev1.LifecycleHandler
		want    string // part of the error, "" for success
	}{
		"http":           {get("/ok?full=1", "http", ""), ""},
		"https":          {get("/ok?full=1", "https", "HTTPS"), ""},
		"redirect is ok": {get("/moved", "http", ""), ""},
		"bad status":     {get("/other", "http", ""), "HTTP status 404: no such place"},
		"unknown port":   {get("/ok", "none", ""), `no port named "none"`},
		"late":           {get("/slow", "http", ""), "deadline exceeded"},
		"tcp":            {corev1.LifecycleHandler{TCPSocket: &corev1.TCPSocketAction{Port: intstr.FromString("http")}}, ""},
		"tcp refused":    {corev1.LifecycleHandler{TCPSocket: &corev1.TCPSocketAction{Port: intstr.FromInt32(1)}}, "refused"},
		"exec":           {corev1.LifecycleHandler{Exec: &corev1.ExecAction{Command: []string{"exit 0"}}}, ""},
		"exec fails":     {corev1.LifecycleHandler{Exec: &corev1.ExecAction{Command: []string{"exit 4"}}}, "exit code 4"},
		"exec late":      {corev1.LifecycleHandler{Exec: &corev1.ExecAction{Command: []string{"sleep 600"}}}, "deadline exceeded"},
		"sleep late":     {corev1.LifecycleHandler{Sleep: &corev1.SleepAction{Seconds: 600}}, "deadline exceeded"},
		"nothing":        {corev1.LifecycleHandler{}, "not supported"},
	} {
		t.Run(name, func(t *testing.T) {
			limit := 5 * time.Second
			if test.want == "deadline exceeded" {
				limit = 200 * time.Millisecond
			}
			ctx, cancel := context.WithTimeout(t.Context(), limit)
			defer cancel()
			err := target.act(ctx, &test.handler)
			if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
				t.Errorf("error %v, want %q", err, test.want)
			}
		})
	}
}
