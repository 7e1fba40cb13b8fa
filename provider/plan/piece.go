package plan

import (
	"fmt"
	"slices"

	promlabels "github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"

	"github.com/loadline/loadline/provider/rule"
)

// Piece is a query that gives a part of an answer: what there is of some of the objects.
type Piece struct {
	PromQL string
	part   *Part // nil where it cannot be about fewer objects
	names  []string
}

// Pieces are what is sent for the query, one after the other: the query itself or, where
// its answer would have too many elements, several that are each about some of the objects.
// What these give together is the answer.
//
// It is the same because of what sharing needs as well: where it is proved that each object
// has the same value in whatever company, it has it in less company, too. A query that fails
// for the company of its objects, as where one side of a match has two series of an object of
// which the other side has none, may not fail in pieces: then each object has what it has by
// itself.
func (q *Query) Pieces() []Piece {
	whole := Piece{PromQL: q.PromQL}
	if q.Shared() || q.Alone != nil || objectsAt(q.Parts[0].Given) < 0 {
		return []Piece{whole}
	}
	whole.part, whole.names = &q.Parts[0], q.Parts[0].Names
	if q.pieces <= 1 {
		return []Piece{whole}
	}
	return whole.divide(q.pieces)
}

// Halves are two pieces in the place of one whose answer is too large; ok is false where
// there is nothing to divide: it is about one object, or its objects' values are not proved
// to be each its own.
func (p Piece) Halves() (first, second Piece, ok bool) {
	if p.part == nil || len(p.names) < 2 {
		return Piece{}, Piece{}, false
	}
	halves := p.divide(2)
	return halves[0], halves[1], true
}

// divide returns n pieces in the place of p, or fewer where there are not enough objects.
// Queries that name thousands take their time to be read, so it is read once.
func (p Piece) divide(n int) (pieces []Piece) {
	expr, err := rule.NewParser().ParseExpr(p.PromQL)
	if err != nil {
		panic(fmt.Sprintf("a query that was proved cannot be read again: %v: %s", err, p.PromQL))
	}
	about := p.part.Given[objectsAt(p.part.Given)]
	about.Values = p.names
	var places []**promlabels.Matcher
	parser.Inspect(expr, func(node parser.Node, _ []parser.Node) error {
		if s, ok := node.(*parser.VectorSelector); ok {
			for i, m := range s.LabelMatchers {
				if about.Is(m) {
					places = append(places, &s.LabelMatchers[i])
				}
			}
		}
		return nil
	})
	for names := range slices.Chunk(p.names, ceil(len(p.names), n)) {
		about.Values = names
		m := about.Matcher()
		for _, place := range places {
			*place = m
		}
		pieces = append(pieces, Piece{PromQL: expr.String(), part: p.part, names: names})
	}
	return pieces
}

// objectsAt is the place of the label of the described objects, -1 if there is none.
func objectsAt(given []rule.Given) int {
	return slices.IndexFunc(given, func(g rule.Given) bool { return g.Objects })
}

func ceil(n, by int) int { return (n + by - 1) / by }
