package conformance

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// Each thing that a read can expect is seen to fail.
func TestCheck(t *testing.T) {
	began := time.Now().Add(-time.Minute)
	at := time.Now().Add(-time.Second).Format(time.RFC3339)
	const path = "custom.metrics.k8s.io/v1beta2/namespaces/shop/pods/*/sessions"
	list := func(apiVersion, metric, at string) string {
		return fmt.Sprintf(`{"kind":"MetricValueList","apiVersion":%q,"items":[{"describedObject":{"kind":"Pod","namespace":"shop","name":"a","apiVersion":"v1"},"metric":{"name":%q},"timestamp":%q,"windowSeconds":60,"value":"4"}]}`, apiVersion, metric, at)
	}
	good := list("custom.metrics.k8s.io/v1beta2", "sessions", at)
	external := `{"kind":"ExternalMetricValueList","apiVersion":"external.metrics.k8s.io/v1beta1","items":[{"metricName":"depth","metricLabels":{"q":"a"},"timestamp":"` + at + `","value":"4"}]}`
	items := map[string]string{"a": "4"}
	window := func(s int64) *int64 { return &s }
	for name, tc := range map[string]struct {
		read Read
		code int
		body string
		want string // part of what is said; nothing if all is well
	}{
		"as expected":           {Read{Path: path, Items: items, Window: window(60), Describes: &Described{"v1", "Pod", "shop"}}, 200, good, ""},
		"an external metric":    {Read{Path: "external.metrics.k8s.io/v1beta1/namespaces/shop/depth", Values: []Value{{map[string]string{"q": "a"}, "4"}}, Window: window(0)}, 200, external, ""},
		"other labels":          {Read{Path: "external.metrics.k8s.io/v1beta1/namespaces/shop/depth", Values: []Value{{nil, "4"}}}, 200, external, "series and how many"},
		"another value":         {Read{Path: path, Items: map[string]string{"a": "5"}}, 200, good, "values (-want +got)"},
		"one more object":       {Read{Path: path, Items: map[string]string{"a": "4", "b": "1"}}, 200, good, "values (-want +got)"},
		"another kind":          {Read{Path: path, Items: items, Describes: &Described{"v1", "Node", ""}}, 200, good, "a describes"},
		"another window":        {Read{Path: path, Items: items, Window: window(0)}, 200, good, "window is 60 s"},
		"another version":       {Read{Path: path, Items: items}, 200, list("custom.metrics.k8s.io/v1beta1", "sessions", at), "it is a MetricValueList of custom.metrics.k8s.io/v1beta1"},
		"another metric":        {Read{Path: path, Items: items}, 200, list("custom.metrics.k8s.io/v1beta2", "other", at), `of the metric "other"`},
		"before the adapter":    {Read{Path: path, Items: items}, 200, list("custom.metrics.k8s.io/v1beta2", "sessions", "2020-01-01T00:00:00Z"), "when nothing was evaluated"},
		"later than asked":      {Read{Path: path, Items: items}, 200, list("custom.metrics.k8s.io/v1beta2", "sessions", "2120-01-01T00:00:00Z"), "when nothing was evaluated"},
		"no JSON":               {Read{Path: path, Items: items}, 200, "<html>", "no JSON"},
		"an error":              {Read{Path: path, Items: items}, 500, `{"message":"it broke"}`, "status 500, want 200"},
		"the error expected":    {Read{Path: path, Status: 404, Message: "is not there"}, 404, `{"message":"it is not there"}`, ""},
		"another error":         {Read{Path: path, Status: 404, Message: "is not there"}, 404, `{"message":"no"}`, "message (-want +got)"},
		"no error":              {Read{Path: path, Status: 404, Message: "is not there"}, 200, good, "status 200, want 404"},
		"an error as a text":    {Read{Path: path, Status: 404, Message: "not found"}, 404, "404 page not found", ""},
		"the whole":             {Read{Path: path, Answer: map[string]any{"items": []any{map[string]any{"timestamp": "TIME", "n": 5}}}}, 200, `{"items":[{"timestamp":"2020-01-01T00:00:00Z","n":5}]}`, ""},
		"more than the whole":   {Read{Path: path, Answer: map[string]any{"items": []any{}}}, 200, `{"items":[],"metadata":{}}`, "answer (-want +got)"},
		"a text":                {Read{Path: "/metrics", Contains: []string{"b 1"}}, 200, "a 1\nb 1\n", ""},
		"a text that is not":    {Read{Path: "/metrics", Contains: []string{"c 1"}}, 200, "a 1\nb 1\n", `without "c 1"`},
		"a text in an error":    {Read{Path: "/metrics", Contains: []string{"b 1"}}, 500, "a 1\nb 1\n", "status 500, want 200"},
		"an object that is two": {Read{Path: path, Items: items}, 200, strings.Replace(good, `}]}`, `},{"describedObject":{"name":"a"},"value":"4"}]}`, 1), "two items for a"},
	} {
		t.Run(name, func(t *testing.T) {
			got := tc.read.check(tc.code, []byte(tc.body), span{began, time.Now()})
			if tc.want == "" && got != "" || !strings.Contains(got, tc.want) {
				t.Errorf("it says %q, want %q", got, tc.want)
			}
		})
	}
}
