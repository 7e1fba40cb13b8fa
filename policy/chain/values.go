package chain

import diagnostics "github.com/loadline/loadline/provider/api/v1alpha1"

// Valued is how many objects have a value in what the adapter says of a read, or how many
// values there are where it names no number of objects. It is exact where the answer proves it,
// and else the least that it can be.
//
// Values with a problem come first in an answer, so that what it leaves out is good if the last
// that it has is good. How many pods the containers are of that it leaves out is not known.
func Valued(r *diagnostics.Read) (n int32, exact bool) {
	objects, containers := map[string]bool{}, false
	for i := range r.Values {
		v := &r.Values[i]
		containers = containers || v.Container != ""
		if v.Value == nil {
			continue
		}
		n++
		objects[v.Object] = true
	}
	if r.Objects != nil { // a pod has several values, of CPU and memory
		n = int32(len(objects))
	}
	last := len(r.Values) - 1
	switch {
	case r.OmittedValues == 0:
		return n, true
	case last < 0, r.Values[last].Value == nil, containers && r.Objects != nil:
		return n, false
	}
	return n + r.OmittedValues, true
}
