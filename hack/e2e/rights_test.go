//go:build e2e

package e2e

import (
	"context"
	"net/http"
	"slices"
	"testing"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/loadline/loadline/hack/lab"
)

// Test6Rights: each API in each version refuses a user without rights with 403,
// and nobody with 401 or 403; who has the shipped role in a namespace reads
// there, and nowhere else. kube-apiserver says so, and so does an adapter that is
// asked directly.
func Test6Rights(t *testing.T) {
	stranger, err := system.Cluster.UserConfig("stranger")
	if err != nil {
		t.Fatal(err)
	}
	reader, err := system.Cluster.UserConfig("reader")
	if err != nil {
		t.Fatal(err)
	}
	bindings := system.Client.RbacV1().RoleBindings(lab.RemindMeNamespace)
	if _, err := bindings.Create(t.Context(), &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "e2e-reader"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "loadline-metrics-reader"},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.UserKind, APIGroup: rbacv1.GroupName, Name: "reader"}},
	}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := bindings.Delete(context.WithoutCancel(t.Context()), "e2e-reader", metav1.DeleteOptions{}); err != nil {
			t.Error(err)
		}
	})
	const list, object = "/pods/*/http_requests_per_second", "/metrics/http_requests_per_second"
	here := []string{
		depthPath, customPath + "v1beta1" + inRemindMe + list, customPath + "v1beta2" + inRemindMe + list, customPath + "v1beta2" + inRemindMe + object,
	}
	elsewhere := []string{
		externalPath + "/namespaces/default/no_such", customPath + "v1beta1/namespaces/default" + list,
		customPath + "v1beta2/namespaces/default" + list, customPath + "v1beta2/nodes/*/requests_per_second",
	}
	forbidden, unknown := []int{http.StatusForbidden}, []int{http.StatusUnauthorized, http.StatusForbidden}
	adapter := adapterPods(t)[0]
	for name, tc := range map[string]struct {
		config  *rest.Config
		allowed []string
		refused []string
		codes   []int
	}{
		"a user without rights": {stranger, nil, slices.Concat(here, elsewhere), forbidden},
		"nobody":                {system.Cluster.AnonymousConfig(), nil, slices.Concat(here, elsewhere), unknown},
		"a reader":              {reader, here, elsewhere, forbidden},
	} {
		t.Run(name, func(t *testing.T) {
			client, err := kubernetes.NewForConfig(tc.config)
			if err != nil {
				t.Fatal(err)
			}
			through := func(ctx context.Context, path string) (code int, body []byte) {
				body, _ = client.Discovery().RESTClient().Get().RequestURI(path).Do(ctx).StatusCode(&code).Raw()
				return code, body
			}
			for _, path := range tc.allowed { // the binding and a first evaluation take a moment
				until(t, path, 15*time.Second, func(ctx context.Context) (bool, string) {
					code, body := through(ctx, path)
					return code == http.StatusOK, string(body)
				})
				until(t, path+", directly", 15*time.Second, func(context.Context) (bool, string) {
					code, body := directly(t, tc.config, adapter, path)
					return code == http.StatusOK, string(body)
				})
			}
			for _, path := range tc.refused {
				if code, body := through(t.Context(), path); !slices.Contains(tc.codes, code) {
					t.Errorf("%s: %d %s, want one of %v", path, code, body, tc.codes)
				}
				if code, body := directly(t, tc.config, adapter, path); !slices.Contains(tc.codes, code) {
					t.Errorf("%s, directly: %d %s, want one of %v", path, code, body, tc.codes)
				}
			}
		})
	}
}
