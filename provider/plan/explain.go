package plan

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// Explanation is a plan for people, and for programs as JSON.
type Explanation struct {
	Queries []QueryExplanation `json:"queries"`
	// Empty are metrics without a live object, about which nothing is asked.
	Empty []string `json:"empty,omitempty"`
	// Failed is why a metric has no query.
	Failed map[string]string `json:"failed,omitempty"`
}

// QueryExplanation is one query: what it is, and what it answers.
type QueryExplanation struct {
	Rule string `json:"rule"`
	// Source is the name of the one that is asked; empty for the one that has none.
	Source string `json:"source,omitempty"`
	PromQL string `json:"promQL"`
	// Labels are those by which the reads find their own in the answer; empty where there
	// is one read only.
	Labels []string `json:"labels,omitempty"`
	// Alone is why it can answer one read only; empty where it could answer others, too.
	Alone string `json:"alone,omitempty"`
	// Pieces is in how many queries it is asked, each about some of the objects, because one
	// answer would be too large; 0 where it is one.
	Pieces int               `json:"pieces,omitempty"`
	Reads  []ReadExplanation `json:"reads"`
}

// ReadExplanation is what one query answers: equal reads under all their names.
type ReadExplanation struct {
	Metrics []string `json:"metrics"`
	// Objects is about how many it is; 0 for external metrics.
	Objects int `json:"objects,omitempty"`
	// PromQL is what it would be asked by itself.
	PromQL string `json:"promQL"`
}

// Explain says what is asked and why so.
func (p *Plan) Explain() Explanation {
	e := Explanation{Queries: []QueryExplanation{}}
	for i := range p.Queries {
		q := &p.Queries[i]
		x := QueryExplanation{Rule: q.Rule, PromQL: q.PromQL}
		if q.Shared() {
			x.Labels = q.Labels()
		}
		if q.Alone != nil {
			x.Alone = q.Alone.Error()
		}
		if n := len(q.Pieces()); n > 1 {
			x.Pieces = n
		}
		for _, part := range q.Parts {
			r := ReadExplanation{Objects: len(part.Names), PromQL: part.PromQL}
			for _, id := range part.For {
				r.Metrics = append(r.Metrics, id.String())
			}
			slices.Sort(r.Metrics)
			x.Reads = append(x.Reads, r)
		}
		e.Queries = append(e.Queries, x)
	}
	for _, id := range p.Empty {
		e.Empty = append(e.Empty, id.String())
	}
	slices.Sort(e.Empty)
	for id, err := range p.Failed {
		if e.Failed == nil {
			e.Failed = map[string]string{}
		}
		e.Failed[id.String()] = err.Error()
	}
	e.sort()
	return e
}

func (e *Explanation) sort() {
	slices.SortStableFunc(e.Queries, func(a, b QueryExplanation) int { return strings.Compare(a.Rule, b.Rule) })
}

// Of returns e with the name of the source that is asked.
func (e Explanation) Of(source string) Explanation {
	e.Queries = slices.Clone(e.Queries)
	for i := range e.Queries {
		e.Queries[i].Source = source
	}
	return e
}

// Join makes one explanation of those of several sources.
func Join(all ...Explanation) Explanation {
	joined := Explanation{Queries: []QueryExplanation{}}
	for _, e := range all {
		joined.Queries = append(joined.Queries, e.Queries...)
		joined.Empty = append(joined.Empty, e.Empty...)
		for metric, why := range e.Failed {
			if joined.Failed == nil {
				joined.Failed = map[string]string{}
			}
			joined.Failed[metric] = why
		}
	}
	slices.Sort(joined.Empty)
	joined.sort()
	return joined
}

// Text writes it for people.
func (e Explanation) Text(w io.Writer) error {
	var b strings.Builder
	for _, q := range e.Queries {
		by := q.Rule
		if q.Source != "" {
			by += ", source " + q.Source
		}
		switch {
		case len(q.Labels) > 0:
			fmt.Fprintf(&b, "%s: one query for %d reads, told apart by %s\n", by, len(q.Reads), strings.Join(q.Labels, ", "))
		case q.Alone != "":
			fmt.Fprintf(&b, "%s: a query of its own: %s\n", by, q.Alone)
		case q.Pieces > 0:
			fmt.Fprintf(&b, "%s: one read, asked in %d pieces, for one answer would be too large\n", by, q.Pieces)
		default:
			fmt.Fprintf(&b, "%s: one read\n", by)
		}
		fmt.Fprintf(&b, "  %s\n", q.PromQL)
		for _, r := range q.Reads {
			for _, m := range r.Metrics {
				fmt.Fprintf(&b, "    %s", m)
				if r.Objects > 0 {
					fmt.Fprintf(&b, "  (%d objects)", r.Objects)
				}
				b.WriteByte('\n')
			}
		}
	}
	for _, m := range e.Empty {
		fmt.Fprintf(&b, "not asked about, for there is no live object: %s\n", m)
	}
	for _, m := range slices.Sorted(maps.Keys(e.Failed)) {
		fmt.Fprintf(&b, "no query for %s: %s\n", m, e.Failed[m])
	}
	_, err := io.WriteString(w, b.String())
	return err
}
