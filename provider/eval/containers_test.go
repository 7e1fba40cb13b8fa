package eval

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/loadline/loadline/provider/metric"
	"github.com/loadline/loadline/provider/plan"
	"github.com/loadline/loadline/provider/source"
	"github.com/loadline/loadline/provider/store"
)

func TestJoinContainers(t *testing.T) {
	type container struct {
		Name   string
		Milli  int64
		Reason metric.Reason
	}
	type got struct {
		Pods map[string][]container
		Err  metric.Reason
	}
	of := func(v float64, pod, container string, more ...string) source.Sample {
		return sample(v, append([]string{"pod", pod, "container", container}, more...)...)
	}
	for name, tc := range map[string]struct {
		samples []source.Sample
		want    got
	}{
		"two of one pod, one of another": {
			[]source.Sample{of(.1, "a", "web"), of(.2, "a", "proxy"), of(.3, "b", "web")},
			got{Pods: map[string][]container{"a": {{"web", 100, ""}, {"proxy", 200, ""}}, "b": {{"web", 300, ""}}}},
		},
		"a sandbox is no container": {
			[]source.Sample{of(.1, "a", "web"), sample(.1, "pod", "a")},
			got{Pods: map[string][]container{"a": {{"web", 100, ""}}}},
		},
		"a bad value is its own container's": {
			[]source.Sample{of(math.NaN(), "a", "web"), of(-1, "a", "proxy"), of(math.Inf(1), "b", "web"), of(2, "b", "proxy")},
			got{Pods: map[string][]container{
				"a": {{"web", 0, metric.NotFinite}, {"proxy", 0, metric.RuleFailed}},
				"b": {{"web", 0, metric.NotFinite}, {"proxy", 2000, ""}},
			}},
		},
		"one twice": {
			[]source.Sample{of(.1, "a", "web", "cpu", "0"), of(.2, "a", "web", "cpu", "1")},
			got{Pods: map[string][]container{"a": {{"web", 100, metric.Duplicate}}}},
		},
		"of no pod": {
			[]source.Sample{of(.1, "a", "web"), sample(.1, "container", "web")},
			got{Err: metric.Unlabelled},
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := plan.Part{Names: []string{"a", "b"}, For: []metric.Identifier{{API: metric.Resource}}}
			p.ObjectLabel, p.ContainerLabel = "pod", "container"
			data, errs := join(source.Answer{Samples: tc.samples}, plan.Query{Query: p.Query, Parts: []plan.Part{p}}, at)
			var have got
			if errs[0] != nil {
				have.Err = metric.ReasonOf(errs[0])
			} else {
				have.Pods = map[string][]container{}
				for pod, list := range data[0].Containers {
					for _, c := range list {
						have.Pods[pod] = append(have.Pods[pod], container{c.Name, c.Quantity.MilliValue(), metric.ReasonOf(c.Err)})
					}
				}
			}
			if diff := cmp.Diff(tc.want, have); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// What containers use counts for the bound of what is held.
func TestContainersAreHeld(t *testing.T) {
	s := store.NewLimited(store.Limits{Values: 2})
	id := metric.Identifier{API: metric.Resource, Metric: "cpu"}
	s.Succeed(id, &store.Data{Evaluated: at, Containers: map[string][]store.Container{"a": {{Name: "x"}, {Name: "y"}}, "b": {{Name: "x"}}}})
	if got := metric.ReasonOf(s.Get(id).Err); got != metric.LimitReached {
		t.Errorf("three values where two may be held: %q", got)
	}
}
