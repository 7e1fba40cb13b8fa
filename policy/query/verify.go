package query

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
)

// verify reads what was printed as the source will, and says how it differs from what
// was meant: printer and parser are not ours, and a selector that one of them got
// wrong would be another namespace's.
func verify(printed string, want []*parser.VectorSelector, enforced []*labels.Matcher) error {
	if len(printed) > maxPrinted {
		return fmt.Errorf("it has %d bytes when it is printed, and %d is the most", len(printed), maxPrinted)
	}
	tree, err := newParser().ParseExpr(printed)
	if err != nil {
		return errors.New("when it is printed it cannot be read again")
	}
	if tree.String() != printed {
		return errors.New("when it is printed it reads differently")
	}
	got, err := selectors(tree)
	if err != nil {
		return err
	}
	if len(got) != len(want) {
		return errors.New("when it is printed it has other selectors")
	}
	for i, selector := range got {
		if canonical(selector) != canonical(want[i]) {
			return errors.New("when it is printed a selector reads differently")
		}
		for _, m := range enforced {
			if !slices.ContainsFunc(selector.LabelMatchers, func(has *labels.Matcher) bool { return same(has, m) }) {
				return fmt.Errorf("a selector lacks %s", m)
			}
		}
	}
	return nil
}

// selectors returns all of a tree, by the parser's own idea of its nodes and not by
// that of our walk.
func selectors(tree parser.Expr) (found []*parser.VectorSelector, err error) {
	defer func() {
		if r := recover(); r != nil { // the parser panics at a node that it does not know
			err = fmt.Errorf("%v", r)
		}
	}()
	parser.Inspect(tree, func(node parser.Node, _ []parser.Node) error {
		if s, ok := node.(*parser.VectorSelector); ok {
			found = append(found, s)
		}
		return nil
	})
	return found, nil
}

// canonical is what a selector selects, and when.
func canonical(s *parser.VectorSelector) string {
	texts := make([]string, len(s.LabelMatchers))
	for i, m := range s.LabelMatchers {
		texts[i] = fmt.Sprintf("%q %d %q", m.Name, m.Type, m.Value)
	}
	slices.Sort(texts)
	return fmt.Sprintf("%s %s", strings.Join(texts, " "), s.OriginalOffset)
}
