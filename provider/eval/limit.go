package eval

import (
	"cmp"
	"hash/maphash"
	"slices"

	"github.com/loadline/loadline/provider/metric"
	"github.com/loadline/loadline/provider/plan"
	"github.com/loadline/loadline/provider/store"
)

// admit leaves out what asks about more than may be held, as far as the number of objects
// and the last answer tell, with the reason for each. Such answers would be refused anyway,
// and before that their queries, which name every object, would take more memory than the
// values.
//
// What HPAs reference comes first, then what has values already, so that the same
// ones are left out each time.
func (e *Evaluator) admit(wants []plan.Want) ([]plan.Want, map[metric.Identifier]error) {
	most := 0 // values asked for, if no two questions are equal
	for _, w := range wants {
		most += w.Size()
	}
	if e.opts.MaxValues == 0 || most <= e.opts.MaxValues {
		return wants, nil
	}
	admitted, refused := wants[:0:0], map[metric.Identifier]error{}
	asked, left := map[question]bool{}, e.opts.MaxValues
	seed := maphash.MakeSeed()
	for _, w := range e.byRank(wants) {
		q := questionOf(w, seed)
		if !asked[q] {
			if w.Size() > left {
				refused[w.ID] = store.Refused(w.Size(), e.opts.MaxValues)
				continue
			}
			asked[q], left = true, left-w.Size()
		}
		admitted = append(admitted, w)
	}
	return admitted, refused
}

// byRank returns wants in the order in which they are admitted.
func (e *Evaluator) byRank(wants []plan.Want) []plan.Want {
	type key struct {
		rank int
		text string
	}
	keys := make(map[metric.Identifier]key, len(wants))
	for _, w := range wants {
		k := key{rank: 2, text: w.ID.String()}
		if e.opts.Demand.Referenced(w.ID) {
			k.rank = 0
		} else if s := e.opts.Store.Get(w.ID); s != nil && s.Data != nil {
			k.rank = 1
		}
		keys[w.ID] = k
	}
	return slices.SortedFunc(slices.Values(wants), func(a, b plan.Want) int {
		x, y := keys[a.ID], keys[b.ID]
		return cmp.Or(cmp.Compare(x.rank, y.rank), cmp.Compare(x.text, y.text))
	})
}

// question is what decides the query of a want: the identifier, with the objects
// that its selector stands for in place of the selector.
type question struct {
	id    metric.Identifier
	names uint64
}

func questionOf(w plan.Want, seed maphash.Seed) question {
	var h maphash.Hash
	h.SetSeed(seed)
	for _, name := range w.Names {
		h.WriteString(name)
		h.WriteByte('/') // in no name
	}
	q := question{id: w.ID, names: h.Sum64()}
	q.id.Name, q.id.Selector = "", ""
	return q
}
