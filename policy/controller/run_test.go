package controller

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
)

// emptyCluster is an API server that has the kinds, no objects, and a Lease.
type emptyCluster struct {
	without string // a group that is not served

	mu    sync.Mutex
	lease *coordinationv1.Lease
}

func (c *emptyCluster) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	const leases = "/apis/coordination.k8s.io/v1/namespaces/loadline-system/leases"
	switch {
	case c.without != "" && strings.HasPrefix(r.URL.Path, "/apis/"+c.without):
		respond(w, 404, metav1.Status{TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: "Failure", Reason: metav1.StatusReasonNotFound, Code: 404})
	case r.URL.Path == "/api":
		respond(w, 200, metav1.APIVersions{TypeMeta: metav1.TypeMeta{Kind: "APIVersions"}, Versions: []string{"v1"}})
	case r.URL.Path == "/api/v1":
		respond(w, 200, metav1.APIResourceList{TypeMeta: metav1.TypeMeta{Kind: "APIResourceList", APIVersion: "v1"}, GroupVersion: "v1", APIResources: []metav1.APIResource{
			{Name: "replicationcontrollers", SingularName: "replicationcontroller", Kind: "ReplicationController", Namespaced: true, Verbs: metav1.Verbs{"list", "watch"}},
			{Name: "services", SingularName: "service", Kind: "Service", Namespaced: true, Verbs: metav1.Verbs{"list", "watch"}},
		}})
	case r.URL.Path == "/apis":
		list := metav1.APIGroupList{TypeMeta: metav1.TypeMeta{Kind: "APIGroupList", APIVersion: "v1"}}
		for group, version := range map[string]string{"loadline.dev": "v1alpha1", "autoscaling": "v2", "apps": "v1"} {
			if group != c.without {
				v := metav1.GroupVersionForDiscovery{GroupVersion: group + "/" + version, Version: version}
				list.Groups = append(list.Groups, metav1.APIGroup{Name: group, Versions: []metav1.GroupVersionForDiscovery{v}, PreferredVersion: v})
			}
		}
		respond(w, 200, list)
	case r.URL.Path == "/apis/loadline.dev/v1alpha1":
		respond(w, 200, metav1.APIResourceList{TypeMeta: metav1.TypeMeta{Kind: "APIResourceList", APIVersion: "v1"}, GroupVersion: "loadline.dev/v1alpha1", APIResources: []metav1.APIResource{
			{Name: "autoscalingpolicies", SingularName: "autoscalingpolicy", Kind: "AutoscalingPolicy", Namespaced: true, Verbs: metav1.Verbs{"list", "watch"}},
		}})
	case r.URL.Path == "/apis/autoscaling/v2":
		respond(w, 200, metav1.APIResourceList{TypeMeta: metav1.TypeMeta{Kind: "APIResourceList", APIVersion: "v1"}, GroupVersion: "autoscaling/v2", APIResources: []metav1.APIResource{
			{Name: "horizontalpodautoscalers", SingularName: "horizontalpodautoscaler", Kind: "HorizontalPodAutoscaler", Namespaced: true, Verbs: metav1.Verbs{"list", "watch"}},
		}})
	case r.URL.Path == "/apis/apps/v1":
		respond(w, 200, metav1.APIResourceList{TypeMeta: metav1.TypeMeta{Kind: "APIResourceList", APIVersion: "v1"}, GroupVersion: "apps/v1", APIResources: []metav1.APIResource{
			{Name: "deployments", SingularName: "deployment", Kind: "Deployment", Namespaced: true, Verbs: metav1.Verbs{"list", "watch"}},
			{Name: "statefulsets", SingularName: "statefulset", Kind: "StatefulSet", Namespaced: true, Verbs: metav1.Verbs{"list", "watch"}},
		}})
	case r.URL.Query().Get("sendInitialEvents") != "": // the client then lists
		respond(w, 422, metav1.Status{TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: "Failure", Reason: metav1.StatusReasonInvalid, Code: 422})
	case r.URL.Query().Get("watch") != "":
		w.WriteHeader(200)
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	case r.URL.Path == "/apis/loadline.dev/v1alpha1/autoscalingpolicies":
		io.WriteString(w, `{"kind":"AutoscalingPolicyList","apiVersion":"loadline.dev/v1alpha1","metadata":{"resourceVersion":"1"},"items":[]}`)
	case r.URL.Path == "/apis/autoscaling/v2/horizontalpodautoscalers":
		io.WriteString(w, `{"kind":"HorizontalPodAutoscalerList","apiVersion":"autoscaling/v2","metadata":{"resourceVersion":"1"},"items":[]}`)
	case r.URL.Path == "/apis/apps/v1/deployments":
		io.WriteString(w, `{"kind":"DeploymentList","apiVersion":"apps/v1","metadata":{"resourceVersion":"1"},"items":[]}`)
	case r.URL.Path == "/apis/apps/v1/statefulsets":
		io.WriteString(w, `{"kind":"StatefulSetList","apiVersion":"apps/v1","metadata":{"resourceVersion":"1"},"items":[]}`)
	case r.URL.Path == "/api/v1/replicationcontrollers":
		io.WriteString(w, `{"kind":"ReplicationControllerList","apiVersion":"v1","metadata":{"resourceVersion":"1"},"items":[]}`)
	case r.URL.Path == "/api/v1/services":
		io.WriteString(w, `{"kind":"ServiceList","apiVersion":"v1","metadata":{"resourceVersion":"1"},"items":[]}`)
	case strings.HasPrefix(r.URL.Path, leases):
		c.serveLease(w, r)
	default:
		respond(w, 404, metav1.Status{TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: "Failure", Reason: metav1.StatusReasonNotFound, Code: 404})
	}
}

