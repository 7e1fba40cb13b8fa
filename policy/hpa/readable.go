package hpa

import (
	"regexp"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// How String of a LabelSelector writes it (generated.pb.go of meta/v1): neither the keys
// nor the values of one that an API server takes have braces, commas or spaces.
var (
	printedSelector = regexp.MustCompile(`/?&LabelSelector\{MatchLabels:map\[string\]string\{([^{}]*)\},MatchExpressions:\[\]LabelSelectorRequirement\{((?:LabelSelectorRequirement\{[^{}]*\},)*)\},\}`)
	printedRule     = regexp.MustCompile(`LabelSelectorRequirement\{Key:([^,{}]*),Operator:([^,{}]*),Values:\[([^\[\]{}]*)\],\},`)
	// noSelector is behind a metric's name in a message of the HPA controller.
	noSelector = regexp.MustCompile(`(external metric [^\s/]+/[^\s/]+)/nil:`)
)

// Readable writes the selectors in a message of the HPA controller as people do,
// METRIC{queue=reminders}: the controller prints them as its program has them,
// METRIC/&LabelSelector{MatchLabels:map[string]string{queue: reminders,},…}. Text that is
// no such selector stays as it is.
func Readable(message string) string {
	message = noSelector.ReplaceAllString(message, "$1:")
	return printedSelector.ReplaceAllStringFunc(message, func(text string) string {
		parts := printedSelector.FindStringSubmatch(text)
		s := &metav1.LabelSelector{}
		for pair := range strings.SplitSeq(strings.TrimSuffix(parts[1], ","), ",") {
			if key, value, ok := strings.Cut(pair, ": "); ok {
				metav1.AddLabelToSelector(s, key, value)
			}
		}
		for _, rule := range printedRule.FindAllStringSubmatch(parts[2], -1) {
			r := metav1.LabelSelectorRequirement{Key: rule[1], Operator: metav1.LabelSelectorOperator(rule[2])}
			if r.Operator == metav1.LabelSelectorOpIn || r.Operator == metav1.LabelSelectorOpNotIn {
				r.Values = strings.Split(rule[3], " ") // a value may be empty
			}
			s.MatchExpressions = append(s.MatchExpressions, r)
		}
		if len(s.MatchLabels)+len(s.MatchExpressions) == 0 {
			return "" // it selects as much as none
		}
		readable := metav1.FormatLabelSelector(s)
		if strings.Contains(readable, unreadable) {
			return text
		}
		return "{" + readable + "}"
	})
}
