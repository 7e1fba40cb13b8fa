package controller

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"
	"k8s.io/utils/ptr"
)

func TestNewestOf(t *testing.T) {
	set := func(name, owner, revision string) appsv1.ReplicaSet {
		return appsv1.ReplicaSet{ObjectMeta: metav1.ObjectMeta{
			Name: name, Annotations: map[string]string{revisionAnnotation: revision},
			OwnerReferences: []metav1.OwnerReference{{UID: "d", Name: owner, Controller: ptr.To(true)}},
		}}
	}
	other := set("other", "x", "99")
	other.OwnerReferences[0].UID = "x"
	for name, tt := range map[string]struct {
		sets []appsv1.ReplicaSet
		want string
	}{
		"none":                  {nil, ""},
		"by number, not by age": {[]appsv1.ReplicaSet{set("old", "d", "2"), set("new", "d", "10"), set("older", "d", "1")}, "new"},
		"another's":             {[]appsv1.ReplicaSet{set("own", "d", "1"), other}, "own"},
		"without a number":      {[]appsv1.ReplicaSet{set("odd", "d", "x")}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			got := ""
			if s := newestOf(tt.sets, "d"); s != nil {
				got = s.Name
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// It asks as the HPA controller does, and takes an error for not knowing.
func TestHasMetric(t *testing.T) {
	for name, tt := range map[string]struct {
		metric string
		code   int
		body   string
		want   string
	}{
		"some":              {"m", 200, `{"items":[{},{}]}`, "true <nil>"},
		"none":              {"m", 200, `{"items":[]}`, "false <nil>"},
		"not found":         {"m", 404, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"NotFound","code":404,"message":"no such metric"}`, "false <nil>"},
		"away":              {"m", 503, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"ServiceUnavailable","code":503,"message":"away"}`, "false away"},
		"no JSON":           {"m", 200, `{`, "false unexpected end of JSON input"},
		"a way out of here": {"../../secrets", 200, `{"items":[{}]}`, `false a metric "../../secrets" that no URL can name`},
	} {
		t.Run(name, func(t *testing.T) {
			asked := ""
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				if r.URL.Path == metricsPath {
					fmt.Fprint(w, `{"kind":"APIGroup","apiVersion":"v1","name":"custom.metrics.k8s.io","preferredVersion":{"groupVersion":"custom.metrics.k8s.io/v1beta2","version":"v1beta2"}}`)
					return
				}
				asked = r.URL.Path + " " + r.URL.Query().Get("labelSelector") + " " + r.URL.Query().Get("metricLabelSelector")
				w.WriteHeader(tt.code)
				fmt.Fprint(w, tt.body)
			}))
			defer server.Close()
			disco, err := discovery.NewDiscoveryClientForConfig(&rest.Config{Host: server.URL})
			if err != nil {
				t.Fatal(err)
			}
			r := &reconciler{scales: disco.RESTClient(), opts: NewOptions()}
			m := autoscalingv2.MetricIdentifier{Name: tt.metric, Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"queue": "a"}}}
			any, err := r.hasMetric(t.Context(), "shop", m, labels.SelectorFromSet(labels.Set{"app": "web"}))
			text := "<nil>"
			if err != nil {
				text = err.Error()
			}
			if diff := cmp.Diff(tt.want, fmt.Sprintf("%v %s", any, text)); diff != "" {
				t.Error(diff)
			}
			if tt.metric == "m" {
				if diff := cmp.Diff("/apis/custom.metrics.k8s.io/v1beta2/namespaces/shop/pods/*/m app=web queue=a", asked); diff != "" {
					t.Error(diff)
				}
			}
		})
	}
}
