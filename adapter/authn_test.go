package adapter

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apiserver/pkg/authentication/authenticator"
	"k8s.io/apiserver/pkg/authentication/authenticatorfactory"
	"k8s.io/apiserver/pkg/authentication/request/headerrequest"
	"k8s.io/apiserver/pkg/authentication/user"
)

// asked is one request with what has to come of it.
type asked struct {
	after       time.Duration // since the one before
	certificate int           // which; 0 for none
	headers     []string      // name, value, name, value …
	fails       bool          // the library says no
	anonymous   bool          // the library says so
	reaches     bool          // the library is asked
}

func TestCertificatesAreRemembered(t *testing.T) {
	for name, requests := range map[string][]asked{
		"one connection": {
			{certificate: 1, reaches: true}, {certificate: 1}, {after: 9 * time.Second, certificate: 1},
			{after: time.Second + 1, certificate: 1, reaches: true}, {certificate: 1},
		},
		"each certificate":                 {{certificate: 1, reaches: true}, {certificate: 2, reaches: true}, {certificate: 1}, {certificate: 2}},
		"without a certificate nothing is": {{reaches: true}, {reaches: true}},
		"what a proxy says": {
			{certificate: 1, headers: []string{"X-Remote-User", "ann"}, reaches: true},
			{certificate: 1, headers: []string{"X-Remote-User", "ann", "Accept", "*/*", "Audit-Id", "7"}},
			{certificate: 1, headers: []string{"X-Remote-User", "bob"}, reaches: true},
			{certificate: 1, headers: []string{"X-Remote-User", "ann", "X-Remote-Uid", "1"}, reaches: true},
			{certificate: 1, headers: []string{"X-Remote-User", "ann", "X-Remote-Group", "a"}, reaches: true},
			{certificate: 1, headers: []string{"X-Remote-User", "ann", "X-Remote-Group", "a", "X-Remote-Group", "b"}, reaches: true},
			{certificate: 1, headers: []string{"X-Remote-User", "ann", "X-Remote-Group", "ab"}, reaches: true},
			{certificate: 1, headers: []string{"X-Remote-User", "ann", "X-Remote-Group", "a1:b"}, reaches: true},
			{certificate: 1, headers: []string{"X-Remote-User", "ann", "X-Remote-Extra-Scope", "a"}, reaches: true},
			{certificate: 1, headers: []string{"X-Remote-User", "ann", "X-Remote-Extra-Scope", "b"}, reaches: true},
			{certificate: 1, reaches: true},
			{certificate: 1, headers: []string{"X-Remote-User", "ann"}},
		},
		"a token": {
			{certificate: 1, reaches: true},
			{certificate: 1, headers: []string{"Authorization", "Bearer a"}, reaches: true},
			{certificate: 1, headers: []string{"Sec-Websocket-Protocol", "base64url.bearer.authorization.k8s.io.YQ"}, reaches: true},
			{certificate: 1},
		},
		"a failure is not": {
			{certificate: 1, fails: true, reaches: true}, {certificate: 1, fails: true, reaches: true}, {certificate: 1, reaches: true}, {certificate: 1},
		},
		"nor who is anonymous": {{certificate: 1, anonymous: true, reaches: true}, {certificate: 1, reaches: true}},
		"no longer than it is valid": {
			{certificate: 3, reaches: true}, {after: 2 * time.Second, certificate: 3}, {after: time.Second + 1, certificate: 3, fails: true, reaches: true},
		},
	} {
		t.Run(name, func(t *testing.T) { checkRemembered(t, requests) })
	}
}

func checkRemembered(t *testing.T, requests []asked) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	certificates := []*x509.Certificate{nil, {NotAfter: now.Add(time.Hour)}, {NotAfter: now.Add(time.Hour)}, {NotAfter: now.Add(3 * time.Second)}}
	var request asked
	reached := false
	library := authenticator.RequestFunc(func(r *http.Request) (*authenticator.Response, bool, error) {
		reached = true
		who := who(r, request)
		r.Header.Del("X-Remote-User") // as the library does
		if request.fails {
			return nil, false, errors.New("unknown authority")
		}
		return &authenticator.Response{User: &user.DefaultInfo{Name: who}}, true, nil
	})
	static := func(names ...string) headerrequest.StringSliceProvider { return headerrequest.StaticStringSlice(names) }
	memory := rememberCertificates(library, &authenticatorfactory.RequestHeaderConfig{
		UsernameHeaders: static("X-Remote-User"), UIDHeaders: static("x-remote-uid"), GroupHeaders: static("X-Remote-Group"), ExtraHeaderPrefixes: static("x-remote-extra-"),
	}, func() time.Time { return now })
	for i := range requests {
		request, reached = requests[i], false
		now = now.Add(request.after)
		r := &http.Request{Header: http.Header{}}
		for j := 0; j < len(request.headers); j += 2 {
			r.Header.Add(request.headers[j], request.headers[j+1])
		}
		if request.certificate > 0 {
			r.TLS = &tls.ConnectionState{PeerCertificates: certificates[request.certificate : request.certificate+1]}
		}
		want := who(r, request)
		response, ok, err := memory.AuthenticateRequest(r)
		if ok == request.fails || (err != nil) != request.fails {
			t.Errorf("request %d: %t, %v", i, ok, err)
			continue
		}
		if reached != request.reaches {
			t.Errorf("request %d reaches the library: %t", i, reached)
		}
		if !ok {
			continue
		}
		if diff := cmp.Diff(want, response.User.GetName()); diff != "" {
			t.Errorf("request %d: who asks (-want +got):\n%s", i, diff)
		}
	}
}

// who is the name of somebody who shows all that decides it.
func who(r *http.Request, a asked) string {
	if a.anonymous {
		return user.Anonymous
	}
	h := r.Header
	return fmt.Sprint(a.certificate, h["X-Remote-User"], h["X-Remote-Uid"], h["X-Remote-Group"], h["X-Remote-Extra-Scope"])
}

// However long the headers of somebody with a certificate are, little is kept of them.
func TestCertificatesKeepNoHeaders(t *testing.T) {
	library := authenticator.RequestFunc(func(*http.Request) (*authenticator.Response, bool, error) {
		return &authenticator.Response{User: &user.DefaultInfo{Name: "x"}}, true, nil
	})
	static := func(names ...string) headerrequest.StringSliceProvider { return headerrequest.StaticStringSlice(names) }
	now := time.Now()
	memory := rememberCertificates(library, &authenticatorfactory.RequestHeaderConfig{
		UsernameHeaders: static("X-Remote-User"), UIDHeaders: static(), GroupHeaders: static(), ExtraHeaderPrefixes: static(),
	}, func() time.Time { return now })
	of := []*x509.Certificate{{NotAfter: now.Add(time.Hour)}}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for i := range 100 {
		r := &http.Request{Header: http.Header{"X-Remote-User": {fmt.Sprint(i) + strings.Repeat("x", 1<<20)}}, TLS: &tls.ConnectionState{PeerCertificates: of}}
		if _, ok, err := memory.AuthenticateRequest(r); !ok || err != nil {
			t.Fatal(ok, err)
		}
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if held := int64(after.HeapAlloc) - int64(before.HeapAlloc); held > 10<<20 {
		t.Errorf("%d bytes are kept of 100 requests", held)
	}
	runtime.KeepAlive(memory)
}
