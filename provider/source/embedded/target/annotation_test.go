package target

import (
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseAnnotations(t *testing.T) {
	yes, no := true, false
	for name, tc := range map[string]struct {
		of   map[string]string
		want said
		err  string
	}{
		"none":         {nil, said{path: "/metrics", scheme: "http"}, ""},
		"all":          {map[string]string{AnnotationScrape: "true", AnnotationPort: "8080", AnnotationPath: "/m", AnnotationScheme: "https"}, said{&yes, 8080, "/m", "https"}, ""},
		"as people do": {map[string]string{AnnotationScrape: " True ", AnnotationPort: " 8080\n", AnnotationPath: " /m ", AnnotationScheme: "HTTPS"}, said{&yes, 8080, "/m", "https"}, ""},
		"empty ones":   {map[string]string{AnnotationPath: "", AnnotationScheme: ""}, said{path: "/metrics", scheme: "http"}, ""},
		"not":          {map[string]string{AnnotationScrape: "false"}, said{scrape: &no, path: "/metrics", scheme: "http"}, ""},
		"others":       {map[string]string{"prometheus.io/host": "example.com"}, said{path: "/metrics", scheme: "http"}, ""},

		"maybe":              {map[string]string{AnnotationScrape: "maybe"}, said{}, `the annotation prometheus.io/scrape is "maybe", which is neither true nor false`},
		"port 0":             {map[string]string{AnnotationPort: "0"}, said{}, `the annotation prometheus.io/port is "0", which is no number from 1 to 65535`},
		"port 65536":         {map[string]string{AnnotationPort: "65536"}, said{}, `the annotation prometheus.io/port is "65536", which is no number from 1 to 65535`},
		"a negative port":    {map[string]string{AnnotationPort: "-1"}, said{}, `the annotation prometheus.io/port is "-1", which is no number from 1 to 65535`},
		"a port with a sign": {map[string]string{AnnotationPort: "+80"}, said{}, `the annotation prometheus.io/port is "+80", which is no number from 1 to 65535`},
		"a port's name":      {map[string]string{AnnotationPort: "http"}, said{}, `the annotation prometheus.io/port is "http", which is no number from 1 to 65535`},
		"a host in the port": {map[string]string{AnnotationPort: "80@example.com"}, said{}, `the annotation prometheus.io/port is "80@example.com", which is no number from 1 to 65535`},
		"a relative path":    {map[string]string{AnnotationPath: "metrics"}, said{}, `the annotation prometheus.io/path is "metrics", which does not begin with a slash`},
		"a URL as the path":  {map[string]string{AnnotationPath: "http://example.com/"}, said{}, `the annotation prometheus.io/path is "http://example.com/", which does not begin with a slash`},
		"a host as the path": {map[string]string{AnnotationPath: "//example.com/"}, said{}, `the annotation prometheus.io/path is "//example.com/", which begins with two slashes, as though it named a host`},
		"parameters":         {map[string]string{AnnotationPath: "/m?a=b"}, said{}, `the annotation prometheus.io/path is "/m?a=b", which has more than a path: parameters and fragments are not sent`},
		"a line break":       {map[string]string{AnnotationPath: "/m\r\nHost: a"}, said{}, `the annotation prometheus.io/path is "/m\r\nHost: a", which has characters that no path has`},
		"a long path":        {map[string]string{AnnotationPath: "/" + strings.Repeat("a", 1024)}, said{}, `the annotation prometheus.io/path is "/` + strings.Repeat("a", 59) + `…", which has more than 1024 bytes`},
		"another scheme":     {map[string]string{AnnotationScheme: "file"}, said{}, `the annotation prometheus.io/scheme is "file", which is neither http nor https`},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := parseAnnotations(tc.of)
			text := ""
			if err != nil {
				text = err.Error()
			}
			if diff := cmp.Diff(tc.err, text); diff != "" {
				t.Errorf("error (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tc.want, got, cmp.AllowUnexported(said{})); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// Whatever a pod's annotations say, what is scraped is a path of that pod by HTTP.
func FuzzParseAnnotations(f *testing.F) {
	f.Add("true", "8080", "/metrics", "http")
	f.Add("TRUE", "65536", "//a/b", "gopher")
	f.Add("1", "1", "/a b%2f%zz", "")
	f.Add("", " 1", "/\x00", "https ")
	f.Fuzz(func(t *testing.T, scrape, port, path, scheme string) {
		got, err := parseAnnotations(map[string]string{AnnotationScrape: scrape, AnnotationPort: port, AnnotationPath: path, AnnotationScheme: scheme})
		if err != nil {
			if got != (said{}) {
				t.Errorf("an error, and %+v", got)
			}
			if len(err.Error()) > 600 {
				t.Errorf("an error of %d bytes", len(err.Error()))
			}
			return
		}
		u := &url.URL{Scheme: got.scheme, Host: "192.0.2.1:80", Path: got.path}
		parsed, err := url.Parse(u.String())
		if err != nil {
			t.Fatalf("%+v makes no URL: %v", got, err)
		}
		if parsed.Host != "192.0.2.1:80" || parsed.Path != got.path || parsed.RawQuery != "" || parsed.Fragment != "" || parsed.User != nil {
			t.Errorf("%+v makes %s, which is something else", got, u)
		}
		if got.port == 0 {
			t.Errorf("port %q is taken for none", port)
		}
		if got.scheme != "http" && got.scheme != "https" {
			t.Errorf("scheme %q", got.scheme)
		}
	})
}
