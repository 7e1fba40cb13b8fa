package doctor

import (
	"cmp"
	"maps"
	"slices"

	"github.com/loadline/loadline/policy/floor"
	diagnostics "github.com/loadline/loadline/provider/api/v1alpha1"
	"github.com/loadline/loadline/provider/metric"
)

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
			if p != nil && p.Reason == string(metric.SourceFailed) {
				fails[m.Rule.Source] = cmp.Or(fails[m.Rule.Source], p.Message, p.Reason)
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

// checkSource goes by what sources answer, if some API says it, or else by the values that
// HPAs have of them.
func checkSource(s *Snapshot, o *outcome) {
	if s.Sources != nil {
		s.sources(o)
		return
	}
	const look = `for each adapter pod: kubectl get --raw "/api/v1/namespaces/NAMESPACE/pods/https:POD:6443/proxy/readyz?verbose"`
	if s.HPAs.Unread != nil {
		o.unread("HPAs, whose values would show it, could not be read", s.HPAs.Unread)
		o.remedies = append(o.remedies, look)
		return
	}
	own, _ := s.own()
	asking := 0
	for _, h := range own {
		for i, m := range h.Spec.Metrics {
			if group := groupOf(m); group != CustomMetrics && group != ExternalMetrics {
				continue
			}
			asking++
			if valued(h, i) {
				o.ok("the HPA %s/%s had a value of %s in its last sync", h.Namespace, h.Name, floor.Name(m))
				return
			}
		}
	}
	reason := "no HPA asks for a custom or external metric"
	if asking > 0 {
		reason = "no HPA had a value of a custom or external metric in its last sync"
	}
	o.unread("whether a source answers cannot be seen", &Unread{Reason: reason})
	o.remedies = append(o.remedies, look)
}

func (s *Snapshot) sources(o *outcome) {
	var down []Object
	for _, source := range s.Sources {
		if source.Down != "" {
			down = append(down, Object{Kind: "Source", Name: source.Name, Seen: source.Down})
		}
	}
	if len(down) > 0 {
		o.about(Fail, "see whether the adapter's pods reach it: --prometheus-url, or the section sources of the configuration", count(len(down), "source does not answer", "sources do not answer"), down)
		return
	}
	o.ok("%s", count(len(s.Sources), "source answers", "sources answer"))
}
