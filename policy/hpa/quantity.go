package hpa

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"
)

// endless matches numbers with an exponent of four digits and more. To read
// 1e-2147483647, resource.Quantity would hold a number of two billion digits: it takes
// minutes and gigabytes.
var endless = regexp.MustCompile(`^[+-]?[0-9.]+[eE][+-]?[0-9]{4,}$`)

// Endless says whether text is a number that a Quantity would take minutes to read.
func Endless(text string) bool { return endless.MatchString(text) }

// ParseQuantity reads a quantity, and refuses one that it would take long to read.
func ParseQuantity(text string) (resource.Quantity, error) {
	if endless.MatchString(text) {
		return resource.Quantity{}, fmt.Errorf("%.40q is no quantity: its exponent is out of range", text)
	}
	q, err := resource.ParseQuantity(text)
	if err != nil {
		return resource.Quantity{}, fmt.Errorf("%.40q is no quantity: give a number such as 50, 1.5k or 500m", text)
	}
	return q, nil
}

// CheckQuantities refuses JSON in which a field that is a quantity of a policy or an
// HPA cannot be read as one by ParseQuantity: whoever reads the whole of it would hang,
// or tell no field. JSON that is none passes as far as it goes, for them to refuse. The
// error is a Problem.
func CheckQuantities(document []byte) error {
	decoder := json.NewDecoder(bytes.NewReader(document))
	decoder.UseNumber()
	var open []level
	for {
		// By tokens, not as a tree: of a field that is there twice both are read later.
		token, err := decoder.Token()
		if err != nil {
			return nil
		}
		if d, ok := token.(json.Delim); ok && (d == '{' || d == '[') {
			open = append(open, level{object: d == '{'})
			continue
		} else if ok {
			open = open[:len(open)-1]
		}
		if len(open) == 0 {
			continue
		}
		in := &open[len(open)-1]
		if text, ok := token.(string); ok && in.object && !in.named {
			in.key, in.named = text, true
			continue
		}
		if _, end := token.(json.Delim); !end && token != nil && in.object && isQuantity(in.key) && !ofLabels(open) {
			if _, err := ParseQuantity(fmt.Sprint(token)); err != nil {
				return Problem{Level: Error, Field: pathOf(open), Message: err.Error()}
			}
		}
		in.named = false
		in.index++
	}
}

// level is an object or a list that is being read.
type level struct {
	object bool
	key    string // of the object's field
	named  bool   // the key has been read, its value has not
	index  int
}

// isQuantity reports whether a field of this name is a quantity, as encoding/json finds
// fields: in whatever case.
func isQuantity(key string) bool {
	return slices.ContainsFunc([]string{"perPod", "value", "averageValue", "tolerance", "targetAverageValue", "targetValue"},
		func(name string) bool { return strings.EqualFold(name, key) })
}

// ofLabels reports whether the innermost object has labels: a label may have any name.
func ofLabels(open []level) bool {
	if len(open) < 2 {
		return false
	}
	switch open[len(open)-2].key {
	case "matchLabels", "labels", "annotations":
		return true
	}
	return false
}

func pathOf(open []level) string {
	path := ""
	for _, l := range open {
		switch {
		case !l.object:
			path += fmt.Sprintf("[%d]", l.index)
		case path == "":
			path = l.key
		default:
			path = child(path, l.key)
		}
	}
	return path
}
