package rule

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/prometheus/common/model"
	"k8s.io/apimachinery/pkg/api/validate/content"
)

// naming turns series names into API metric names.
type naming struct {
	filters []filter
	// matches is nil where the rule gives none: then the whole name is $0.
	matches *regexp.Regexp
	as      string
}

type filter struct {
	pattern *regexp.Regexp
	want    bool
}

// metricName returns the API's name for a series and whether there is one.
func (n *naming) metricName(series string) (string, bool) {
	if !renderable(series) {
		return "", false
	}
	for _, f := range n.filters {
		if f.pattern.MatchString(series) != f.want {
			return "", false
		}
	}
	match := n.matches.FindStringSubmatchIndex(series)
	if match == nil {
		return "", false
	}
	name := string(n.matches.ExpandString(nil, n.as, series, match))
	return name, validMetricName(name) == nil
}

// renderable says whether a series name may stand in a query as it is. Names are
// chosen by whoever exports metrics, and with UTF-8 names they can hold anything,
// PromQL included. Beyond the classic form, dots are allowed (OpenTelemetry's
// names): the parser takes them inside quotes only, as in
// {__name__="<<.Series>>",<<.LabelMatchers>>}.
func renderable(series string) bool {
	return model.LegacyValidation.IsValidMetricName(strings.ReplaceAll(series, ".", "_")) &&
		!strings.HasPrefix(series, ".")
}

// validMetricName says why a name cannot be a segment of an API path.
func validMetricName(name string) error {
	if name == "" {
		return fmt.Errorf("gives an empty metric name")
	}
	if reasons := content.IsPathSegmentName(name); len(reasons) > 0 {
		return fmt.Errorf("gives the metric name %q, which %s", clip(name), reasons[0])
	}
	return nil
}

func compileNaming(raw rawRule, p *problems) naming {
	n := naming{matches: regexp.MustCompile(".*"), as: raw.name.as.value}
	for _, f := range raw.filters {
		if compiled, ok := compileFilter(f, p); ok {
			n.filters = append(n.filters, compiled)
		}
	}
	if raw.name.matches.value != "" {
		matches, err := regexp.Compile(raw.name.matches.value)
		if err != nil {
			p.add(raw.name.path+".matches", raw.name.matches.line, "%s: write a regular expression in RE2 syntax", clip(err.Error()))
			return n
		}
		n.matches = matches
	}
	if n.as == "" {
		switch n.matches.NumSubexp() {
		case 0:
			n.as = "$0"
		case 1:
			n.as = "$1"
		default:
			p.add(raw.name.path+".as", raw.name.matches.line, "is needed because name.matches has %d capture groups: say which to use, for example ${1}", n.matches.NumSubexp())
		}
		return n
	}
	if err := checkExpansion(n.as, n.matches); err != nil {
		p.add(raw.name.path+".as", raw.name.as.line, "%s", err)
	}
	return n
}

func compileFilter(f rawFilter, p *problems) (filter, bool) {
	expression, at, want := f.is, f.path+".is", true
	switch {
	case f.is.value != "" && f.isNot.value != "":
		p.add(f.path, f.line, "has both is and isNot: write two filters")
		return filter{}, false
	case f.is.value == "" && f.isNot.value == "":
		p.add(f.path, f.line, "has neither is nor isNot: give one regular expression")
		return filter{}, false
	case f.isNot.value != "":
		expression, at, want = f.isNot, f.path+".isNot", false
	}
	pattern, err := regexp.Compile(expression.value)
	if err != nil {
		p.add(at, expression.line, "%s: write a regular expression in RE2 syntax", clip(err.Error()))
		return filter{}, false
	}
	return filter{pattern: pattern, want: want}, true
}

// checkExpansion finds references that regexp.Expand would silently replace by
// nothing. $1_total is the classic: it names the group "1_total".
func checkExpansion(as string, matches *regexp.Regexp) error {
	references, literal := 0, strings.Builder{}
	for rest := as; rest != ""; {
		before, after, found := strings.Cut(rest, "$")
		literal.WriteString(before)
		if !found {
			break
		}
		if strings.HasPrefix(after, "$") {
			literal.WriteByte('$')
			rest = after[1:]
			continue
		}
		name, length := reference(after)
		if length == 0 {
			return fmt.Errorf("has a $ that begins no reference: write ${1} for a capture group, $$ for a dollar sign")
		}
		if err := checkReference(name, after[:length], matches); err != nil {
			return err
		}
		references++
		rest = after[length:]
	}
	if references > 0 && !strings.ContainsAny(literal.String(), "/%") {
		return nil // the rest depends on the series
	}
	return validMetricName(literal.String())
}

// reference reads the name after a $ by the rules of regexp.Expand, and how long
// it is with its braces; 0 if there is none.
func reference(s string) (name string, length int) {
	braces := strings.HasPrefix(s, "{")
	if braces {
		s = s[1:]
	}
	for length < len(s) {
		r, size := utf8.DecodeRuneInString(s[length:])
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '_' {
			break
		}
		length += size
	}
	name = s[:length]
	switch {
	case length == 0, braces && !strings.HasPrefix(s[length:], "}"):
		return "", 0
	case braces:
		return name, length + 2
	default:
		return name, length
	}
}

func checkReference(name, written string, matches *regexp.Regexp) error {
	if group, err := strconv.Atoi(name); err == nil && strconv.Itoa(group) == name { // $01 is a name
		if group > matches.NumSubexp() {
			return fmt.Errorf("refers to $%s, but name.matches has %s: put ( ) around the part to keep", written, groups(matches.NumSubexp()))
		}
		return nil
	}
	if matches.SubexpIndex(name) >= 0 {
		return nil
	}
	remedy := "name a group with (?P<" + clip(name) + ">…)"
	if digits := len(name) - len(strings.TrimLeft(name, "0123456789")); digits > 0 {
		remedy = fmt.Sprintf("write ${%s}%s", name[:digits], clip(name[digits:]))
	}
	return fmt.Errorf("refers to the capture group %q, which name.matches does not have: %s", clip(name), remedy)
}

func groups(n int) string {
	if n == 0 {
		return "no capture group"
	}
	return fmt.Sprintf("only %d", n)
}
