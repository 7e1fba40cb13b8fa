package guard

import (
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/labels"
)

// selectorIndex finds, of many selectors, those that match some labels, without asking
// each: one with matchLabels is looked for under a pair of them only.
type selectorIndex[T any] struct {
	byPair map[pair][]selectorEntry[T]
	rest   map[string][]selectorEntry[T] // by namespace: those without matchLabels
}

type pair struct{ namespace, key, value string }

type selectorEntry[T any] struct {
	selector labels.Selector
	of       T
}

func newSelectorIndex[T any]() *selectorIndex[T] {
	return &selectorIndex[T]{byPair: map[pair][]selectorEntry[T]{}, rest: map[string][]selectorEntry[T]{}}
}

// add puts a selector in, with its matchLabels; of them the pair under which there are
// the fewest others stands for it.
func (x *selectorIndex[T]) add(namespace string, s labels.Selector, match map[string]string, of T) {
	entry := selectorEntry[T]{selector: s, of: of}
	if len(match) == 0 {
		x.rest[namespace] = append(x.rest[namespace], entry)
		return
	}
	var best pair
	fewest := -1
	for _, k := range slices.Sorted(maps.Keys(match)) {
		p := pair{namespace, k, match[k]}
		if n := len(x.byPair[p]); fewest < 0 || n < fewest {
			best, fewest = p, n
		}
	}
	x.byPair[best] = append(x.byPair[best], entry)
}

// matching returns those whose selectors match the labels.
func (x *selectorIndex[T]) matching(namespace string, set map[string]string) []T {
	var found []T
	ask := func(entries []selectorEntry[T]) {
		for _, e := range entries {
			if e.selector.Matches(labels.Set(set)) {
				found = append(found, e.of)
			}
		}
	}
	for _, k := range slices.Sorted(maps.Keys(set)) {
		ask(x.byPair[pair{namespace, k, set[k]}])
	}
	ask(x.rest[namespace])
	return found
}
