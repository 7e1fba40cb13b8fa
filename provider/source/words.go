package source

import (
	"fmt"
	"strings"
	"unicode"
)

// NativeHistogram is the error for a series whose value is one.
func NativeHistogram(series string) error {
	return &Error{Kind: Unusable, Quotes: true, Text: fmt.Sprintf("the series %s has a native histogram, not a number: apply histogram_quantile( ), histogram_avg( ) or the like", Excerpt(series))}
}

// NotValues is the error for a result of a PromQL type that is not one value for each
// series, such as matrix.
func NotValues(resultType string) error {
	return &Error{Kind: Unusable, Text: NotValuesText(resultType)}
}

// NotValuesText is the text of NotValues.
func NotValuesText(resultType string) string {
	return fmt.Sprintf("the result is of the type %q, where one value for each series is needed: end the query in no range selector", Excerpt(resultType))
}

// Excerpt makes a short single line of what somebody else wrote.
func Excerpt(text string) string {
	const most = 300
	cut := len(text) > most
	line := strings.Join(strings.FieldsFunc(strings.ToValidUTF8(text[:min(len(text), most)], ""), func(r rune) bool {
		return unicode.IsSpace(r) || !unicode.IsPrint(r)
	}), " ")
	if cut {
		line += "…"
	}
	return line
}
