package prometheus

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/loadline/loadline/provider/source"
)

// maxNames bounds the distinct pairs of series name and label name.
const maxNames = 1 << 20

// nameSet is label names by series name.
type nameSet struct {
	names map[string]map[string]struct{}
	size  int
}

// add takes over the names of one series' labels. The map is not kept.
func (n *nameSet) add(series map[string]string) error {
	name := series["__name__"]
	if name == "" {
		return nil
	}
	labels, known := n.names[name]
	if !known {
		labels = map[string]struct{}{}
		n.names[name] = labels
		n.size++
	}
	for label := range series {
		if _, there := labels[label]; !there && label != "__name__" {
			labels[label] = struct{}{}
			n.size++
		}
	}
	if n.size > maxNames {
		return &source.Error{Kind: source.Incomplete, Text: fmt.Sprintf("there are more than %d names of series and labels: narrow the rules' seriesQuery", maxNames)}
	}
	return nil
}

func (n *nameSet) list() []source.Series {
	out := make([]source.Series, 0, len(n.names))
	for _, name := range slices.Sorted(maps.Keys(n.names)) {
		out = append(out, source.Series{Name: name, Labels: slices.Sorted(maps.Keys(n.names[name]))})
	}
	return out
}

// decodeSeries reads the body of /api/v1/series one series at a time. What an incomplete
// answer has comes with the error.
func decodeSeries(body io.Reader) ([]source.Series, error) {
	e := newEnvelope(body)
	found := nameSet{names: map[string]map[string]struct{}{}}
	series := map[string]string{}
	err := e.read(func(first json.Token) error {
		return e.restOfArray(first, func() error {
			clear(series)
			if err := e.json.Decode(&series); err != nil {
				return err
			}
			return found.add(series)
		})
	})
	if err != nil {
		return nil, err
	}
	return found.list(), incomplete(e.warnings)
}
