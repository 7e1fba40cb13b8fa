package doctor

import (
	"cmp"
	"maps"
	"slices"

	diagnostics "github.com/loadline/loadline/provider/api/v1alpha1"
)

// sourceFailed is the reason of a problem that is the source's.
const sourceFailed = "source-failed"

// Sources are those whose state can be told by what the adapter says of metrics: one that
// gave a read's values in its newest evaluation answers, whatever else failed; one that did not
// and fails somewhere is down. Nil if there is none.
func Sources(all []diagnostics.Metric) []Source {
	answers, fails := map[string]bool{}, map[string]string{}
	for i := range all {
		m := &all[i]
		if m.Rule == nil {
			continue
		}
		note := func(p *diagnostics.Problem) {
			if p != nil && p.Reason == sourceFailed {
				fails[m.Rule.Source] = cmp.Or(fails[m.Rule.Source], p.Message, sourceFailed)
			}
		}
		note(m.Rule.Discovery)
		for j := range m.Reads {
			r := &m.Reads[j]
			note(r.Problem)
			note(r.Failing)
			if len(r.Values) > 0 && r.Problem == nil && r.Failing == nil {
				answers[m.Rule.Source] = true
			}
		}
	}
	names := slices.Collect(maps.Keys(answers))
	for name := range fails {
		if !answers[name] {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	var sources []Source
	for _, name := range names {
		s := Source{Name: name}
		if !answers[name] {
			s.Down = fails[name]
		}
		sources = append(sources, s)
	}
	return sources
}
