package conformance

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
)

// body is an answer of any of the APIs, and of each of their versions.
type body struct {
	Kind, APIVersion, Message string
	Items                     []item
	Resources                 []struct{ Name string }
}

type item struct {
	DescribedObject *struct{ Kind, Namespace, Name, APIVersion string }
	MetricName      string                 // v1beta1, and external metrics
	Metric          *struct{ Name string } // v1beta2
	MetricLabels    map[string]string
	Timestamp       time.Time
	Window          *int64 // v1beta1, and external metrics
	WindowSeconds   *int64 // v1beta2
	Value           string
}

func (i *item) metric() string {
	if i.Metric != nil {
		return i.Metric.Name
	}
	return i.MetricName
}

func (i *item) window() int64 {
	for _, w := range []*int64{i.Window, i.WindowSeconds} {
		if w != nil {
			return *w
		}
	}
	return 0
}

// span is a time in which something was evaluated.
type span struct{ since, until time.Time }

// check says in what an answer is another one than the read expects; nothing if in nothing.
// Its values have to be of a time in evaluated.
func (r *Read) check(code int, data []byte, evaluated span) string {
	if want := cmp.Or(r.Status, http.StatusOK); code != want {
		return fmt.Sprintf("status %d, want %d: %s", code, want, data)
	}
	for _, text := range r.Contains {
		if !strings.Contains(string(data), text) {
			return fmt.Sprintf("%d, without %q:\n%s", code, text, data)
		}
	}
	if len(r.Contains) > 0 {
		return ""
	}
	var got body
	if err := json.Unmarshal(data, &got); err != nil && code == http.StatusOK && r.Answer == nil { // of which metrics.k8s.io's has another shape
		return fmt.Sprintf("no JSON: %v: %s", err, data)
	}
	if got.Message == "" { // as for a path of no API, where the paths that there are come back
		got.Message = string(data)
	}
	if !strings.Contains(got.Message, r.Message) {
		return fmt.Sprintf("message (-want +got):\n%s", gocmp.Diff(r.Message, got.Message))
	}
	if r.Answer != nil {
		return r.checkWhole(data)
	}
	if code != http.StatusOK {
		return ""
	}
	if r.Items != nil {
		return r.checkItems(got, evaluated)
	}
	return r.checkValues(got, evaluated)
}

func (r *Read) checkItems(got body, evaluated span) string {
	values := map[string]string{}
	for _, i := range got.Items {
		name := "an item that describes nothing"
		if i.DescribedObject != nil {
			name = i.DescribedObject.Name
		}
		if _, twice := values[name]; twice {
			return fmt.Sprintf("two items for %s", name)
		}
		values[name] = i.Value
		if r.Describes != nil && i.DescribedObject != nil {
			d := i.DescribedObject
			if diff := gocmp.Diff(*r.Describes, Described{d.APIVersion, d.Kind, d.Namespace}); diff != "" {
				return fmt.Sprintf("%s describes (-want +got):\n%s", name, diff)
			}
		}
	}
	if diff := gocmp.Diff(r.Items, values); diff != "" {
		return fmt.Sprintf("values (-want +got):\n%s", diff)
	}
	return r.checkEach(got, evaluated)
}

func (r *Read) checkValues(got body, evaluated span) string {
	want, have := map[string]int{}, map[string]int{}
	for _, v := range r.Values {
		want[v.key()]++
	}
	for _, i := range got.Items {
		have[Value{i.MetricLabels, i.Value}.key()]++
	}
	if diff := gocmp.Diff(want, have); diff != "" {
		return fmt.Sprintf("series and how many of each (-want +got):\n%s", diff)
	}
	return r.checkEach(got, evaluated)
}

// key is a value as a text, for those of external metrics have no order.
func (v Value) key() string {
	labels := maps.Clone(v.Labels)
	if labels == nil {
		labels = map[string]string{}
	}
	text, err := json.Marshal(labels)
	if err != nil {
		panic(err) // a map of texts
	}
	return string(text) + " " + v.Value
}

// checkEach is of what holds for every answer.
func (r *Read) checkEach(got body, evaluated span) string {
	path, _, _ := strings.Cut(r.Path, "?")
	segments := strings.Split(path, "/")
	kind := map[string]string{"custom.metrics.k8s.io": "MetricValueList", "external.metrics.k8s.io": "ExternalMetricValueList"}[segments[0]]
	if want := strings.Join(segments[:2], "/"); got.APIVersion != want || got.Kind != kind {
		return fmt.Sprintf("it is a %s of %s, want a %s of %s", got.Kind, got.APIVersion, kind, want)
	}
	for _, i := range got.Items {
		if name, err := url.PathUnescape(segments[len(segments)-1]); err != nil || i.metric() != name {
			return fmt.Sprintf("an item is of the metric %q, want %q", i.metric(), name)
		}
		// Whole seconds are what the API carries.
		if i.Timestamp.Before(evaluated.since.Truncate(time.Second)) || i.Timestamp.After(evaluated.until) {
			return fmt.Sprintf("an item is of %s, when nothing was evaluated", i.Timestamp)
		}
		if r.Window != nil && i.window() != *r.Window {
			return fmt.Sprintf("the window is %d s, want %d", i.window(), *r.Window)
		}
	}
	return ""
}

// checkWhole compares the body to the letter, but for times.
func (r *Read) checkWhole(data []byte) string {
	var got, want any
	text, err := json.Marshal(r.Answer)
	if err == nil {
		err = json.Unmarshal(text, &want)
	}
	if err == nil {
		err = json.Unmarshal(data, &got)
	}
	if err != nil {
		return err.Error()
	}
	if diff := gocmp.Diff(want, timeless(got)); diff != "" {
		return fmt.Sprintf("answer (-want +got):\n%s", diff)
	}
	return ""
}

// timeless puts TIME in the place of timestamps.
func timeless(v any) any {
	switch v := v.(type) {
	case []any:
		for i := range v {
			v[i] = timeless(v[i])
		}
	case map[string]any:
		for key := range v {
			if v[key] = timeless(v[key]); key == "timestamp" || key == "creationTimestamp" {
				v[key] = "TIME"
			}
		}
	}
	return v
}
