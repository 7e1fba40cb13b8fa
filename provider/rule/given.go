package rule

import promlabels "github.com/prometheus/prometheus/model/labels"

// Given is a matcher by which a read's query is about one value of a label, or about the
// objects of some names: what tells the query from that of another read of the same rule.
// Matchers that mean more, such as notin or presence, are no Given.
type Given struct {
	Label string
	// Values are sorted. There is one, which is not empty, but of Objects any number.
	Values []string
	// Objects: the values are names of the described objects.
	Objects bool
}

// given returns the matchers of a read that are one.
func given(matchers []matcher, objectLabel string) (out []Given) {
	for i, m := range matchers {
		objects := objectLabel != "" && i == len(matchers)-1 // as matchers orders them
		switch {
		case m.any, len(m.values) == 0, m.values[0] == "":
		case objects, m.kind == promlabels.MatchEqual:
			out = append(out, Given{Label: m.label, Values: m.values, Objects: objects})
		}
	}
	return out
}

// Is says whether a matcher of a parsed query is the one that g stands for.
func (g Given) Is(m *promlabels.Matcher) bool {
	if m.Name != g.Label {
		return false
	}
	switch m.Type {
	case promlabels.MatchEqual:
		return len(g.Values) == 1 && m.Value == g.Values[0]
	case promlabels.MatchRegexp:
		return m.Value == pattern(g.Values)
	}
	return false
}

// Matcher is the one of these values, sorted and without repetition, as a read of them
// would have it.
func (g Given) Matcher() *promlabels.Matcher {
	if len(g.Values) == 1 {
		return promlabels.MustNewMatcher(promlabels.MatchEqual, g.Label, g.Values[0])
	}
	return promlabels.MustNewMatcher(promlabels.MatchRegexp, g.Label, pattern(g.Values))
}
