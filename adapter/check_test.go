package adapter

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/client-go/rest"
)

const (
	checkedPath    = "/apis/apiregistration.k8s.io/v1/apiservices/v1beta2.custom.metrics.k8s.io"
	discoveredPath = "/apis/custom.metrics.k8s.io/v1beta2"
	checkedSpec    = `{"kind":"APIService","apiVersion":"apiregistration.k8s.io/v1","spec":{"service":{"namespace":"ns","name":"loadline-adapter"}}`
	available      = checkedSpec + `,"status":{"conditions":[{"type":"Available","status":"True"}]}}`
	resourceList   = `{"kind":"APIResourceList","apiVersion":"v1","groupVersion":"custom.metrics.k8s.io/v1beta2","resources":[]}`
)

// checked asks a server that answers by path, and returns what is written. An answer that
// begins with a number has that status.
func checked(t *testing.T, o *checkOptions, answers func(path string) string) (string, error) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer := answers(r.URL.Path)
		w.Header().Set("Content-Type", "application/json")
		switch {
		case answer == "hang":
			<-r.Context().Done()
		case strings.HasPrefix(answer, "{"):
			_, _ = w.Write([]byte(answer))
		case answer == "503":
			w.WriteHeader(http.StatusServiceUnavailable)
			_, _ = w.Write([]byte("service unavailable"))
		case answer == "403":
			w.WriteHeader(http.StatusForbidden)
			_, _ = w.Write([]byte(`{"kind":"Status","apiVersion":"v1","status":"Failure","message":"may not","reason":"Forbidden","code":403}`))
		case answer == "":
			w.WriteHeader(http.StatusNotFound)
			_, _ = w.Write([]byte(`{"kind":"Status","apiVersion":"v1","status":"Failure","message":"not there","reason":"NotFound","code":404}`))
		default:
			_, _ = w.Write([]byte(answer))
		}
	}))
	defer server.Close()
	var out bytes.Buffer
	err := o.run(t.Context(), &rest.Config{Host: server.URL}, &out)
	return out.String(), err
}

// What is wrong is said in a line that tells where to look.
func TestCheck(t *testing.T) {
	for name, tt := range map[string]struct {
		api, discovery, want string
	}{
		"answers":           {available, resourceList, "ok"},
		"not registered":    {"", resourceList, "FAILED: there is none: nobody has registered it"},
		"may not be read":   {"403", resourceList, "FAILED: may not"},
		"another's":         {strings.Replace(available, `"ns"`, `"keda"`, 1), resourceList, "FAILED: behind it is keda/loadline-adapter, and not ns/loadline-adapter: one of them has to give it up"},
		"kube-apiserver's":  {strings.Replace(available, `"service"`, `"none"`, 1), resourceList, "FAILED: behind it is kube-apiserver itself, and not ns/loadline-adapter: one of them has to give it up"},
		"unavailable":       {strings.Replace(available, `"True"`, `"False","reason":"FailedDiscoveryCheck","message":"no route"`, 1), resourceList, "FAILED: not available: FailedDiscoveryCheck: no route"},
		"not looked at yet": {checkedSpec + "}", resourceList, "FAILED: not available: kube-apiserver has not looked at it yet"},
		"no discovery":      {available, "503", "FAILED: its discovery: the server is currently unable to handle the request"},
		"discovery hangs":   {available, "hang", "FAILED: its discovery: "},
		"no JSON":           {available, "<html>", "FAILED: its discovery is no JSON: "},
		"of something else": {available, `{"kind":"APIResourceList","groupVersion":"v1"}`, `FAILED: its discovery is about "v1"`},
	} {
		t.Run(name, func(t *testing.T) {
			o := &checkOptions{apiServices: []string{"v1beta2.custom.metrics.k8s.io"}, service: "ns/loadline-adapter", timeout: 300 * time.Millisecond}
			out, err := checked(t, o, func(path string) string {
				return map[string]string{checkedPath: tt.api, discoveredPath: tt.discovery}[path]
			})
			want := "v1beta2.custom.metrics.k8s.io: " + tt.want
			if !strings.HasPrefix(out, want) || strings.Count(out, "\n") != 1 || (err == nil) != (tt.want == "ok") {
				t.Errorf("%v, said %q, want %q", err, out, want)
			}
		})
	}
}

// Each has its line, and one that fails does not hide the others.
func TestCheckSaysAll(t *testing.T) {
	o := &checkOptions{apiServices: []string{"v1beta1.custom.metrics.k8s.io", "v1beta2.custom.metrics.k8s.io"}, timeout: time.Second}
	out, err := checked(t, o, func(path string) string {
		return map[string]string{checkedPath: available, discoveredPath: resourceList}[path]
	})
	want := "v1beta1.custom.metrics.k8s.io: FAILED: there is none: nobody has registered it\nv1beta2.custom.metrics.k8s.io: ok\n"
	if diff := cmp.Diff(want, out); diff != "" || err == nil || err.Error() != "1 of 2 APIServices do not answer" {
		t.Errorf("%v\n%s", err, diff)
	}
}

// With --wait what fails is looked at again.
func TestCheckWaits(t *testing.T) {
	looked := 0
	o := &checkOptions{apiServices: []string{"v1beta2.custom.metrics.k8s.io"}, timeout: time.Second, wait: time.Minute}
	out, err := checked(t, o, func(path string) string {
		if path == discoveredPath {
			return resourceList
		}
		if looked++; looked == 1 {
			return checkedSpec + "}"
		}
		return available
	})
	if err != nil || out != "v1beta2.custom.metrics.k8s.io: ok\n" || looked != 2 {
		t.Errorf("%v after %d looks: %q", err, looked, out)
	}
}

// Manifests of an earlier version, or of another adapter, have nothing else than the metrics APIs.
func TestCheckLooksAtMetricsAPIs(t *testing.T) {
	got, err := newCheckCommand(t.Context()).Flags().GetStringSlice("apiservices")
	want := []string{"v1beta1.custom.metrics.k8s.io", "v1beta2.custom.metrics.k8s.io", "v1beta1.external.metrics.k8s.io"}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v\n%s", err, diff)
	}
}

func TestCheckOptions(t *testing.T) {
	for args, want := range map[string]string{
		"":                            "",
		"--wait=1m --service=a/b":     "",
		"--apiservices=":              "--apiservices: must name one",
		"--apiservices=v1":            "--apiservices=v1: must be VERSION.GROUP",
		"--apiservices=../a.b":        "--apiservices=../a.b: must be VERSION.GROUP",
		"--service=b":                 "--service=b: must be NAMESPACE/NAME",
		"--timeout=0s":                "--timeout must be more than 0, and --wait must not be less",
		"--wait=-1s --apiservices=v1": "--apiservices=v1: must be VERSION.GROUP\n--timeout must be more than 0, and --wait must not be less",
	} {
		t.Run(args, func(t *testing.T) {
			cmd := NewCommand(context.Background())
			cmd.SetArgs(append([]string{"check", "--lister-kubeconfig=/none"}, strings.Fields(args)...))
			cmd.SetErr(&bytes.Buffer{})
			err := cmd.Execute()
			if want == "" {
				want = "--lister-kubeconfig: stat /none: no such file or directory"
			}
			if err == nil || err.Error() != want {
				t.Errorf("%v, want %s", err, want)
			}
		})
	}
}
