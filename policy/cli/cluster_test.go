package cli

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"k8s.io/cli-runtime/pkg/genericiooptions"
)

// What an API server refuses is said in its words; that it does not know policies, in
// ours.
func TestRefusals(t *testing.T) {
	for name, tc := range map[string]struct {
		status     int
		kind, body string
		want       string
	}{
		"no CRD": {404, "text/plain", "404 page not found\n", "error: the cluster does not know AutoscalingPolicies: apply Loadline's deploy/crd first"},
		"no right": {403, "application/json",
			`{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Forbidden","code":403,"message":"autoscalingpolicies.loadline.dev is forbidden: nobody may"}`,
			"error: autoscalingpolicies.loadline.dev is forbidden: nobody may"},
		"no sense": {200, "application/json", `{"kind":"AutoscalingPolicyList","apiVersion":"loadline.dev/v1alpha1","metadata":{},"items":[{"apiVersion":"loadline.dev/v1alpha1","kind":"AutoscalingPolicy","metadata":{"name":"a","namespace":"b"},"spec":7}]}`,
			"error: AutoscalingPolicy b/a: "},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", tc.kind)
				w.WriteHeader(tc.status)
				_, _ = w.Write([]byte(tc.body))
			}))
			defer server.Close()
			t.Setenv("KUBECONFIG", t.TempDir()+"/none")
			var out, said bytes.Buffer
			code := Run(context.Background(), []string{"status", "--server", server.URL, "--cache-dir", t.TempDir()},
				genericiooptions.IOStreams{In: strings.NewReader(""), Out: &out, ErrOut: &said})
			if code != exitFound || out.Len() > 0 || !strings.HasPrefix(said.String(), tc.want) {
				t.Errorf("exit code %d: %s%s", code, &out, &said)
			}
		})
	}
}
