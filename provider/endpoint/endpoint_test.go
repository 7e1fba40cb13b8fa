package endpoint_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/loadline/loadline/provider/endpoint"
)

func TestParsePort(t *testing.T) {
	for text, want := range map[string]uint16{
		"1": 1, "65535": 65535, " 80 ": 80,
		"": 0, "0": 0, "65536": 0, "-1": 0, "+1": 0, "0x50": 0, "http": 0,
	} {
		if got, err := endpoint.ParsePort(text); got != want || (err == nil) != (want != 0) {
			t.Errorf("%q: %d, %v", text, got, err)
		}
	}
}

func TestParsePathAndScheme(t *testing.T) {
	for name, tc := range map[string]struct {
		parse      func(string) (string, error)
		text, want string
		wrong      string
	}{
		"a path":            {endpoint.ParsePath, "/a/b", "/a/b", ""},
		"no path":           {endpoint.ParsePath, " ", "/metrics", ""},
		"without a slash":   {endpoint.ParsePath, "a", "", "does not begin with a slash"},
		"a host":            {endpoint.ParsePath, "//a/b", "", "begins with two slashes, as though it named a host"},
		"parameters":        {endpoint.ParsePath, "/a?b=c", "", "has more than a path: parameters and fragments are not sent"},
		"a line":            {endpoint.ParsePath, "/a\nb", "", "has characters that no path has"},
		"too long":          {endpoint.ParsePath, "/" + strings.Repeat("a", 1024), "", "has more than 1024 bytes"},
		"a scheme":          {endpoint.ParseScheme, "HTTPS", "https", ""},
		"no scheme":         {endpoint.ParseScheme, "", "http", ""},
		"some other scheme": {endpoint.ParseScheme, "file", "", "is neither http nor https"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := tc.parse(tc.text)
			wrong := ""
			if err != nil {
				wrong = err.Error()
			}
			if diff := cmp.Diff([]string{tc.want, tc.wrong}, []string{got, wrong}); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
