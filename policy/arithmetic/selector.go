package arithmetic

import (
	"strings"

	"k8s.io/apimachinery/pkg/labels"
)

// selector says why the pods of the target are not known; nil if they are
// (validateAndParseSelector in horizontal.go).
func (s *State) selector() *Failure {
	text := s.Scale.Status.Selector
	if text == "" {
		return &Failure{InvalidSelector, "the target's scale has no selector"}
	}
	if _, err := labels.Parse(text); err != nil {
		return &Failure{InvalidSelector, "the selector of the target's scale cannot be read: " + err.Error()}
	}
	if len(s.Rivals) > 0 {
		return &Failure{AmbiguousSelector, "the target's pods are also those of " + strings.Join(s.Rivals, ", ")}
	}
	return nil
}
