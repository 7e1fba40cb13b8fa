package prometheus

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	promlabels "github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"

	"github.com/loadline/loadline/provider/source"
)

const (
	labelsPath = "/api/v1/labels"
	namesPath  = "/api/v1/label/" + model.MetricNameLabel + "/values"
)

// Names is Series for one selector without the series: it has the names of what matches,
// each with those of its labels that are wanted, ordered by name. It asks for lists of
// names, of which there are few, where there may be 200,000 series: for those of the
// series, for those of the labels, and for the series that have one, for each label that
// is wanted. Where the source does not know one of these questions, or may not be asked it,
// it is Series.
//
// A name is listed for as long as the source's index has it, which is up to three hours
// for Prometheus' newest data, whatever since is. Errors are as those of Series.
func (s *Source) Names(ctx context.Context, selector string, since time.Duration, wanted func(label string) bool) ([]source.Series, error) {
	ctx, cancel := context.WithTimeout(ctx, s.config.SeriesTimeout)
	defer cancel()
	found, err := s.names(ctx, selector, since, wanted)
	switch source.KindOf(err) {
	case source.Rejected, source.Malformed:
		return s.Series(ctx, []string{selector}, since)
	}
	return found, err
}

func (s *Source) names(ctx context.Context, selector string, since time.Duration, wanted func(label string) bool) ([]source.Series, error) {
	var lacks lack
	names, err := lacks.of(s.list(ctx, namesPath, selector, since))
	if err != nil {
		return nil, err
	}
	found := make(map[string][]string, len(names))
	for _, name := range names {
		found[name] = nil
	}
	labels, err := lacks.of(s.wanted(ctx, selector, since, names, wanted))
	if err != nil {
		return nil, err
	}
	for _, label := range labels {
		having := names // one name has all the labels there are
		if len(names) > 1 {
			if having, err = lacks.of(s.having(ctx, selector, label, since)); err != nil {
				return nil, err
			}
		}
		for _, name := range having {
			if _, known := found[name]; known { // not one that is new since
				found[name] = append(found[name], label)
			}
		}
	}
	out := make([]source.Series, len(names))
	for i, name := range names {
		out[i] = source.Series{Name: name, Labels: found[name]}
	}
	return out, lacks.err
}

// lack is why the answer to one of several questions is not complete.
type lack struct{ err error }

// of goes on with what an answer has.
func (l *lack) of(names []string, err error) ([]string, error) {
	if source.KindOf(err) == source.Incomplete && names != nil {
		l.err, err = err, nil
	}
	return names, err
}

// wanted are the labels of what matches that are wanted, sorted.
func (s *Source) wanted(ctx context.Context, selector string, since time.Duration, names []string, wanted func(string) bool) ([]string, error) {
	if wanted == nil || len(names) == 0 {
		return nil, nil
	}
	labels, err := s.list(ctx, labelsPath, selector, since)
	return slices.DeleteFunc(labels, func(l string) bool { return l == model.MetricNameLabel || !wanted(l) }), err
}

// having are the names of what matches and has a label.
func (s *Source) having(ctx context.Context, selector, label string, since time.Duration) ([]string, error) {
	matchers, err := parser.NewParser(parser.Options{}).ParseMetricSelector(selector)
	if err != nil {
		return nil, &source.Error{Kind: source.Rejected, Text: "the selector cannot be read: " + err.Error()}
	}
	texts := make([]string, 0, len(matchers)+1)
	for _, m := range append(matchers, promlabels.MustNewMatcher(promlabels.MatchNotEqual, label, "")) {
		texts = append(texts, m.String())
	}
	return s.list(ctx, namesPath, "{"+strings.Join(texts, ",")+"}", since)
}

// list asks for a list of names. It is sorted.
func (s *Source) list(ctx context.Context, path, selector string, since time.Duration) ([]string, error) {
	var names []string
	err := s.call(ctx, s.series, path, s.matching([]string{selector}, since), func(body io.Reader) (err error) {
		names, err = decodeNames(body)
		return err
	})
	slices.Sort(names)
	return slices.Compact(names), err
}

// decodeNames reads a list of texts. What an incomplete answer has comes with the error.
func decodeNames(body io.Reader) ([]string, error) {
	e := newEnvelope(body)
	names := []string{}
	err := e.read(func(first json.Token) error {
		return e.restOfArray(first, func() error {
			var name string
			if err := e.json.Decode(&name); err != nil {
				return err
			}
			if names = append(names, name); len(names) > maxNames {
				return &source.Error{Kind: source.Incomplete, Text: fmt.Sprintf("there are more than %d names: narrow the rules' seriesQuery", maxNames)}
			}
			return nil
		})
	})
	if err != nil {
		return nil, err
	}
	return names, incomplete(e.warnings)
}
