package diagnose

import (
	"encoding/base64"
	"slices"
	"strings"
	"time"

	"github.com/loadline/loadline/provider/api/v1alpha1"
)

// What an answer has, and takes, at most. Sizes are in bytes, about.
const (
	maxPage    = 4 << 20 // of a list, which goes on in another answer
	maxMetrics = 500     // of a list
	maxTime    = time.Second
	maxMetric  = 512 << 10
	maxReads   = 100 // of a metric
	maxValues  = 100 // of a read
	maxHPAs    = 100 // of a read
	maxPromQL  = 1000
	maxMessage = 1024
)

// page are the subjects after a place of an earlier page, as next named it; false for what is
// none.
func page(all []*subject, after string) ([]*subject, bool) {
	if after == "" {
		return all, true
	}
	text, err := base64.RawURLEncoding.DecodeString(after)
	namespace, name, ok := strings.Cut(string(text), "/")
	if err != nil || !ok {
		return nil, false
	}
	i, _ := slices.BinarySearchFunc(all, [2]string{namespace, name}, func(s *subject, at [2]string) int {
		if c := strings.Compare(s.namespace, at[0]); c != 0 {
			return c
		}
		return strings.Compare(s.name, at[1])
	})
	if i < len(all) && all[i].namespace == namespace && all[i].name == name {
		i++
	}
	return all[i:], true
}

// next names the place of a subject.
func next(s *subject) string {
	return base64.RawURLEncoding.EncodeToString([]byte(s.namespace + "/" + s.name))
}

// sizeOfMetric is about how many bytes it takes in an answer.
func sizeOfMetric(m *v1alpha1.Metric) int {
	n := 500 + len(m.Namespace) + 2*len(m.Name)
	if m.Rule != nil {
		n += 300 + len(m.Rule.Template) + len(m.Rule.SeriesQuery)
	}
	for i := range m.Reads {
		n += sizeOfRead(&m.Reads[i])
	}
	return n
}

func sizeOfRead(r *v1alpha1.Read) int {
	n := 700 + len(r.MetricSelector) + len(r.ObjectSelector) + len(r.PromQL)
	for _, name := range r.HorizontalPodAutoscalers {
		n += len(name) + 3
	}
	for i := range r.Values {
		n += sizeOfValue(&r.Values[i])
	}
	return n
}

func sizeOfValue(v *v1alpha1.Value) int {
	n := 100 + len(v.Object) + len(v.Container)
	for name, value := range v.Labels {
		n += len(name) + len(value) + 6
	}
	if v.Problem != nil {
		n += 100 + len(v.Problem.Message) + len(v.Problem.Remedy)
	}
	return n
}
