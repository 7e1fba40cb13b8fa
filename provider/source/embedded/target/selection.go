package target

import (
	"slices"

	"k8s.io/apimachinery/pkg/labels"
)

// Selection chooses pods of one namespace by their labels.
type Selection struct {
	Namespace string
	Selector  labels.Selector
}

// selections are selectors by namespace.
type selections map[string][]labels.Selector

func index(all []Selection) selections {
	by := selections{}
	for _, s := range all {
		if s.Selector != nil && !s.Selector.Empty() { // which the HPA controller refuses as well
			by[s.Namespace] = append(by[s.Namespace], s.Selector)
		}
	}
	return by
}

func (s selections) has(p *Pod) bool {
	return slices.ContainsFunc(s[p.Namespace], func(selector labels.Selector) bool { return selector.Matches(labels.Set(p.Labels)) })
}
