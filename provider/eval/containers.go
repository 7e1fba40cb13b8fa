package eval

import (
	"slices"
	"strings"

	"github.com/loadline/loadline/provider/metric"
	"github.com/loadline/loadline/provider/rule"
	"github.com/loadline/loadline/provider/source"
	"github.com/loadline/loadline/provider/store"
)

// elements is how many an answer about n objects has, about: as many of each as the last
// one had of those that it knew; 0 where nothing is known but n.
func elements(n int, last *store.Snapshot) int {
	if last == nil || last.Data == nil || len(last.Data.Containers) == 0 {
		return 0
	}
	held := 0
	for _, containers := range last.Data.Containers {
		held += len(containers)
	}
	return n * held / len(last.Data.Containers)
}

// joinContainers puts the elements of an answer in the containers of its pods, by their
// names. An element without a container's name is what the pod uses as a whole, or of its
// sandbox: it is none of a container.
func joinContainers(samples []source.Sample, q rule.Query, names []string) (map[string][]store.Container, error) {
	pods := make(map[string][]store.Container, min(len(samples), len(names)))
	for _, s := range samples {
		pod, container := s.Labels.Get(q.ObjectLabel), s.Labels.Get(q.ContainerLabel)
		if pod == "" {
			return nil, unlabelled(s.Labels, q.ObjectLabel)
		}
		if container == "" {
			continue
		}
		pod = own(pod, names)
		at := slices.IndexFunc(pods[pod], func(c store.Container) bool { return c.Name == container })
		if at >= 0 {
			c := &pods[pod][at]
			c.Err = metric.Errorf(metric.Duplicate, "several samples for one container, such as %s: aggregate, for example `sum(…) by (<<.GroupBy>>)`", s.Labels)
			continue
		}
		c := store.Container{Name: strings.Clone(container)}
		if c.Quantity, c.Err = metric.Usage(s.Value); c.Err == nil {
			c.Time = s.Time
		}
		pods[pod] = append(pods[pod], c)
	}
	return pods, nil
}