func (c *emptyCluster) serveLease(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if r.Method != http.MethodGet {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		l := &coordinationv1.Lease{} // which comes as protobuf
		if _, _, err := scheme.Codecs.UniversalDeserializer().Decode(body, nil, l); err != nil {
			respond(w, 400, metav1.Status{TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: "Failure", Code: 400, Message: err.Error()})
			return
		}
		l.ResourceVersion = "1"
		c.lease = l
	}
	if c.lease == nil {
		respond(w, 404, metav1.Status{TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: "Failure", Reason: metav1.StatusReasonNotFound, Code: 404})
		return
	}
	l := c.lease.DeepCopy()
	l.APIVersion, l.Kind = "coordination.k8s.io/v1", "Lease"
	respond(w, 200, l)
}

// holder is who has the Lease, empty for nobody; known is false before there is one.
func (c *emptyCluster) holder() (holder string, known bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.lease == nil {
		return "", false
	}
	if c.lease.Spec.HolderIdentity != nil {
		holder = *c.lease.Spec.HolderIdentity
	}
	return holder, true
}

func respond(w http.ResponseWriter, code int, body any) {
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(body)
}

// Run takes the Lease, becomes ready and serves its metrics; when it is asked to end it
// gives the Lease up and leaves no goroutine behind (TestMain).
func TestRun(t *testing.T) {
	cluster := &emptyCluster{}
	server := httptest.NewServer(cluster)
	defer server.Close()
	o := NewOptions()
	o.MetricsBindAddress, o.HealthBindAddress = freeAddress(t), freeAddress(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- Run(ctx, &rest.Config{Host: server.URL}, o) }()

	await(t, "ready", func() (bool, string) { return get(t, o.HealthBindAddress, "/readyz", "ok") })
	await(t, "alive", func() (bool, string) { return get(t, o.HealthBindAddress, "/healthz", "ok") })
	await(t, "leading", func() (bool, string) {
		return get(t, o.MetricsBindAddress, "/metrics", "\nloadline_policy_leader 1\n")
	})
	for _, want := range []string{"\ngo_goroutines ", "\nprocess_cpu_seconds_total ", "\nworkqueue_adds_total{"} {
		if ok, text := get(t, o.MetricsBindAddress, "/metrics", want); !ok {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if holder, _ := cluster.holder(); holder == "" {
		t.Error("it leads without the Lease")
	}
	cancel()
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("it did not end")
	}
	if holder, known := cluster.holder(); holder != "" || !known {
		t.Errorf("%q has the Lease still", holder)
	}
}

// Without the CRD it says what to do instead of waiting.
func TestRunWithoutTheCRD(t *testing.T) {
	server := httptest.NewServer(&emptyCluster{without: "loadline.dev"})
	defer server.Close()
	o := NewOptions()
	o.MetricsBindAddress, o.HealthBindAddress = "", ""
	err := Run(t.Context(), &rest.Config{Host: server.URL}, o)
	if err == nil || !strings.Contains(err.Error(), "apply deploy/crd") {
		t.Errorf("%v", err)
	}
}

// await asks until it is so, or fails.
func await(t *testing.T, what string, is func() (bool, string)) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	for {
		ok, state := is()
		if ok {
			return
		}
		select {
		case <-deadline:
			t.Fatalf("not %s: %s", what, state)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// get says whether an answer contains a text, and what it is.
func get(t *testing.T, address, path, want string) (bool, string) {
	t.Helper()
	c := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	r, err := c.Get("http://" + address + path)
	if err != nil {
		return false, err.Error()
	}
	defer r.Body.Close()
	data, err := io.ReadAll(r.Body)
	if err != nil {
		return false, err.Error()
	}
	return r.StatusCode == http.StatusOK && strings.Contains(string(data), want), fmt.Sprintf("%d %s", r.StatusCode, data)
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
