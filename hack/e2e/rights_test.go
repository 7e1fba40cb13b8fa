//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/loadline/loadline/hack/lab"
	"github.com/loadline/loadline/hack/load"
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
	mayRead(t, "reader", lab.RemindMeNamespace)
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
			for _, path := range tc.allowed { // the binding and a first evaluation take a moment
				system.Until(t, path, 15*time.Second, func(ctx context.Context) (bool, string) {
					code, body := through(ctx, client, path)
					return code == http.StatusOK, string(body)
				})
				system.Until(t, path+", directly", 15*time.Second, func(context.Context) (bool, string) {
					code, body := directly(t, tc.config, adapter, path)
					return code == http.StatusOK, string(body)
				})
			}
			for _, path := range tc.refused {
				if code, body := through(t.Context(), client, path); !slices.Contains(tc.codes, code) {
					t.Errorf("%s: %d %s, want one of %v", path, code, body, tc.codes)
				}
				if code, body := directly(t, tc.config, adapter, path); !slices.Contains(tc.codes, code) {
					t.Errorf("%s, directly: %d %s, want one of %v", path, code, body, tc.codes)
				}
			}
		})
	}
}

// Test6OtherNamespaces: who may read metrics in one namespace gets nothing of
// another one, whose metrics exist, by any path form: not by asking there, nor
// across all namespaces, nor for the other one's objects or labels inside his own.
// That is so through kube-apiserver and at an adapter directly.
func Test6OtherNamespaces(t *testing.T) {
	web := driver(t, "remindmeweb-service", load.Get("/"))
	rate(t, web, 10)
	replicas(t, "remindmeweb", 2, 2*time.Minute)
	system.Until(t, "there is something to read", time.Minute, func(ctx context.Context) (bool, string) {
		pods, err := podMetrics(ctx, "remindmeweb")
		_, _, noDepth := queueDepth(ctx)
		return len(pods) > 0 && noDepth == nil, fmt.Sprint(pods, err, noDepth)
	})
	config, err := system.Cluster.UserConfig("neighbour")
	if err != nil {
		t.Fatal(err)
	}
	config.QPS = -1 // no limit of the client's own
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	const own = "/namespaces/default"
	mayRead(t, "neighbour", "default")
	system.Until(t, "he may read in his own namespace", 15*time.Second, func(ctx context.Context) (bool, string) {
		code, body := through(ctx, client, customPath+"v1beta2"+own+"/pods/*/http_requests_per_second")
		return code == http.StatusOK, string(body)
	})

	pod, adapter := podNames(t, "remindmeweb")[0], adapterPods(t)[0]
	const metric, theirs = "/http_requests_per_second", "=namespace%3D" + lab.RemindMeNamespace
	type want struct {
		code int
		text string
	}
	forbidden := want{http.StatusForbidden, "forbidden"}
	empty := want{http.StatusOK, `"items":`} // see the check for values
	absent := want{http.StatusNotFound, "absence is not zero"}
	for path, want := range map[string]want{
		"custom" + inRemindMe + "/pods/" + pod + metric:                        forbidden,
		"custom" + inRemindMe + "/pods/*" + metric:                             forbidden,
		"custom" + inRemindMe + "/metrics" + metric:                            forbidden,
		"custom" + inRemindMe + own + metric:                                   forbidden, // his namespace, asked for in theirs
		"custom/namespaces/*/pods/*" + metric:                                  forbidden,
		"custom/namespaces/*/pods/" + pod + metric:                             forbidden,
		"custom/namespaces/*/metrics" + metric:                                 forbidden,
		"custom/nodes/*/requests_per_second":                                   forbidden,
		"custom" + own + "/pods/" + pod + metric:                               {http.StatusNotFound, "no live pods"},
		"custom" + own + "/pods/*" + metric:                                    empty,
		"custom" + own + "/pods/*" + metric + "?metricLabelSelector" + theirs:  empty,
		"custom" + own + inRemindMe + metric:                                   {http.StatusBadRequest, "cannot be asked for inside namespace"},
		"custom" + own + "/namespaces/*" + metric:                              {http.StatusBadRequest, "do not live in namespaces"},
		"custom" + own + "/nodes/*/requests_per_second":                        {http.StatusBadRequest, "do not live in namespaces"},
		"custom" + own + "/metrics" + metric + "?metricLabelSelector" + theirs: absent,
		"external" + inRemindMe + "/reminder_queue_depth":                      forbidden,
		"external/namespaces/*/reminder_queue_depth":                           forbidden,
		"external" + own + "/reminder_queue_depth":                             absent,
		"external" + own + "/reminder_queue_depth?labelSelector" + theirs:      absent,
	} {
		api, rest, _ := strings.Cut(path, "/")
		for _, path := range map[string][]string{
			"custom": {customPath + "v1beta1/" + rest, customPath + "v1beta2/" + rest}, "external": {externalPath + "/" + rest},
		}[api] {
			t.Run(path, func(t *testing.T) {
				check := func(code int, body []byte) (bool, string) {
					if strings.Contains(string(body), `"value"`) {
						t.Fatalf("he reads %s", body)
					}
					return code == want.code && strings.Contains(string(body), want.text), fmt.Sprintf("%d %s\nwant %d with %s", code, body, want.code, want.text)
				}
				// A first read may have to wait for its evaluation.
				system.Until(t, "through kube-apiserver", 10*time.Second, func(ctx context.Context) (bool, string) { return check(through(ctx, client, path)) })
				system.Until(t, "directly", 10*time.Second, func(context.Context) (bool, string) { return check(directly(t, config, adapter, path)) })
			})
		}
	}
}

// mayRead binds the shipped role for readers to a user in a namespace, for the
// test's time.
func mayRead(t *testing.T, user, namespace string) {
	t.Helper()
	bindings, name := system.Client.RbacV1().RoleBindings(namespace), "e2e-"+user
	if _, err := bindings.Create(t.Context(), &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "loadline-metrics-reader"},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.UserKind, APIGroup: rbacv1.GroupName, Name: user}},
	}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := bindings.Delete(context.WithoutCancel(t.Context()), name, metav1.DeleteOptions{}); err != nil {
			t.Error(err)
		}
	})
}

// through gets a path through kube-apiserver. The code is 0 where no answer came.
func through(ctx context.Context, client kubernetes.Interface, path string) (code int, body []byte) {
	body, _ = client.Discovery().RESTClient().Get().RequestURI(path).Do(ctx).StatusCode(&code).Raw()
	return code, body
}
