package rule

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	promlabels "github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
)

// A template prints LabelValuesByName inside quotes of its own, so what is right
// there depends on the place: a regular expression wants the names escaped, an
// equality wants exactly one, and a value with a quote in it would end the string.
// Therefore templates are given tokens, and the values replace the tokens in the
// parsed query, where the place is known.

const (
	tokenStart = "zzloadline"
	tokenEnd   = "zz"
)

// stringValues are the values of a read by label, each with its token.
type stringValues struct {
	tokens map[string]string // label → token; "" for no value, so that if and with see it
	raw    map[string]string // label → values joined with |
	byMark []tokenValue
}

type tokenValue struct {
	token string
	matcher
}

func newStringValues(matchers []matcher) stringValues {
	v := stringValues{tokens: map[string]string{}, raw: map[string]string{}}
	for i, m := range matchers { // the last matcher for a label wins, as it always did
		v.raw[m.label] = strings.Join(m.values, "|")
		if m.any {
			v.raw[m.label] = ".+"
		}
		if v.raw[m.label] == "" {
			v.tokens[m.label] = ""
			continue
		}
		token := fmt.Sprintf("%s%d%s", tokenStart, i, tokenEnd)
		v.tokens[m.label] = token
		v.byMark = append(v.byMark, tokenValue{token: token, matcher: m})
	}
	return v
}

// plain replaces tokens by values as text, for comparison only.
func (v *stringValues) plain(s string) string {
	for _, value := range v.byMark {
		s = strings.ReplaceAll(s, value.token, v.raw[value.label])
	}
	return s
}

var errValuePlace = errors.New("prints LabelValuesByName outside a quoted string")

// fill replaces the tokens in a parsed query.
func (v *stringValues) fill(expr parser.Expr) error {
	var err error
	parser.Inspect(expr, func(node parser.Node, _ []parser.Node) error {
		if err != nil {
			return err
		}
		switch node := node.(type) {
		case *parser.VectorSelector:
			err = v.fillSelector(node)
		case *parser.Call:
			err = v.fillCall(node)
		case *parser.StringLiteral:
			node.Val, err = v.replace(node.Val, asText)
		}
		return err
	})
	if err != nil {
		return err
	}
	if strings.Contains(expr.String(), tokenStart) {
		return errValuePlace
	}
	return nil
}

func (v *stringValues) fillSelector(node *parser.VectorSelector) error {
	if strings.Contains(node.Name, tokenStart) {
		return errValuePlace
	}
	for i, m := range node.LabelMatchers {
		if !strings.Contains(m.Value, tokenStart) {
			continue
		}
		value, err := v.matcherValue(m)
		if err != nil {
			return err
		}
		if node.LabelMatchers[i], err = promlabels.NewMatcher(m.Type, m.Name, value); err != nil {
			return err
		}
	}
	return nil
}

func (v *stringValues) matcherValue(m *promlabels.Matcher) (string, error) {
	if m.Type == promlabels.MatchEqual || m.Type == promlabels.MatchNotEqual {
		return v.replace(m.Value, func(of matcher) (string, error) {
			if of.any || len(of.values) > 1 {
				return "", fmt.Errorf("compares the label %s by %s with a LabelValuesByName that can hold several values: write =~", m.Name, m.Type)
			}
			return of.values[0], nil
		})
	}
	return v.replace(m.Value, func(of matcher) (string, error) {
		expression := asRegexp(of)
		if v.alone(m.Value) {
			return expression, nil
		}
		return "(?:" + expression + ")", nil // else | would reach beyond the value
	})
}

func (v *stringValues) alone(s string) bool {
	return slices.ContainsFunc(v.byMark, func(value tokenValue) bool { return value.token == s })
}

func asRegexp(m matcher) string {
	if m.any {
		return ".+"
	}
	return pattern(m.values)
}

func asText(m matcher) (string, error) {
	if m.any {
		return "", errors.New("prints LabelValuesByName into a text, which has no meaning for all objects at once")
	}
	return strings.Join(m.values, "|"), nil
}

// fillCall knows the two strings of label_replace that are not plain text.
func (v *stringValues) fillCall(node *parser.Call) error {
	if node.Func == nil || node.Func.Name != "label_replace" {
		return nil
	}
	for i, arg := range node.Args {
		literal, ok := arg.(*parser.StringLiteral)
		if !ok {
			continue
		}
		var err error
		switch i {
		case 2: // the replacement, where $ begins a reference
			literal.Val, err = v.replace(literal.Val, func(of matcher) (string, error) {
				text, err := asText(of)
				return strings.ReplaceAll(text, "$", "$$"), err
			})
		case 4: // the regular expression
			literal.Val, err = v.replace(literal.Val, func(of matcher) (string, error) {
				return "(?:" + asRegexp(of) + ")", nil
			})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// replace puts values in place of the tokens of s. A value that holds a token
// itself is refused: replacing would then take more than one step.
func (v *stringValues) replace(s string, join func(matcher) (string, error)) (string, error) {
	if !strings.Contains(s, tokenStart) {
		return s, nil
	}
	for _, value := range v.byMark {
		if strings.Contains(v.raw[value.label], tokenStart) {
			return "", fmt.Errorf("the value %q of %s cannot be used here", clip(v.raw[value.label]), value.label)
		}
		if !strings.Contains(s, value.token) {
			continue
		}
		text, err := join(value.matcher)
		if err != nil {
			return "", err
		}
		s = strings.ReplaceAll(s, value.token, text)
	}
	return s, nil
}
