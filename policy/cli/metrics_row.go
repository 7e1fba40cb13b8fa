package cli

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/duration"

	"github.com/loadline/loadline/policy/chain"
	diagnostics "github.com/loadline/loadline/provider/api/v1alpha1"
)

// maxAsking is how many HPAs a cell names.
const maxAsking = 3

// readCells are the columns of one read.
func readCells(m *diagnostics.Metric, r *diagnostics.Read) []string {
	rule, source := unknown, unknown
	if m.Rule != nil {
		rule, source = m.Rule.ID, m.Rule.Source
		if m.Rule.Origin == diagnostics.OriginPolicy {
			rule = "policy " + m.Rule.Policy
		}
	}
	age := unknown
	if r.Evaluated != nil {
		age = duration.HumanDuration(m.Time.Sub(r.Evaluated.Time))
	}
	return []string{m.Name, objectsOf(m, r), rule, source, valuesOf(r), age, askedBy(m.Time.Time, r)}
}

// objectsOf is which objects and series a read is about.
func objectsOf(m *diagnostics.Metric, r *diagnostics.Read) string {
	of := cmp.Or(r.Object, r.ObjectSelector)
	if of == "" && m.Resource != "" {
		of = "*"
	}
	if r.MetricSelector != "" {
		of += "{" + r.MetricSelector + "}"
	}
	return cmp.Or(of, unknown)
}

// valuesOf is how many values a reader gets, or how many of the objects have one.
func valuesOf(r *diagnostics.Read) string {
	n, exact := chain.Valued(r)
	text := fmt.Sprint(n)
	if r.Objects != nil {
		text += fmt.Sprintf("/%d", *r.Objects)
	}
	if !exact {
		text = "at least " + text
	}
	return text
}

// askedBy names who asks for a read.
func askedBy(now time.Time, r *diagnostics.Read) string {
	names := slices.Clone(r.HorizontalPodAutoscalers)
	more := int(r.OmittedHorizontalPodAutoscalers)
	if len(names) > maxAsking {
		more += len(names) - maxAsking
		names = names[:maxAsking]
	}
	for i := range names {
		names[i] = "hpa/" + names[i]
	}
	if more > 0 {
		names = append(names, fmt.Sprintf("%d more", more))
	}
	switch {
	case len(names) > 0:
		return strings.Join(names, ", ")
	case r.LastRead != nil:
		return fmt.Sprintf("a reader, %s ago", duration.HumanDuration(now.Sub(r.LastRead.Time)))
	}
	return unknown
}

// problems are why a metric that somebody wants has no value, or not for all objects, each with
// the remedy. What is the same for several reads is said once.
func problems(m *diagnostics.Metric) []string {
	var all []string
	add := func(p *diagnostics.Problem, at string) {
		if p == nil || len(m.Reads) == 0 {
			return
		}
		line := at + p.Reason + ": " + p.Message
		if p.Remedy != "" {
			line += ". To do: " + p.Remedy
		}
		if !slices.Contains(all, line) {
			all = append(all, line)
		}
	}
	if m.Problem != nil {
		add(m.Problem, "")
		return all
	}
	for i := range m.Reads {
		r := &m.Reads[i]
		add(r.Problem, "")
		for _, v := range r.Values {
			add(v.Problem, cmp.Or(strings.Trim(v.Object+"/"+v.Container, "/"), "a value")+": ")
		}
	}
	return all
}
