package hpa

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// endless matches quantities with an exponent of four digits and more. To read
// 1e-2147483647, resource.Quantity would hold a number of two billion digits: it takes
// minutes and gigabytes.
var endless = regexp.MustCompile(`[eE][+-]?[0-9]{4,}$`)

// CheckQuantities refuses JSON in which a field that is a quantity of a policy or an
// HPA has an exponent of four digits or more, before anything tries to read it. JSON
// that is none passes as far as it goes: whoever reads it says so.
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
		if text := fmt.Sprint(token); in.object && isQuantity(in.key) && endless.MatchString(text) {
			return fmt.Errorf("%s: %.40q is no quantity: its exponent is out of range", pathOf(open), text)
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
