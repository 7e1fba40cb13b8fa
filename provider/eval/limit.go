package eval

import (
	"hash/maphash"
	"slices"
	"strings"

	"github.com/loadline/loadline/provider/metric"
	"github.com/loadline/loadline/provider/plan"
	"github.com/loadline/loadline/provider/store"
)

// admit leaves out what asks about more objects than values may be held, with the
// reason for each. Such answers would be refused anyway, and before that their
// queries, which name every object, would take more memory than the values.
//
// What HPAs reference comes first, then what has values already, so that the same
// ones are left out each time.
func (e *Evaluator) admit(wants []plan.Want) ([]plan.Want, map[metric.Identifier]error) {
	if e.opts.MaxValues == 0 || objects(wants) <= e.opts.MaxValues {
		return wants, nil
	}
	type ranked struct {
		plan.Want
		rank int
		text string
	}
	order := make([]ranked, 0, len(wants))
	for _, w := range wants {
		r := ranked{Want: w, rank: 2, text: w.ID.String()}
		if e.opts.Demand.Referenced(w.ID) {
			r.rank = 0
		} else if s := e.opts.Store.Get(w.ID); s != nil && s.Data != nil {
			r.rank = 1
		}
		order = append(order, r)
	}
	slices.SortFunc(order, func(a, b ranked) int {
		if a.rank != b.rank {
			return a.rank - b.rank
		}
		return strings.Compare(a.text, b.text)
	})
	admitted, refused := wants[:0:0], map[metric.Identifier]error{}
	asked, left := map[question]bool{}, e.opts.MaxValues
	seed := maphash.MakeSeed()
	for _, r := range order {
		q := questionOf(r.Want, seed)
		if !asked[q] && len(r.Names) > left {
			refused[r.ID] = store.Refused(len(r.Names), e.opts.MaxValues)
			continue
		}
		if !asked[q] {
			asked[q], left = true, left-len(r.Names)
		}
		admitted = append(admitted, r.Want)
	}
	return admitted, refused
}

// objects counts the objects that wants ask about; equal questions share a query.
func objects(wants []plan.Want) int {
	n, asked, seed := 0, map[question]bool{}, maphash.MakeSeed()
	for _, w := range wants {
		if q := questionOf(w, seed); !asked[q] {
			asked[q] = true
			n += len(w.Names)
		}
	}
	return n
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
