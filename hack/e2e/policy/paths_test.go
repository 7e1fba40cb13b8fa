//go:build e2e

package policy

import (
	"reflect"
	"strings"

	"github.com/google/go-cmp/cmp"
)

// paths are the fields of a type that hold a value, as its JSON names them, such as
// objectives[].queue.name. A struct of which whole says true counts as one value.
func paths(of reflect.Type, whole func(reflect.Type) bool) []string {
	switch {
	case of.Kind() == reflect.Pointer:
		return paths(of.Elem(), whole)
	case of.Kind() == reflect.Slice:
		return under("[]", paths(of.Elem(), whole))
	case of.Kind() != reflect.Struct || whole(of):
		return []string{""}
	}
	var all []string
	for i := range of.NumField() {
		f := of.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		all = append(all, under(name, paths(f.Type, whole))...)
	}
	return all
}

// under puts a name before paths.
func under(name string, paths []string) []string {
	var all []string
	for _, p := range paths {
		if p != "" && !strings.HasPrefix(p, "[]") {
			p = "." + p
		}
		all = append(all, name+p)
	}
	return all
}

// pathReporter collects the paths of what differs, as paths writes them.
type pathReporter struct {
	path  cmp.Path
	found map[string]bool
}

func (r *pathReporter) PushStep(s cmp.PathStep) { r.path = append(r.path, s) }
func (r *pathReporter) PopStep()                { r.path = r.path[:len(r.path)-1] }

func (r *pathReporter) Report(is cmp.Result) {
	if is.Equal() {
		return
	}
	var names []string
	for i, s := range r.path {
		switch s := s.(type) {
		case cmp.StructField:
			outer := r.path[i-1].Type()
			if f, ok := outer.FieldByName(s.Name()); ok {
				name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
				names = append(names, name)
			}
		case cmp.SliceIndex:
			if len(names) > 0 {
				names[len(names)-1] += "[]"
			}
		}
	}
	r.found[strings.Join(names, ".")] = true
}

// changed are the paths of what differs between two values. Where a whole part is there
// in one of them only, that is the path of the part.
func changed[T any](a, b T, opts ...cmp.Option) map[string]bool {
	r := &pathReporter{found: map[string]bool{}}
	cmp.Equal(a, b, append(opts, cmp.Reporter(r))...)
	return r.found
}
