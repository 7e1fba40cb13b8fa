package rule

import (
	"fmt"
	"slices"

	"go.yaml.in/yaml/v3"
	"k8s.io/apimachinery/pkg/selection"
)

// rawExporter is an exporter as written: shapes checked, meanings not.
type rawExporter struct {
	path        string
	line        int
	texts       map[string]text // by key
	pods        rawSelector
	honorLabels bool
}

// rawSelector is a selector as kubectl has it, a text, or as manifests do, a mapping.
type rawSelector struct {
	path         string
	line         int // 0 if there is none
	text         text
	requirements []rawRequirement
	bad          bool // and said to be
}

type rawRequirement struct {
	path     string
	line     int
	key      string
	operator selection.Operator
	values   []string
}

// exporterTexts are the keys of an exporter that are texts.
func exporterTexts() []string {
	return []string{"name", "namespace", "service", "port", "path", "scheme"}
}

func (r *reader) exporters(path string, n *yaml.Node) (out []rawExporter) {
	for i, element := range r.list(path, n) {
		at := fmt.Sprintf("%s[%d]", path, i)
		fields, _ := r.mapping(at, element, append(exporterTexts(), "podSelector", "honorLabels")...)
		e := rawExporter{path: at, line: element.Line, texts: map[string]text{}, pods: r.selector(at+".podSelector", fields["podSelector"])}
		for _, key := range exporterTexts() {
			e.texts[key] = r.text(at+"."+key, fields[key])
		}
		honor := r.boolean(at+".honorLabels", fields["honorLabels"])
		e.honorLabels = honor != nil && *honor
		out = append(out, e)
	}
	return out
}

func (r *reader) selector(path string, n *yaml.Node) rawSelector {
	if n = r.resolve(n); n == nil {
		return rawSelector{}
	}
	s := rawSelector{path: path, line: n.Line}
	before := r.count()
	switch n.Kind {
	case yaml.ScalarNode:
		s.text = r.text(path, n)
	case yaml.MappingNode:
		fields, _ := r.mapping(path, n, "matchLabels", "matchExpressions")
		values, order := r.mapping(path+".matchLabels", fields["matchLabels"])
		for _, key := range order {
			at := path + ".matchLabels." + clip(key.Value)
			s.requirements = append(s.requirements, rawRequirement{at, key.Line, key.Value, selection.Equals, []string{r.text(at, values[key.Value]).value}})
		}
		for i, element := range r.list(path+".matchExpressions", fields["matchExpressions"]) {
			s.requirements = append(s.requirements, r.requirement(fmt.Sprintf("%s.matchExpressions[%d]", path, i), element))
		}
	default:
		r.add(path, n.Line, "must be a selector such as app=queue-exporter, or a mapping with matchLabels, not a %s", kindName(n))
	}
	s.bad = r.count() > before
	return s
}

func (r *reader) requirement(path string, n *yaml.Node) rawRequirement {
	fields, _ := r.mapping(path, n, "key", "operator", "values")
	out := rawRequirement{path: path, line: n.Line, key: r.text(path+".key", fields["key"]).value}
	for i, value := range r.list(path+".values", fields["values"]) {
		out.values = append(out.values, r.text(fmt.Sprintf("%s.values[%d]", path, i), value).value)
	}
	written := []string{"In", "NotIn", "Exists", "DoesNotExist"}
	operators := []selection.Operator{selection.In, selection.NotIn, selection.Exists, selection.DoesNotExist}
	operator := r.text(path+".operator", fields["operator"])
	if i := slices.Index(written, operator.value); i >= 0 {
		out.operator = operators[i]
	} else if operator.line > 0 || fields["operator"] == nil {
		r.add(path+".operator", max(operator.line, n.Line), "must be In, NotIn, Exists or DoesNotExist")
	}
	return out
}
