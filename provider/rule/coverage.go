package rule

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	promlabels "github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
)

// Coverage is a query for how well a source's samples cover what another query looks
// at, compared with an earlier time.
type Coverage struct {
	// PromQL answers with one element for each selector, and each group where it is asked by
	// labels, of which there were samples at the earlier time: what part of them there is
	// now, from 0 to 1, as the mean of the series of then. So neither new series nor series that were young then make up for
	// what others have lost, and a series that is gone counts as 0.
	PromQL string
	// Selectors is how many elements that are, in each group, if all is known.
	Selectors int
	// Label is that of the elements by which the selectors are told apart.
	Label string
}

// CoverageOf returns it for a query and the time that long ago. Of a range selector,
// also inside subqueries, the samples are counted, of an instant selector the series:
// there it does not matter how many samples they have. With labels it is asked for each
// group of series that agree in these.
//
// There is none, which is an error, for a query without selectors, with selectors at a
// fixed time (@), or with durations that the source computes.
func CoverageOf(promQL string, ago time.Duration, by ...string) (Coverage, error) {
	ago = ago.Truncate(time.Millisecond) // the source's unit
	expr, err := NewParser().ParseExpr(promQL)
	if err != nil {
		return Coverage{}, fmt.Errorf("is no PromQL that we know: %s", clip(err.Error()))
	}
	var problem error
	var parts []string
	parser.Inspect(expr, func(node parser.Node, path []parser.Node) error {
		selector, ok := node.(*parser.VectorSelector)
		if !ok {
			return nil
		}
		span, err := spanOf(selector, path)
		if err != nil {
			problem = err
		} else if part := span.coverage(ago, by); !slices.Contains(parts, part) {
			parts = append(parts, part)
		}
		return nil
	})
	if problem != nil {
		return Coverage{}, problem
	}
	if len(parts) == 0 {
		return Coverage{}, errors.New("has no selector")
	}
	label := "selector"
	for slices.Contains(by, label) {
		label += "_"
	}
	for i, part := range parts {
		parts[i] = fmt.Sprintf(`label_replace(%s, %q, "%d", "", "")`, part, label, i)
	}
	return Coverage{PromQL: strings.Join(parts, " or "), Selectors: len(parts), Label: label}, nil
}

// span is what one selector looks at.
type span struct {
	matchers []*promlabels.Matcher
	window   time.Duration // 0: the newest sample
	offset   time.Duration
}

// spanOf adds up the windows and offsets of a selector and of the subqueries around it.
func spanOf(selector *parser.VectorSelector, path []parser.Node) (span, error) {
	s := span{matchers: selector.LabelMatchers, offset: selector.OriginalOffset}
	fixed := selector.Timestamp != nil || selector.StartOrEnd != 0
	computed := selector.OriginalOffsetExpr != nil
	for _, node := range path {
		switch node := node.(type) {
		case *parser.MatrixSelector:
			s.window += node.Range
			computed = computed || node.RangeExpr != nil
		case *parser.SubqueryExpr:
			s.window += node.Range
			s.offset += node.OriginalOffset
			fixed = fixed || node.Timestamp != nil || node.StartOrEnd != 0
			computed = computed || node.RangeExpr != nil || node.OriginalOffsetExpr != nil
		}
	}
	switch {
	case fixed:
		return span{}, errors.New("has a selector at a fixed time (@)")
	case computed:
		return span{}, errors.New("has a duration that the source computes")
	}
	return s, nil
}

// coverage is what part of what s saw that long ago it sees now, in each group by labels.
func (s span) coverage(ago time.Duration, by []string) string {
	now, before := s.String(0), s.String(ago)
	if s.window > 0 {
		now, before = fmt.Sprintf("count_over_time(%s)", now), fmt.Sprintf("count_over_time(%s)", before)
	}
	group, none := "", "vector(0)"
	if len(by) > 0 {
		names := make([]string, len(by))
		for i, l := range by {
			names[i] = labelName(l)
		}
		group = " by (" + strings.Join(names, ", ") + ") "
		none = fmt.Sprintf("0 * count%s(%s)", group, before)
	}
	if s.window == 0 {
		return fmt.Sprintf("(count%s(%s and %s) or %s) / count%s(%s)", group, now, before, none, group, before)
	}
	return fmt.Sprintf("(sum%s(clamp_max(%s / %s, 1)) or %s) / count%s(%s)", group, now, before, none, group, before)
}

// String is the selector as it was that long ago, in PromQL.
func (s span) String(ago time.Duration) string {
	v := &parser.VectorSelector{LabelMatchers: s.matchers, OriginalOffset: s.offset + ago}
	if s.window == 0 {
		return v.String()
	}
	return (&parser.MatrixSelector{VectorSelector: v, Range: s.window}).String()
}
