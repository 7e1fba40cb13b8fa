package hpa_test

import (
	"reflect"
	"strings"
	"testing"

	"github.com/loadline/loadline/policy/hpa"
)

// Whatever one value of the spec somebody changes or removes, Differences says so, as
// ours, and at most once: each is a field that applying the HPA mends.
func TestEveryChangeIsSeen(t *testing.T) {
	want, problems := hpa.Build(rich(t), nil, all)
	if want == nil {
		t.Fatalf("%q", lines(problems))
	}
	// How many values there are is known once all have been visited.
	for n, i := 1, 0; i < n; i++ {
		live := want.DeepCopy()
		v := &visitor{at: i, path: "spec"}
		v.visit(reflect.ValueOf(&live.Spec).Elem())
		n = v.seen
		ours, foreign := hpa.Differences(want, live)
		if len(ours) == 0 || len(foreign) > 0 {
			t.Errorf("%s changed: ours %q, foreign %q", v.changed, ours, foreign)
		}
		for _, path := range ours {
			if !strings.HasPrefix(path, "spec.") {
				t.Errorf("%s changed: %q", v.changed, ours)
			}
		}
		if n < 100 {
			t.Fatalf("there are only %d values", n)
		}
	}
}

// visitor changes one of the values that it comes by.
type visitor struct {
	at, seen int
	path     string
	changed  string
}

func (v *visitor) visit(value reflect.Value) {
	path := v.path
	defer func() { v.path = path }()
	switch value.Kind() {
	case reflect.Pointer:
		if value.IsNil() {
			return
		}
		v.visit(value.Elem())
		// Last, for what was in it is gone then.
		v.one(value, func() { value.Set(reflect.Zero(value.Type())) })
	case reflect.Struct:
		if value.Type().Name() == "Quantity" {
			v.one(value, func() { scramble(value) })
			return
		}
		for i := range value.NumField() {
			v.path = path + "." + value.Type().Field(i).Name
			v.visit(value.Field(i))
		}
	case reflect.Slice:
		for i := range value.Len() {
			v.visit(value.Index(i))
		}
		if value.Len() > 0 {
			v.one(value, func() { value.Set(value.Slice(0, value.Len()-1)) })
		}
	case reflect.Map:
		if value.Len() > 0 {
			v.one(value, func() { scramble(value) })
		}
	case reflect.String, reflect.Int32:
		if !value.IsZero() {
			v.one(value, func() { scramble(value) })
		}
	}
}

func (v *visitor) one(value reflect.Value, change func()) {
	if v.seen == v.at {
		v.changed = v.path + " (" + value.Type().String() + ")"
		change()
	}
	v.seen++
}
