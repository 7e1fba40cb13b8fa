//go:build e2e

package e2e

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/metrics/pkg/apis/custom_metrics/v1beta2"

	"github.com/loadline/loadline/hack/lab"
)

// Test7BadRequests: each gets its status code and an error that names the place,
// and right after it the HPAs' metrics are answered.
func Test7BadRequests(t *testing.T) {
	system.Until(t, "both replicas know the metrics", time.Minute, func(ctx context.Context) (bool, string) {
		for range 10 { // kube-apiserver picks a replica for each connection
			if got, err := podMetrics(ctx, "remindmeweb"); err != nil || len(got) == 0 {
				return false, fmt.Sprint(got, err)
			}
		}
		return true, ""
	})
	const custom = "/apis/custom.metrics.k8s.io/v1beta2/namespaces/" + lab.RemindMeNamespace
	const external = "/apis/external.metrics.k8s.io/v1beta1/namespaces/" + lab.RemindMeNamespace
	for name, tc := range map[string]struct {
		path string
		code int
		want string
	}{
		"unknown external metric":  {external + "/no_such_metric", http.StatusNotFound, `no external rule gives a metric "no_such_metric"`},
		"unknown custom metric":    {custom + "/pods/*/no_such_metric", http.StatusNotFound, `no rule gives a metric "no_such_metric" for pods`},
		"unknown resource":         {custom + "/gadgets/*/http_requests_per_second", http.StatusNotFound, `knows no resource "gadgets"`},
		"unknown pod":              {custom + "/pods/no-such-pod/http_requests_per_second", http.StatusNotFound, `no live pods "no-such-pod"`},
		"label selector":           {custom + "/pods/*/http_requests_per_second?labelSelector=a%3D%3D%3Db", http.StatusBadRequest, "unable to parse requirement"},
		"metric label selector":    {custom + "/pods/*/http_requests_per_second?metricLabelSelector=a+in+%28", http.StatusBadRequest, "metricLabelSelector"},
		"external operator":        {external + "/reminder_queue_depth?labelSelector=queue%3E3", http.StatusBadRequest, "queue"},
		"external selector":        {external + "/reminder_queue_depth?labelSelector=%21%21", http.StatusBadRequest, "unable to parse requirement"},
		"a queue that is not":      {external + "/reminder_queue_depth?labelSelector=queue%3Dnone", http.StatusNotFound, "absence is not zero"},
		"a kind without the label": {custom + "/services/*/http_requests_per_second", http.StatusNotFound, "no rule gives"},
	} {
		t.Run(name, func(t *testing.T) {
			var code int
			body, _ := system.Client.Discovery().RESTClient().Get().RequestURI(tc.path).Do(t.Context()).StatusCode(&code).Raw()
			if said := message(body); code != tc.code || !strings.Contains(said, tc.want) {
				t.Errorf("%d %s\nwant %d with %q", code, said, tc.code, tc.want)
			}
			for _, path := range []string{webPath, depthPath} {
				if _, err := system.Raw(t.Context(), path); err != nil {
					t.Errorf("afterwards: %v", err)
				}
			}
		})
	}
}

// message is the text of a Status, or body if it is none.
func message(body []byte) string {
	var status metav1.Status
	if json.Unmarshal(body, &status) == nil && status.Kind == "Status" {
		return status.Message
	}
	return string(body)
}

func decode64(t *testing.T, s string) []byte {
	t.Helper()
	data, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func parseValues(t *testing.T, body []byte) map[string]int64 {
	t.Helper()
	var list v1beta2.MetricValueList
	if err := json.Unmarshal(body, &list); err != nil {
		t.Fatal(err)
	}
	out := map[string]int64{}
	for _, item := range list.Items {
		out[item.DescribedObject.Name] = item.Value.MilliValue()
	}
	return out
}
